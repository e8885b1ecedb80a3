/* What main.c needs of the place where it runs: board/board.c, qemu/board.c or host/board.c. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called once, before all others. */
void board_init(void);

/* Sends one character. Replace it: a definition of yours takes the place of the one here. */
void board_putc(char c);

/* What board_clock counts, "cycles" or "instructions"; NULL where there is no clock. */
const char *board_unit(void);

/* A counter that runs freely. */
uint32_t board_clock(void);

/* Ticks of board_clock as multiples of board_unit. */
uint32_t board_count(uint32_t ticks);

/* Ends the program with an exit code where something waits for that; returns on a board. */
void board_exit(int code);

#ifdef __cplusplus
}
#endif

#endif
