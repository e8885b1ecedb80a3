/* What a 32-bit RISC-V needs before main: stack, global pointer, traps, .data and .bss. */
#include <stdint.h>

/* Of the linker script. */
/* What else lies in RAM and comes from flash, of the linker script. */
struct copied {
    const uint32_t *from;
    volatile uint32_t *to;
    uint32_t words;
};

extern uint32_t __data_start[];
extern uint32_t __data_end[];
extern const uint32_t __data_source[];
extern const struct copied __copies_start[];
extern const struct copied __copies_end[];
extern uint32_t __bss_start[];
extern uint32_t __bss_end[];
extern void (*const __init_array_start[])(void);
extern void (*const __init_array_end[])(void);

int main(void);

/*
 * Traps and interrupts come here, where a debugger finds them. Define a function of the same name for
 * a handler of your own; the low bits of its address have to be 0, mtvec's mode for one handler of all.
 */
void Trap_Handler(void);
__attribute__((weak, used, aligned(64))) void Trap_Handler(void)
{
    for (;;) {
    }
}

/* Called by assembly alone, which link-time optimisation does not see. */
void start_up(void);
__attribute__((used)) void start_up(void)
{
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

/*
 * Runs first, at the start of the program's memory. Addresses are written out whole: a chip may run
 * its reset from another address at which it shows the same flash.
 */
void Reset_Handler(void);
__attribute__((naked, section(".vectors"), used)) void Reset_Handler(void)
{
    __asm__ volatile(".option push\n"
                     ".option norelax\n"      /* the global pointer cannot be reached by itself */
                     ".option arch, +zicsr\n" /* older assemblers have it in the base ISA */
                     "lui gp, %hi(__global_pointer$)\n"
                     "addi gp, gp, %lo(__global_pointer$)\n"
                     "lui sp, %hi(__stack)\n"
                     "addi sp, sp, %lo(__stack)\n"
                     "lui t0, %hi(Trap_Handler)\n"
                     "addi t0, t0, %lo(Trap_Handler)\n"
                     "csrw mtvec, t0\n"
                     "lui t0, %hi(start_up)\n"
                     "jr %lo(start_up)(t0)\n"
                     ".option pop\n");
}
