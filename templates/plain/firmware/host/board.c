/* This computer in the place of a board: characters go to stdout, and nothing is counted. */
#include "board.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

void board_init(void)
{
}

void board_putc(char c)
{
    (void)putchar(c);
}

const char *board_unit(void)
{
    return NULL;
}

uint32_t board_clock(void)
{
    return 0;
}

uint32_t board_count(uint32_t ticks)
{
    return ticks;
}

void board_exit(int code)
{
    exit(code);
}
