/* The least that a Cortex-M needs before main: a stack, the FPU, .data and .bss. */
#include <stdint.h>

extern uint32_t __stack[];
extern uint32_t __data_start[];
extern uint32_t __data_end[];
extern const uint32_t __data_source[];
extern uint32_t __bss_start[];
extern uint32_t __bss_end[];

int main(void);

void reset_handler(void);
void reset_handler(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88u |= 0xF00000u; /* CPACR: full access to CP10 and CP11 */
    __asm__ volatile("dsb\n isb");
#endif
    const uint32_t *from = __data_source;
    for (volatile uint32_t *to = __data_start; to < __data_end; ++to) {
        *to = *from++;
    }
    for (volatile uint32_t *to = __bss_start; to < __bss_end; ++to) {
        *to = 0;
    }
    main();
    for (;;) {
    }
}

static void halt(void)
{
    for (;;) {
    }
}

typedef void (*handler)(void);

/* The stack's end, reset, and the core's other exceptions. */
__attribute__((section(".vectors"), used)) static const handler vectors[16] = {
    (handler)(uintptr_t)__stack, reset_handler, halt, halt, halt, halt, halt, halt,
    halt, halt, halt, halt, halt, halt, halt, halt,
};
