/**
 * Sums of products of floats in several channels on cores with an FPU: accumulators, weights and
 * values move with VLDM and VSTM, several registers an instruction. Products and sums are rounded one
 * by one, in the order of the definition: the bits are those of the plain loop.
 */
import { add, imm, load, mul, variable } from "../te/expr.ts";
import { read, type TensorIntrin, write } from "./intrinsics.ts";
import { type Access, behind, seq, type Stmt } from "./stmt.ts";

/** Accumulators lie from s0 on, weights from s8, values from s16. */
const WEIGHTS = 8, VALUES = 16;

/** Values that one turn of a loop takes. */
const turn = (length: number): number => [4, 2, 1].find((n) => length % n === 0)!;

/** `s8-s15`, or one register. */
const range = (from: number, count: number): string =>
  count === 1 ? `s${from}` : `s${from}-s${from + count - 1}`;

const clobbers = (channels: number, values: number): string =>
  [...Array(WEIGHTS + channels).keys()].filter((r) => r < channels || r >= WEIGHTS)
    .concat([...Array(values).keys()].map((n) => VALUES + n)).map((r) => `"s${r}"`).join(", ");

const asm = (list: readonly string[]): string => list.map((l) => `        "${l}\\n"`).join("\n");

const INLINE = "__attribute__((always_inline)) static inline void";

/** acc += x·w in all channels, the weights in registers. */
function multiply(channels: number, by: (c: number) => number): string[] {
  const each = (f: (c: number) => string) => Array.from({ length: channels }, (_, c) => f(c));
  return [
    ...each((c) => `vmul.f32 s${WEIGHTS + c}, s${WEIGHTS + c}, s${by(c)}`),
    ...each((c) => `vadd.f32 s${c}, s${c}, s${WEIGHTS + c}`),
  ];
}

/**
 * acc[c] = (acc[c] + x[0]·w[0][c]) + x[1]·w[1][c] + … over `length` values, for 4 or 8 channels; the
 * weights of a value lie `step` elements behind those of the one before.
 */
export function sumFloats(length: number, channels: number, step: number): TensorIntrin {
  const name = `sum${channels}_f32_k${length}_s${step}`;
  const head = `/* acc[c] += x[k] * w[${step} * k + c] for k = 0 .. ${
    length - 1
  }, each rounded in this order, for ${channels} channels */
${INLINE} ${name}(float *acc, const float *x, const float *w)`;
  const values = turn(length), turns = length / values;
  const next = step === channels
    ? [`vldmia %[w]!, {${range(WEIGHTS, channels)}}`]
    : [`vldm %[w], {${range(WEIGHTS, channels)}}`, ...advance("w", 4 * step)];
  const body = [
    `vldmia %[x]!, {${range(VALUES, values)}}`,
    ...Array.from({ length: values }, (_, i) => [...next, ...multiply(channels, () => VALUES + i)])
      .flat(),
  ];
  const frame = (inner: readonly string[]) => [
    `vldm %[acc], {${range(0, channels)}}`,
    ...inner,
    `vstm %[acc], {${range(0, channels)}}`,
  ];
  const loop = turns > 1;
  return {
    name,
    args: [
      { name: "acc", dtype: "float32", count: channels, mode: "update" },
      { name: "x", dtype: "float32", count: length, mode: "read" },
      { name: "w", dtype: "float32", count: (length - 1) * step + channels, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, length, channels, step),
    c: [
      {
        feature: "fpu",
        needs: [],
        instructions: 3 + turns * (body.length + (loop ? 2 : 0)),
        inMemory: true,
        text: `${head}
{
${loop ? `    const float *const end = x + ${length};\n\n` : ""}    __asm__ volatile(
${asm(frame(loop ? ["1:", ...body, "cmp %[x], %[end]", "bne 1b"] : body))}
        : [x] "+&r"(x), [w] "+&r"(w)
        : [acc] "r"(acc)${loop ? ', [end] "r"(end)' : ""}
        : ${clobbers(channels, values)}, ${
          next.some((l) => l.includes("r12")) ? '"r12", ' : ""
        }"cc", "memory");
}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    for (int32_t k = 0; k < ${length}; k++) {
        for (int32_t c = 0; c < ${channels}; c++) {
            acc[c] = acc[c] + x[k] * w[${step} * k + c];
        }
    }
}`,
      },
    ],
  };
}

/** Moves a pointer on; ADDW takes twelve bits. */
const advance = (pointer: string, bytes: number): string[] =>
  bytes < 4096
    ? [`addw %[${pointer}], %[${pointer}], #${bytes}`]
    : [`movw r12, #${bytes}`, `add %[${pointer}], %[${pointer}], r12`];

function meaning(
  [acc, x, w]: readonly Access[],
  length: number,
  channels: number,
  step: number,
): Stmt {
  const k = variable("k", "int32", [0, length - 1]);
  const value = load(x.buf, behind(x, k));
  const body = Array.from({ length: channels }, (_, c): Stmt => {
    const weight = load(w.buf, behind(w, add(mul(k, step), c)));
    return write(acc, c, add(read(acc, c), mul(value, weight)));
  });
  return { k: "for", v: k, lo: imm(0), hi: imm(length), body: seq(...body) };
}

/** acc[c] += x[c]·w[c] for 4 or 8 channels of floats. */
export function mlaFloats(channels: number): TensorIntrin {
  const name = `mla${channels}_f32`;
  const head = `/* acc[c] += x[c] * w[c] for ${channels} channels */
${INLINE} ${name}(float *acc, const float *x, const float *w)`;
  const body = [
    `vldm %[acc], {${range(0, channels)}}`,
    `vldm %[w], {${range(WEIGHTS, channels)}}`,
    `vldm %[x], {${range(VALUES, channels)}}`,
    ...multiply(channels, (c) => VALUES + c),
    `vstm %[acc], {${range(0, channels)}}`,
  ];
  return {
    name,
    args: (["acc", "x", "w"] as const).map((of) => ({
      name: of,
      dtype: "float32",
      count: channels,
      mode: of === "acc" ? "update" : "read",
    })),
    scalars: [],
    byValue: false,
    meaning: ([acc, x, w]) =>
      seq(
        ...Array.from({ length: channels }, (_, c) =>
          write(acc, c, add(read(acc, c), mul(read(x, c), read(w, c))))),
      ),
    c: [
      {
        feature: "fpu",
        needs: [],
        instructions: body.length,
        inMemory: true,
        text: `${head}
{
    __asm__ volatile(
${asm(body)}
        :
        : [acc] "r"(acc), [x] "r"(x), [w] "r"(w)
        : ${clobbers(channels, channels)}, "memory");
}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    for (int32_t c = 0; c < ${channels}; c++) {
        acc[c] = acc[c] + x[c] * w[c];
    }
}`,
      },
    ],
  };
}
