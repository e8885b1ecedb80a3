/* The counter of retired instructions that RISC-V has: 64 bits, counts up from reset. */
#define COUNTER_MASK 0xFFFFFFFFFFFFFFFFu

static void counter_start(void) {}

static uint64_t counter_read(void)
{
    uint32_t high;
    uint32_t low;
    uint32_t again;
    do {
        __asm__ volatile(".option push\n"
                         ".option arch, +zicsr\n"
                         "csrr %0, minstreth\n"
                         "csrr %1, minstret\n"
                         "csrr %2, minstreth\n"
                         ".option pop\n"
                         : "=r"(high), "=r"(low), "=r"(again));
    } while (high != again);
    return (uint64_t)high << 32 | low;
}
