/* Time by SysTick, whose interrupt counts its turns. What waits does not: the clock is put forward. */
#include "Arduino.h"

#define SYSTICK ((volatile uint32_t *)0xE000E010u) /* CSR, RVR, CVR */
#define TURN 0x1000000u

static volatile uint32_t turns;
static uint64_t waited; /* microseconds */

void arm_systick_isr(void);
void arm_systick_isr(void)
{
    turns++;
}

void standin_start(void);
void standin_start(void)
{
    SYSTICK[0] = 0;
    SYSTICK[1] = TURN - 1u;
    SYSTICK[2] = 0;
    SYSTICK[0] = 7; /* core clock, interrupt, on */
    while (SYSTICK[2] == 0u) { /* reads 0 until the first reload */
    }
}

static uint64_t now(void)
{
    uint32_t whole;
    uint32_t left;
    do {
        whole = turns;
        left = SYSTICK[2];
    } while (whole != turns);
    return ((uint64_t)whole * TURN + (TURN - 1u - left)) * 1000000u / STANDIN_CLOCK_HZ + waited;
}

unsigned long micros(void)
{
    return (unsigned long)now();
}

unsigned long millis(void)
{
    return (unsigned long)(now() / 1000u);
}

void delay(unsigned long milliseconds)
{
    waited += (uint64_t)milliseconds * 1000u;
}

void delayMicroseconds(unsigned int microseconds)
{
    waited += microseconds;
}
