/* A Cortex-M under QEMU: the stack is painted and looked at, counter.h reads the board's timer. */
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
    __asm__ volatile("mov %0, sp" : "=r"(sp));
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
    __asm__ volatile(".syntax unified\n1: subs %0, %0, #1\n bne 1b" : "+l"(n) : : "cc");
    return (counter_read() - before) & COUNTER_MASK;
}

/*
 * QEMU enters here, wherever the image lies: the core's own reset would look for its vectors at a
 * fixed address, which on some boards is not in the memory that holds the program.
 */
void boot(void);
__attribute__((naked)) void boot(void)
{
    __asm__ volatile("ldr r0, =__stack\n"
                     "mov sp, r0\n"
                     "ldr r0, =__interrupt_vector\n"
                     "ldr r1, =0xE000ED08\n" /* VTOR; a Cortex-M0 has none and its vectors at 0 */
                     "str r0, [r1]\n"
                     "ldr r0, =_start\n"
                     "bx r0\n"
                     ".ltorg\n");
}

/* A fault ends the run at once instead of in the endless loop of picolibc. */
void _exit(int code);
void arm_hardfault_isr(void);
void arm_hardfault_isr(void) { _exit(9); }

#endif
