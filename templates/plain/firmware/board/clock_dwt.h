/* DWT CYCCNT: 32 bits, counts processor cycles. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

#define DEMCR (*(volatile uint32_t *)0xE000EDFCu)
#define DWT_CTRL (*(volatile uint32_t *)0xE0001000u)
#define DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)
#define DWT_LAR (*(volatile uint32_t *)0xE0001FB0u)

static inline void clock_start(void)
{
    DEMCR |= 1u << 24;     /* TRCENA: trace on */
    DWT_LAR = 0xC5ACCE55u; /* unlocks the registers of a Cortex-M7; ignored by other cores */
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1u; /* CYCCNTENA */
}

/* NOCYCCNT says that the chip was made without the counter. */
static inline int clock_runs(void)
{
    return (DWT_CTRL & 0x02000001u) == 1u;
}

static inline uint32_t clock_read(void)
{
    return DWT_CYCCNT;
}

#endif
