/**
 * A library that compares the rounding functions of a target with their float32 definition on cases
 * that it makes itself. Its input is a seed, its output: mismatches, then acc, scale (its bits),
 * result, expected and place in BOUNDS of the first.
 */
import { CExpr } from "../../src/codegen/expr_c.ts";
import type { Artifact, Port } from "../../src/codegen/artifact.ts";
import type { Target } from "../../src/target/target.ts";
import { call, type Expr, imm, variable } from "../../src/te/expr.ts";
import { REQUANTIZE, REQUANTIZE_WORD, ROUND_CLAMP, WORD_SHIFT } from "../../src/te/rounding.ts";
import { tensor } from "../../src/util/tensor.ts";
import { runOnBoard } from "../../src/run/mod.ts";
import { loadBoard } from "../../src/target/boards.ts";

/** Zero point, lowest and highest result: those of the types and narrower ones. */
const BOUNDS: readonly (readonly [number, number, number])[] = [
  [-128, -128, 127],
  [-5, -128, 127],
  [0, -128, 127],
  [127, -128, 127],
  [0, 0, 255],
  [77, 0, 255],
  [-10, -10, 100],
  [3, 0, 127],
  [0, -32768, 32767],
  [40000, 0, 65535],
];

/** Those of bytes, which words give. */
const OF_BYTES = BOUNDS.flatMap(([, lo, hi], i) => hi - lo < 256 ? [i] : []);

/** The cases and the definition. */
const CASES = `static uint32_t state;
static uint32_t next(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}
static float of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}
static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}
/* A scale that brings acc close to an integer and a half */
static float near_tie(int32_t acc, uint32_t reach)
{
    const float a = acc < 0 ? -(float)acc : (float)acc;
    const float scale = ((float)(next() & reach) + 0.5f) / (a == 0.0f ? 1.0f : a);
    return of_bits(bits_of(scale) + next() % 5u - 2u);
}
static void make_case(uint32_t i, int32_t *acc, float *scale)
{
    static const int32_t extremes[] = {
        0, 1, -1, INT32_MAX, INT32_MIN, INT32_MIN + 1, 1 << 24, (1 << 24) + 1, -(1 << 24) - 1,
    };
    const uint32_t shift = next() & 31u;
    const int32_t any = (int32_t)next() >> shift;

    *acc = any;
    switch (i & 7u) {
    case 0: /* anything */
        *scale = of_bits((64u + next() % 90u) << 23 | (next() & 0x7fffffu));
        break;
    case 1: /* ties of wide results */
        *scale = near_tie(any, 0x1ffffu >> (next() & 15u));
        break;
    case 2: /* exact ties */
        *acc = any | 1;
        *scale = of_bits((127u - next() % 40u) << 23);
        break;
    case 3: /* ties around the limit of exact floats */
        *acc = (int32_t)((1u << 24) << (next() % 7u)) + (int32_t)(next() % 512u) - 256;
        *scale = near_tie(*acc, 0xffu);
        break;
    case 4: /* extremes */
        *acc = extremes[next() % 9u];
        *scale = of_bits(1u + next() % 0x7f7fffffu);
        break;
    case 5: /* what networks hold */
        *acc = (int32_t)next() >> 12;
        *scale = of_bits((115u + next() % 7u) << 23 | (next() & 0x7fffffu));
        break;
    case 6: /* ties of bytes */
        *acc = (int32_t)next() >> (8u + next() % 16u);
        *scale = near_tie(*acc, 0xffu);
        break;
    default: /* ties with significands of few bits, so that products are short */
        *acc = any & ~((1 << (next() % 16u)) - 1);
        *scale = of_bits(bits_of(near_tie(*acc, 0xffu)) & ~((1u << (next() % 23u)) - 1u));
        break;
    }
}
/* The definition, without functions of the C library */
static int32_t reference(float x, int32_t zero, int32_t lo, int32_t hi)
{
    float rest;
    int32_t q;

    if (x != x) {
        x = 0.0f;
    }
    if (x <= (float)(lo - zero)) {
        return lo;
    }
    if (x >= (float)(hi - zero)) {
        return hi;
    }
    q = (int32_t)x;
    rest = x - (float)q;
    if (rest > 0.5f || (rest == 0.5f && q % 2 != 0)) {
        q++;
    }
    if (rest < -0.5f || (rest == -0.5f && q % 2 != 0)) {
        q--;
    }
    return q + zero;
}
static int32_t fixed_reference(int32_t acc, int32_t word, int32_t zero, int32_t lo, int32_t hi)
{
    const int64_t one = (int64_t)1 << ${32 + WORD_SHIFT};
    const int64_t sum = zero * one + one / 2 - (int64_t)acc * word;
    const int64_t q = sum / one - (sum % one < 0);
    return q < lo ? lo : q > hi ? hi : (int32_t)q;
}
static void check(int32_t *y, int32_t acc, float scale, int32_t got, int32_t want, int32_t place)
{
    uint32_t u = bits_of(scale);

    if (got != want && y[0]++ == 0) {
        y[1] = acc;
        memcpy(&y[2], &u, 4);
        y[3] = got;
        y[4] = want;
        y[5] = place;
    }
}`;

