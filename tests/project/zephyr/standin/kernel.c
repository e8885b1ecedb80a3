/* A stand-in, not Zephyr: console and end by semihosting, the machine's timer as the kernel's clock. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <zephyr/kernel.h>
#include <zephyr/sys/printk.h>

#include "counter.h"

/* QEMU enters here, wherever the image lies. */
void boot(void);
__attribute__((naked)) void boot(void)
{
	__asm__ volatile("ldr r0, =__stack\n"
			 "mov sp, r0\n"
			 "ldr r0, =__interrupt_vector\n"
			 "ldr r1, =0xE000ED08\n"
			 "str r0, [r1]\n"
			 "ldr r0, =_start\n"
			 "bx r0\n");
}

void _exit(int code);
void arm_hardfault_isr(void);
void arm_hardfault_isr(void)
{
	_exit(9);
}

__attribute__((constructor)) static void start_clock(void)
{
	counter_start();
}

uint32_t k_cycle_get_32(void)
{
	return (uint32_t)counter_read();
}

void printk(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}

int32_t k_msleep(int32_t milliseconds)
{
	static int sleeps;

	(void)milliseconds;
	if (++sleeps == 3) {
		exit(0);
	}
	return 0;
}
