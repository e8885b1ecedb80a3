/* Semihosting: a breakpoint by which a debugger or an emulator does something for the program. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

#define SEMIHOSTING_WRITE0 0x04u        /* argument: a text that ends with 0 */
#define SEMIHOSTING_EXIT_EXTENDED 0x20u /* argument: the reason 0x20026 and the exit code */

/*
 * The shifts around the breakpoint say what it means; all three lie in one page of memory. A handler
 * that steps over the breakpoint may use t0.
 */
static inline uintptr_t semihosting(uintptr_t operation, const void *argument)
{
    register uintptr_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;

    /* Aligned while compressed instructions may fill the gap: the linker, which moves code, needs them. */
    __asm__ volatile(".balign 16\n"
                     ".option push\n"
                     ".option norvc\n"
                     "slli zero, zero, 0x1f\n"
                     "ebreak\n"
                     "srai zero, zero, 7\n"
                     ".option pop\n"
                     : "+r"(a0)
                     : "r"(a1)
                     : "t0", "memory");
    return a0;
}

#endif