function kernelSource(target: Target, cases: number): string {
  const c = new CExpr(target, () => "");
  const acc = variable("acc"), scale = variable("scale", "float32"), x = variable("x", "float32");
  const place = (fn: "scaled" | "float", value: Expr, i: number) => {
    const [zero, lo, hi] = BOUNDS[i];
    const product = fn === "scaled" ? "product" : "x";
    return `            check(y, acc, ${fn === "scaled" ? "scale" : "x"}, ${
      c.print(value)
    }, reference(${[product, zero, lo, hi].join(", ")}), ${i});`;
  };
  const bounds = (i: number) => BOUNDS[i].map((v) => imm(v));
  const byWord = (i: number) => c.print(call(REQUANTIZE_WORD, acc, variable("word"), ...bounds(i)));
  const words = OF_BYTES.map((i) =>
    `            check(y, acc, scale, ${byWord(i)}, word < 0 ? fixed_reference(acc, word, ${
      BOUNDS[i].join(", ")
    }) : reference(product, ${BOUNDS[i].join(", ")}), ${i});`
  );
  const requantized = BOUNDS.map((_, i) =>
    place("scaled", call(REQUANTIZE, acc, scale, ...bounds(i)), i)
  );
  const rounded = BOUNDS.map((_, i) => place("float", call(ROUND_CLAMP, x, ...bounds(i)), i));
  return `#include "rounding.h"
#include <math.h>
#include <string.h>
${[...c.helpers.values()].join("\n")}
${CASES}
rounding_status rounding_run_in(const rounding_memory *m, const rounding_inputs *in, const rounding_outputs *out)
{
    int32_t *const y = out->y;
    (void)m;
    memset(y, 0, 24);
    memcpy(&state, in->x, 4);
    for (uint32_t i = 0; i < ${cases}u; i++) {
        int32_t acc;
        float scale;
        make_case(i, &acc, &scale);
        {
            const float product = (float)acc * scale;
${requantized.join("\n")}
            for (int32_t n = 0; n < 2; n++) {
                const int32_t word = (int32_t)(n == 0 ? bits_of(scale) : ~(next() >> (2u + next() % 30u)));
${words.join("\n")}
            }
        }
        {
            const float x = (i & 8u) != 0 ? of_bits(next()) : (float)acc * scale;
${rounded.join("\n")}
        }
    }
    return ROUNDING_OK;
}
`;
}

const HEADER = `#ifndef ROUNDING_H
#define ROUNDING_H
#include <stdint.h>
typedef struct { const int32_t *x; } rounding_inputs;
typedef struct { int32_t *y; } rounding_outputs;
typedef struct { void *arena; } rounding_memory;
typedef enum { ROUNDING_OK } rounding_status;
rounding_status rounding_run_in(const rounding_memory *m, const rounding_inputs *in, const rounding_outputs *out);
rounding_status rounding_run(const rounding_inputs *in, const rounding_outputs *out);
#endif
`;

const STATIC = `#include "rounding.h"
rounding_status rounding_run(const rounding_inputs *in, const rounding_outputs *out)
{
    const rounding_memory m = { 0 };
    return rounding_run_in(&m, in, out);
}
`;

function roundingArtifact(board: string, target: Target, cases: number): Artifact {
  const port = (name: string, n: number): Port => ({
    name,
    cName: name,
    dtype: "int32",
    cType: "int32_t",
    shape: [n],
    bytes: 4 * n,
    placement: { where: "caller" },
  });
  return {
    name: "rounding",
    modelSha256: "0".repeat(64),
    options: {
      board,
      name: "rounding",
      optLevel: 3,
      optimize: "balanced",
      requant: "exact",
      io: "caller",
      dims: {},
    },
    inputs: [port("x", 1)],
    outputs: [port("y", 6)],
    regions: [{ name: "arena", bytes: 16, align: 8 }],
    buffers: [],
    kernels: [],
    arenaBytes: 16,
    paramsBytes: 0,
    sources: new Map([
      ["include/rounding.h", HEADER],
      ["src/rounding.c", kernelSource(target, cases)],
      ["src/rounding_static.c", STATIC],
    ]),
    frontier: [],
    golden: [],
    selftest: new Map(),
    notes: [],
    interpret: () => [],
  };
}

/** Executes `cases` cases on a board with the texts of a target (the board's own by default). */
export async function compareRounding(
  boardName: string,
  cases: number,
  options: { target?: Target; seed?: number; extraFlags?: readonly string[] } = {},
): Promise<number[]> {
  const board = loadBoard(boardName);
  const artifact = roundingArtifact(boardName, options.target ?? board.target, cases);
  const seed = tensor("int32", [1], [options.seed ?? 20_241_121]);
  const { extraFlags } = options;
  const { outputs } = await runOnBoard(artifact, board, [[seed]], { extraFlags });
  return [...outputs[0][0].data].map(Number);
}
