/* SysTick: 24 bits, counts processor cycles down; its interrupt counts the turns. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

#define SYSTICK_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYSTICK_CVR (*(volatile uint32_t *)0xE000E018u)

static volatile uint32_t clock_turns;

void SysTick_Handler(void);
void SysTick_Handler(void)
{
    ++clock_turns;
}

static inline void clock_start(void)
{
    SYSTICK_RVR = 0xFFFFFFu;
    SYSTICK_CVR = 0;
    SYSTICK_CSR = 7; /* the core's clock, with interrupt, on */
}

static inline int clock_runs(void)
{
    return 1;
}

static inline uint32_t clock_read(void)
{
    uint32_t turns;
    uint32_t value;

    do {
        turns = clock_turns;
        value = SYSTICK_CVR;
    } while (turns != clock_turns);
    return (turns << 24) + (0xFFFFFFu - value);
}

#endif
