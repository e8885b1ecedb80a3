/* SysTick: 24 bits, counts down; its interrupt counts the turns. */
#define COUNTER_MASK 0xFFFFFFFFFFFFFFFFu
#define SYSTICK ((volatile uint32_t *)0xE000E010u) /* CSR, RVR, CVR */

static volatile uint32_t counter_turns;

void COUNTER_HANDLER(void);
void COUNTER_HANDLER(void) { ++counter_turns; }

static void counter_start(void)
{
    SYSTICK[0] = 0;
    SYSTICK[1] = 0xFFFFFFu;
    SYSTICK[2] = 0;
    SYSTICK[0] = 7; /* core clock, interrupt, on */
    while (SYSTICK[2] == 0) { /* reads 0 until the first reload */
    }
}

static uint64_t counter_read(void)
{
    uint32_t turns;
    uint32_t value;
    do {
        turns = counter_turns;
        value = SYSTICK[2];
    } while (turns != counter_turns);
    return (uint64_t)turns * 0x1000000u + (0xFFFFFFu - value);
}
