/* A stand-in, not Zephyr: the part of the kernel's interface that generated applications use. */
#ifndef STANDIN_KERNEL_H
#define STANDIN_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#ifndef __aligned
#define __aligned(bytes) __attribute__((aligned(bytes)))
#endif

uint32_t k_cycle_get_32(void);

/* The third sleep ends the program: its applications loop for ever. */
int32_t k_msleep(int32_t milliseconds);

/* There is no scheduler: a thread runs to its end where it is created. */
struct k_thread {
	int unused;
};
typedef void (*k_thread_entry_t)(void *, void *, void *);
#define K_NO_WAIT 0
#define K_FOREVER (-1)
#define K_FP_REGS 2
#define K_THREAD_STACK_DEFINE(name, bytes) char __aligned(8) name[bytes]
#define K_THREAD_STACK_SIZEOF(name) sizeof(name)

static inline void k_yield(void)
{
}

static inline struct k_thread *k_thread_create(struct k_thread *thread, char *stack, size_t bytes,
					       k_thread_entry_t entry, void *p1, void *p2, void *p3,
					       int priority, uint32_t options, int delay)
{
	(void)stack;
	(void)bytes;
	(void)priority;
	(void)options;
	(void)delay;
	entry(p1, p2, p3);
	return thread;
}

static inline int k_thread_join(struct k_thread *thread, int timeout)
{
	(void)thread;
	(void)timeout;
	return 0;
}

#endif
