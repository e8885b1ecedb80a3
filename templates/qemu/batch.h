/* What the program of a batch knows of one generated library. */
#ifndef BATCH_H
#define BATCH_H

#include <stdint.h>

struct batch_case {
    /* Runs the library once. */
    int (*run)(uint8_t *memory, const uint8_t *const *in, uint8_t *const *out);
    uint32_t memory_bytes;
    uint32_t inputs;
    uint32_t outputs;
    /* Bytes of each input and output. */
    const uint32_t *input_bytes;
    const uint32_t *output_bytes;
    uint32_t samples;
    /* Where its samples start in input.bin. */
    uint32_t at;
};

#endif
