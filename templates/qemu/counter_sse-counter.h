/* System counter of the SSE-300: 64 bits, counts up; its control frame lies 1 MB above. */
#define COUNTER_MASK 0xFFFFFFFFFFFFFFFFu
#define COUNTER ((volatile uint32_t *)COUNTER_BASE)

static void counter_start(void) { ((volatile uint32_t *)(COUNTER_BASE + 0x100000u))[0] |= 1u; }

static uint64_t counter_read(void)
{
    uint32_t high;
    uint32_t low;
    do {
        high = COUNTER[1];
        low = COUNTER[0];
    } while (high != COUNTER[1]);
    return (uint64_t)high << 32 | low;
}
