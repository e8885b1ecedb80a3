/**
 * A hand-written artifact for tests of the writers and the runner: it follows the contract of the
 * generated library without the compiler. y = saturate(2·x + bias), mean = float mean of x.
 */
import type { Artifact } from "../project/mod.ts";
import { tensor, type TensorData } from "../util/tensor.ts";

const HEADER = `#ifndef TINY_H
#define TINY_H
#include <stdint.h>
#define TINY_ARENA_BYTES 16
typedef struct { const int8_t *x; } tiny_inputs;
typedef struct { int8_t *y; float *mean; } tiny_outputs;
typedef struct { void *arena; } tiny_memory;
typedef enum { TINY_OK, TINY_ERR_NULL, TINY_ERR_ALIGN, TINY_ERR_SHAPE } tiny_status;
tiny_status tiny_run_in(const tiny_memory *m, const tiny_inputs *in, const tiny_outputs *out);
tiny_status tiny_run(const tiny_inputs *in, const tiny_outputs *out);
#endif
`;

const MAIN = `#include "tiny.h"
#include <string.h>
extern const int8_t tiny_bias[2];
tiny_status tiny_run_in(const tiny_memory *m, const tiny_inputs *in, const tiny_outputs *out)
{
    int8_t *copy = m->arena;
    int32_t sum = 0;
    memcpy(copy, in->x, 2);
    for (int i = 0; i < 2; ++i) {
        int32_t v = 2 * copy[i] + tiny_bias[i];
        sum += copy[i];
        out->y[i] = (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
    }
    out->mean[0] = (float)sum / 2.0f;
    return TINY_OK;
}
`;

const PARAMS = `#include <stdint.h>
extern const int8_t tiny_bias[2];
const int8_t tiny_bias[2] = { 1, -1 };
`;

const STATIC = `#include "tiny.h"
static uint64_t arena[2];
tiny_status tiny_run(const tiny_inputs *in, const tiny_outputs *out)
{
    const tiny_memory m = { arena };
    return tiny_run_in(&m, in, out);
}
`;

const saturate = (v: number) => Math.max(-128, Math.min(127, v));

function interpret([x]: readonly TensorData[]): TensorData[] {
  const [a, b] = [Number(x.data[0]), Number(x.data[1])];
  return [
    tensor("int8", [1, 2], [saturate(2 * a + 1), saturate(2 * b - 1)]),
    tensor("float32", [1, 1], [(a + b) / 2]),
  ];
}

const caller = { where: "caller" } as const;

/** The artifact; `edit` changes its main source, to make it misbehave. */
export const tinyArtifact = (
  board: string,
  edit: (source: string) => string = (s) => s,
): Artifact => ({
  name: "tiny",
  modelSha256: "0".repeat(64),
  options: {
    board,
    name: "tiny",
    optLevel: 3,
    optimize: "balanced",
    requant: "exact",
    io: "caller",
    dims: {},
  },
  inputs: [{
    name: "x:0",
    cName: "x",
    dtype: "int8",
    cType: "int8_t",
    shape: [1, 2],
    bytes: 2,
    scale: 0.5,
    zeroPoint: 0,
    placement: caller,
  }],
  outputs: [
    {
      name: "y:0",
      cName: "y",
      dtype: "int8",
      cType: "int8_t",
      shape: [1, 2],
      bytes: 2,
      placement: caller,
    },
    {
      name: "mean",
      cName: "mean",
      dtype: "float32",
      cType: "float",
      shape: [1, 1],
      bytes: 4,
      placement: caller,
    },
  ],
  regions: [{ name: "arena", bytes: 16, align: 8 }],
  buffers: [{
    name: "copy",
    region: "arena",
    offset: 0,
    bytes: 2,
    firstStep: 0,
    lastStep: 0,
    owner: "arena",
  }],
  kernels: [{
    name: "tiny_scale",
    nodes: ["scale"],
    ops: ["Mul", "Add"],
    macs: 2,
    scratchBytes: 0,
    paramsBytes: 2,
    predictedInstructions: 40,
  }],
  arenaBytes: 16,
  paramsBytes: 2,
  sources: new Map([
    ["include/tiny.h", HEADER],
    ["src/tiny.c", edit(MAIN)],
    ["src/tiny_params.c", PARAMS],
    ["src/tiny_static.c", STATIC],
  ]),
  frontier: [],
  golden: [],
  selftest: new Map(),
  notes: [],
  interpret,
});

/** Every sample that the tests run, in order. */
export const TINY_SAMPLES: readonly (readonly TensorData[])[] = [[1, 2], [127, -128], [0, 64]]
  .map((v) => [tensor("int8", [1, 2], v)]);
