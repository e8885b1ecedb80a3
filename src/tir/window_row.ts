/**
 * One row of outputs of windows within each channel, four channels at a time, on cores with SMLAxy and
 * an FPU: the rows that the windows reach are read as bytes where they lie, each from a pointer of its own. A block of four
 * channels has its constants in one stream: what the sums of each case of columns start at, the
 * weights in pairs of halfwords (channels 0 and 2, 1 and 3), the scales' words.
 */
import { add, call, cast, type Expr, imm, load, mul, variable } from "../te/expr.ts";
import { REQUANTIZE_WORD, WORD_SHIFT } from "../te/rounding.ts";
import { bin } from "../te/expr.ts";
import { flat } from "./gather.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, seq, type Stmt } from "./stmt.ts";
import {
  windowRowAssembly,
  windowRowFits,
  windowRowInstructions,
  windowRowLength,
} from "./window_row_asm.ts";

/** What the text of one row depends on. */
export interface WindowRow {
  readonly x: "int8" | "uint8";
  readonly y: "int8" | "uint8";
  /** Rows and columns of the window. */
  readonly taps: readonly [rows: number, cols: number];
  /** Column `stride`·j + `dilation`·k + `first` of the operand meets output j at column k of the window. */
  readonly stride: number;
  readonly dilation: number;
  readonly first: number;
  /** Columns of the operand, and outputs. */
  readonly width: number;
  readonly outputs: number;
  /** Elements of memory between columns of the operand, and between outputs. */
  readonly steps: readonly [x: number, y: number];
  /** Blocks of four channels. */
  readonly blocks: number;
  /** Results are moved by `zero` and saturated to these. */
  readonly zero: number;
  readonly limits: readonly [lo: number, hi: number];
  /** The part of the blocks whose words are multipliers. */
  readonly fixed: number;
}

/** Channels of a block. */
export const BLOCK_CHANNELS = 4;

/** Outputs of a row at most: each is written out. */
export const MOST_OUTPUTS = 8;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Columns of the window that meet a column of the operand at output j. */
export const tapsAt = (f: WindowRow, j: number): number[] =>
  range(f.taps[1]).filter((k) => {
    const at = columnOf(f, j, k);
    return at >= 0 && at < f.width;
  });

export const columnOf = ({ stride, dilation, first }: WindowRow, j: number, k: number): number =>
  stride * j + dilation * k + first;

/** For each output which of the different lists of taps it has, and these lists. */
export function casesOf(f: WindowRow): { of: readonly number[]; lists: readonly number[][] } {
  const lists: number[][] = [];
  const of = range(f.outputs).map((j) => {
    const taps = tapsAt(f, j);
    const known = lists.findIndex((l) => l.join() === taps.join());
    return known >= 0 ? known : lists.push(taps) - 1;
  });
  return { of, lists };
}

/** Where the parts of a block of constants begin, in words. */
export function wordsOf(f: WindowRow): { weights: number; scales: number; all: number } {
  const weights = BLOCK_CHANNELS * casesOf(f).lists.length;
  const scales = weights + 2 * f.taps[0] * f.taps[1];
  return { weights, scales, all: scales + BLOCK_CHANNELS };
}

/** Whether offsets reach all of it. */
export const fitsWindowRow = (f: WindowRow): boolean =>
  f.outputs <= MOST_OUTPUTS && range(f.outputs).every((j) => tapsAt(f, j).length > 0) &&
  windowRowFits(f);

const signed = (n: number): string => n < 0 ? `m${-n}` : `${n}`;

const nameOf = (f: WindowRow): string =>
  [
    `row_${f.taps.join("x")}`,
    `s${f.stride}d${f.dilation}_${signed(f.first)}`,
    `${f.width}to${f.outputs}`,
    f.steps.join("_"),
    `by${f.blocks}`,
    f.x === "int8" ? "s8" : "u8",
    f.y === "int8" ? "s8" : "u8",
    `z${signed(f.zero)}_${f.limits.map(signed).join("_")}`,
    f.fixed === 1 ? "q" : f.fixed === 0 ? "f" : "qf",
  ].join("_");

/**
 * y[j][c] = requantize(start + Σ i, k: x_i[s·j + d·k + first][c]·w[i][k][c]) over the columns that there are.
 *
 * Operands: y bytes, channels side by side; a row of bytes for each row of the window; the stream, int32.
 */
