/* mcycle: counts processor cycles; its lower 32 bits. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/*
 * Cores differ in whether they have mcycle, and mcountinhibit, which may hold it; an access to what
 * is not there traps. This handler steps over it, an instruction of 4 bytes, and leaves t0 unequal 0.
 */
__attribute__((naked, aligned(64))) static void clock_step_over(void)
{
    __asm__ volatile(".option push\n"
                     ".option arch, +zicsr\n"
                     "csrr t0, mepc\n"
                     "addi t0, t0, 4\n"
                     "csrw mepc, t0\n"
                     "mret\n"
                     ".option pop\n");
}

static inline void clock_start(void)
{
    uint32_t traps;

    __asm__ volatile(".option push\n"
                     ".option arch, +zicsr\n"
                     "csrrw %0, mtvec, %1\n"
                     "csrw mcountinhibit, zero\n"
                     "csrw mtvec, %0\n"
                     ".option pop\n"
                     : "=&r"(traps)
                     : "r"(clock_step_over)
                     : "t0", "memory");
}

static inline int clock_runs(void)
{
    uint32_t traps;
    uint32_t missing;

    __asm__ volatile(".option push\n"
                     ".option arch, +zicsr\n"
                     "csrrw %0, mtvec, %2\n"
                     "li t0, 0\n"
                     "csrr %1, mcycle\n"
                     "mv %1, t0\n"
                     "csrw mtvec, %0\n"
                     ".option pop\n"
                     : "=&r"(traps), "=&r"(missing)
                     : "r"(clock_step_over)
                     : "t0", "memory");
    return missing == 0u;
}

/* Only where it runs. */
static inline uint32_t clock_read(void)
{
    uint32_t cycles;

    __asm__ volatile(".option push\n"
                     ".option arch, +zicsr\n"
                     "csrr %0, mcycle\n"
                     ".option pop\n"
                     : "=r"(cycles));
    return cycles;
}

#endif
