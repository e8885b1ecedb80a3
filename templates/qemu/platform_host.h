/* This computer: no instruction counter, and the stack belongs to the system. */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdint.h>

#define COUNTER_MASK 0

static void counter_start(void) {}
static uint64_t counter_read(void) { return 0; }
static uint64_t counter_loop(void) { return 0; }
static void stack_paint(void) {}
static uint32_t stack_used(void) { return 0; }

#endif
