/* CMSDK TIMER0 of the MPS2 boards: 32 bits, counts down. */
#define COUNTER_MASK 0xFFFFFFFFu
#define TIMER ((volatile uint32_t *)COUNTER_BASE) /* CTRL, VALUE, RELOAD */

static void counter_start(void)
{
    TIMER[0] = 0;
    TIMER[1] = TIMER[2] = 0xFFFFFFFFu;
    TIMER[0] = 1;
}

static uint64_t counter_read(void) { return 0xFFFFFFFFu - TIMER[1]; }
