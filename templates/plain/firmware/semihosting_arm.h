/* Semihosting: a breakpoint by which a debugger or an emulator does something for the program. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

#define SEMIHOSTING_WRITE0 0x04u        /* argument: a text that ends with 0 */
#define SEMIHOSTING_EXIT_EXTENDED 0x20u /* argument: the reason 0x20026 and the exit code */

static inline uintptr_t semihosting(uintptr_t operation, const void *argument)
{
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt #0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

#endif
