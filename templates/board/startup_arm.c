/*
 * What a Cortex-M needs before main: a stack, its vector table, the FPU, .data and .bss. Its place is
 * known from the linker script alone, so that a debugger, a boot loader or an emulator may start the
 * program at Reset_Handler, wherever it lies.
 */
#include <stdint.h>

/* What else lies in RAM and comes from flash, of the linker script. */
struct copied {
    const uint32_t *from;
    volatile uint32_t *to;
    uint32_t words;
};

/* Of the linker script. */
extern uint32_t __data_start[];
extern uint32_t __data_end[];
extern const uint32_t __data_source[];
extern const struct copied __copies_start[];
extern const struct copied __copies_end[];
extern uint32_t __bss_start[];
extern uint32_t __bss_end[];
extern void (*const __init_array_start[])(void);
extern void (*const __init_array_end[])(void);

extern const struct vector_table vectors;
int main(void);

#define SCB_VTOR (*(volatile uint32_t *)0xE000ED08u)  /* a Cortex-M0 has none and ignores the write */
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
#define SCB_CPACR (*(volatile uint32_t *)0xE000ED88u)
#endif

/* Called by assembly alone, which link-time optimisation does not see. */
void start_up(void);
__attribute__((used)) void start_up(void)
{
    SCB_VTOR = (uint32_t)(uintptr_t)&vectors;
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    SCB_CPACR |= 0xF00000u; /* full access to CP10 and CP11 */
    __asm__ volatile("dsb\n isb");
#endif
    const uint32_t *from = __data_source;
    for (volatile uint32_t *to = __data_start; to < __data_end; ++to) {
        *to = *from++;
    }
    for (const struct copied *c = __copies_start; c < __copies_end; ++c) {
        for (uint32_t i = 0; i < c->words; ++i) {
            c->to[i] = c->from[i];
        }
    }
    for (volatile uint32_t *to = __bss_start; to < __bss_end; ++to) {
        *to = 0;
    }
    for (void (*const *constructor)(void) = __init_array_start; constructor < __init_array_end;
         ++constructor) {
        (*constructor)();
    }
    (void)main();
    for (;;) {
    }
}

void Reset_Handler(void);
__attribute__((naked)) void Reset_Handler(void)
{
    __asm__ volatile("ldr r0, =__stack\n"
                     "mov sp, r0\n"
                     "ldr r0, =start_up\n"
                     "bx r0\n"
                     ".ltorg\n");
}