export function windowRow(f: WindowRow): TensorIntrin {
  const name = nameOf(f), [rows] = f.taps;
  const xs = range(rows).map((i) => `x${i}`);
  const channels = BLOCK_CHANNELS * f.blocks;
  const head = `/* A row of ${f.outputs} outputs of ${channels} channels: windows of ${
    f.taps.join(" by ")
  } within each,
 * requantised. w holds for each four channels what sums start at, weights and scales. */
__attribute__((noinline)) static void ${name}(${f.y}_t *y, ${
    xs.map((x) => `const ${f.x}_t *${x}`).join(", ")
  }, const int32_t *w)`;
  return {
    name,
    args: [
      {
        name: "y",
        dtype: f.y,
        count: (f.outputs - 1) * f.steps[1] + channels,
        mode: "write",
      },
      ...xs.map((x) => ({
        name: x,
        dtype: f.x,
        count: (f.width - 1) * f.steps[0] + channels,
        mode: "read" as const,
      })),
      { name: "w", dtype: "int32", count: wordsOf(f).all * f.blocks, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(f, args),
    c: [
      {
        feature: "dsp",
        also: "fpu",
        needs: [],
        instructions: windowRowInstructions(f),
        length: windowRowLength(f),
        shared: true,
        text: `${head}\n${windowRowAssembly(f)}`,
      },
      { feature: null, needs: [], text: `${head}\n${portable(f)}` },
    ],
  };
}

function meaning(f: WindowRow, args: readonly Access[]): Stmt {
  const [y, ...rest] = args.map(flat), w = rest.at(-1)!, xs = rest.slice(0, -1);
  const { of } = casesOf(f), words = wordsOf(f);
  const g = variable("block", "int32", [0, f.blocks - 1]);
  const word = (i: number): Expr => load(w.buf, [add(add(w.at, mul(g, words.all)), i)]);
  const channel = (c: number): Expr => add(mul(g, BLOCK_CHANNELS), c);
  const stores = range(f.outputs).flatMap((j) =>
    range(BLOCK_CHANNELS).map((c): Stmt => {
      let sum: Expr = word(BLOCK_CHANNELS * of[j] + c);
      for (const i of range(f.taps[0])) {
        for (const k of tapsAt(f, j)) {
          const at = word(words.weights + 2 * (i * f.taps[1] + k) + c % 2);
          const weight = cast("int32", cast("int16", c < 2 ? at : bin("shr", at, imm(16))));
          const x = load(xs[i].buf, [
            add(add(xs[i].at, columnOf(f, j, k) * f.steps[0]), channel(c)),
          ]);
          sum = add(sum, mul(cast("int32", x), weight));
        }
      }
      const bounds = [f.zero, ...f.limits].map((n) => imm(n));
      const value = call(REQUANTIZE_WORD, sum, word(words.scales + c), ...bounds);
      const to = add(add(y.at, j * f.steps[1]), channel(c));
      return { k: "store", buf: y.buf, idx: [to], value: cast(f.y, value) };
    })
  );
  return { k: "for", v: g, lo: imm(0), hi: imm(f.blocks), body: seq(...stores) };
}

function portable(f: WindowRow): string {
  const { of } = casesOf(f), words = wordsOf(f), [lo, hi] = f.limits;
  const [rows, cols] = f.taps;
  return `{
    static const uint8_t cases[${f.outputs}] = { ${of.join(", ")} };
    const ${f.x}_t *const x[${rows}] = { ${range(rows).map((i) => `x${i}`).join(", ")} };

    for (int32_t c = 0; c < ${BLOCK_CHANNELS * f.blocks}; c++) {
        const int32_t *const block = w + ${words.all} * (c / 4);
        const int32_t word = block[${words.scales} + c % 4];

        for (int32_t j = 0; j < ${f.outputs}; j++) {
            int32_t acc = block[4 * cases[j] + c % 4];
            float scale, v;

            for (int32_t i = 0; i < ${rows}; i++) {
                for (int32_t k = 0; k < ${cols}; k++) {
                    const int32_t at = ${f.stride} * j + ${f.dilation} * k + ${
    f.first < 0 ? `(${f.first})` : f.first
  };
                    const int32_t pair = block[${words.weights} + 2 * (${cols} * i + k) + c % 2];

                    if (at >= 0 && at < ${f.width}) {
                        acc += x[i][at * ${
    f.steps[0]
  } + c] * (int16_t)(c % 4 < 2 ? pair : pair >> 16);
                    }
                }
            }
            if (word < 0) {
                const int64_t sum = (int64_t)(${f.zero} * ${2 ** WORD_SHIFT} + ${
    2 ** (WORD_SHIFT - 1)
  }) * 4294967296 - (int64_t)acc * word;
                const int32_t q = (int32_t)(sum >> ${32 + WORD_SHIFT});

                y[j * ${f.steps[1]} + c] = (${f.y}_t)(q < ${lo} ? ${lo} : q > ${hi} ? ${hi} : q);
                continue;
            }
            memcpy(&scale, &word, 4);
            v = (float)acc * scale;
            v = v < (float)(${lo} - ${signedC(f.zero)}) ? (float)(${lo} - ${signedC(f.zero)}) : v;
            v = v > (float)(${hi} - ${signedC(f.zero)}) ? (float)(${hi} - ${signedC(f.zero)}) : v;
            /* Adding and subtracting 1.5 * 2^23 rounds half to even. */
            v = (v + 12582912.0f) - 12582912.0f;
            y[j * ${f.steps[1]} + c] = (${f.y}_t)((int32_t)v + ${signedC(f.zero)});
        }
    }
}`;
}

const signedC = (n: number): string => n < 0 ? `(${n})` : `${n}`;
