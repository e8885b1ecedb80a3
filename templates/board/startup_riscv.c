/* The least that a 32-bit RISC-V needs before main: stack, global pointer, traps, .data and .bss. */
#include <stdint.h>

extern uint32_t __data_start[];
extern uint32_t __data_end[];
extern const uint32_t __data_source[];
extern uint32_t __bss_start[];
extern uint32_t __bss_end[];

int main(void);

/* Traps and interrupts end here; the low bits of mtvec are its mode, 0 for one handler of all. */
static void __attribute__((used, aligned(64))) halt(void)
{
    for (;;) {
    }
}

static void __attribute__((used, noreturn)) start(void)
{
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

/*
 * Runs first, at the start of the program's memory. Addresses are written out whole: a chip may run
 * its reset from another address at which it shows the same flash.
 */
void reset_handler(void);
__attribute__((naked, section(".vectors"), used)) void reset_handler(void)
{
    __asm__ volatile(".option push\n"
                     ".option norelax\n"      /* the global pointer cannot be reached by itself */
                     ".option arch, +zicsr\n" /* older assemblers have it in the base ISA */
                     "lui gp, %hi(__global_pointer$)\n"
                     "addi gp, gp, %lo(__global_pointer$)\n"
                     "lui sp, %hi(__stack)\n"
                     "addi sp, sp, %lo(__stack)\n"
                     "lui t0, %hi(halt)\n"
                     "addi t0, t0, %lo(halt)\n"
                     "csrw mtvec, t0\n"
                     "lui t0, %hi(start)\n"
                     "jr %lo(start)(t0)\n"
                     ".option pop\n");
}
