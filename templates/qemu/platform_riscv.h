/* A 32-bit RISC-V under QEMU: the stack is painted and looked at, counter.h reads the counter. */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdint.h>

#include "counter.h"

#define PAINT 0x5A5AA5A5u

/* From the linker script of picolibc: the stack grows down from __stack to __heap_end. */
extern uint32_t __stack[];
extern uint32_t __heap_end[];

static __attribute__((always_inline)) inline uint32_t *stack_pointer(void)
{
    uint32_t *sp;
    __asm__ volatile("mv %0, sp" : "=r"(sp));
    return sp;
}

/* Inlined into the function that calls the model: what lies below its frame is free. */
static __attribute__((always_inline)) inline void stack_paint(void)
{
    for (volatile uint32_t *p = __heap_end; p < stack_pointer(); ++p) {
        *p = PAINT;
    }
}

/* Bytes between the frame of the caller and the deepest word that was written since. */
static __attribute__((always_inline)) inline uint32_t stack_used(void)
{
    volatile uint32_t *p = __heap_end;
    while (p < stack_pointer() && *p == PAINT) {
        ++p;
    }
    return (uint32_t)((char *)stack_pointer() - (char *)p);
}

/* Ticks of a loop of 2 instructions a turn, by which the desk checks the counter. */
static __attribute__((noinline)) uint64_t counter_loop(void)
{
    uint32_t n = LOOP_TURNS;
    const uint64_t before = counter_read();
    __asm__ volatile("1: addi %0, %0, -1\n bnez %0, 1b" : "+r"(n));
    return (counter_read() - before) & COUNTER_MASK;
}

/*
 * QEMU enters here, wherever the image lies. A trap ends the run at once, on a stack of its own right:
 * the old one may be what it was taken for.
 */
void boot(void);
__attribute__((naked)) void boot(void)
{
    __asm__ volatile(".option push\n"
                     ".option arch, +zicsr\n"
                     "la sp, __stack\n"
                     "la t0, 1f\n"
                     "csrw mtvec, t0\n"
                     ".option pop\n"
                     "tail _start\n"
                     ".balign 4\n"
                     "1: la sp, __stack\n"
                     "li a0, 9\n"
                     "tail _exit\n");
}

#endif
