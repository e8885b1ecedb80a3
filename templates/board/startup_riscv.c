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

/* Runs first, at the start of the program's memory. */
void reset_handler(void);
__attribute__((naked, section(".vectors"), used)) void reset_handler(void)
{
    __asm__ volatile(".option push\n"
                     ".option norelax\n" /* the global pointer cannot be reached by itself */
                     "la gp, __global_pointer$\n"
                     ".option pop\n"
                     "la sp, __stack\n"
                     ".option push\n"
                     ".option arch, +zicsr\n" /* part of the base ISA of older assemblers */
                     "la t0, halt\n"
                     "csrw mtvec, t0\n"
                     ".option pop\n"
                     "tail start\n");
}
