/** Bytes that lie apart in memory, one channel of a map, as rows of int16 side by side. */
import { add, cast, type Expr, imm, load, mul, variable } from "../te/expr.ts";
import type { DType } from "../util/dtype.ts";
import { executed } from "./asm.ts";
import { gatherAssembly, gatherCode } from "./gather_asm.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, addressOf, type Buffer, seq, type Stmt } from "./stmt.ts";

/** What the text of a gather depends on. */
export interface Gather {
  readonly x: "int8" | "uint8";
  readonly rows: number;
  readonly cols: number;
  /** Elements between rows of the copy. */
  readonly pitch: number;
  /** Elements of memory between rows and between columns. */
  readonly steps: readonly [row: number, col: number];
  /** Elements of the copy from a word's address to its first one; null: nobody knows. */
  readonly lead: 0 | 1 | null;
}

/** Columns that a turn of the loop takes at most, and those that are written out without one. */
const TURN = 8;

/** Columns of a turn: as many as divide them, else what leaves the fewest over. */
function turnOf(cols: number): number {
  if (cols < 2 * TURN) return cols;
  const sizes = [8, 7, 6, 5, 4];
  return sizes.reduce((best, n) => cols % n < cols % best ? n : best, sizes[0]);
}

/** Instructions of one element, of a turn, of a row and of the call. */
const ELEMENT = 2, PER_TURN = 4, PER_ROW = 4, CALL = 8;

/** The place of row i and column j, as a comment shows it; one row has no i. */
function place({ rows }: Gather, down: number, step: number): string {
  const part = (v: string, n: number) => n === 1 ? v : `${v} * ${n}`;
  return rows === 1 ? part("j", step) : `${part("i", down)} + ${part("j", step)}`;
}

/** dst[i][j] = x[i][j]: int8 or uint8 that lie `steps` apart to rows of int16. */
export function gather(g: Gather): TensorIntrin {
  const short = g.x === "int8" ? "s8" : "u8", type = `${g.x}_t`;
  const lead = g.lead === null ? "" : `_at${g.lead}`;
  const name = `gather_${short}_${g.rows}x${g.cols}_p${g.pitch}_${g.steps.join("_")}${lead}`;
  const turn = turnOf(g.cols), turns = Math.floor(g.cols / turn), rest = g.cols % turn;
  const move = (n: number, indent: string): string =>
    Array.from(
      { length: n },
      (_, j) => `${indent}dst[${j}] = src[${j * g.steps[1]}];`,
    ).join("\n");
  const on = (n: number, indent: string): string =>
    `${indent}dst += ${n};\n${indent}src += ${n * g.steps[1]};`;
  const inner = turns > 1
    ? `        for (int32_t j = 0; j < ${turns}; j++) {
${move(turn, "            ")}
${on(turn, "            ")}
        }
${rest > 0 ? `${move(rest, "        ")}\n` : ""}`
    : `${move(turn, "        ")}\n`;
  const done = turns > 1 ? turns * turn : 0;
  const [down, step] = g.steps, counts = g.rows === 1 ? `${g.cols}` : `${g.rows} by ${g.cols}`;
  const head = `/* dst[${place(g, g.pitch, 1)}] = src[${
    place(g, down, step)
  }]: ${counts} elements */
__attribute__((noinline)) static void ${name}(int16_t *dst, const ${type} *src)`;
  const text = `${head}
{
    for (int32_t i = 0; i < ${g.rows}; i++) {
${inner}        dst += ${g.pitch - done};
        src += ${g.steps[0] - done * g.steps[1]};
    }
}`;
  const code = gatherCode(g);
  const perRow = g.cols * ELEMENT + (turns > 1 ? PER_TURN * turns + 1 : 0) + PER_ROW;
  return {
    name,
    args: [
      { name: "dst", dtype: "int16", count: g.cols, mode: "write" },
      { name: "src", dtype: g.x as DType, count: 1, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: ([dst, src]) => meaning(g, dst, src),
    c: [
      ...(code
        ? [
          {
            feature: "dsp",
            needs: [],
            instructions: executed(code) + CALL,
            text: `${head}\n${gatherAssembly(code)}`,
          } as const,
        ]
        : []),
      {
        feature: null,
        needs: [],
        instructions: g.rows * perRow + CALL,
        length: ELEMENT * (turn + (turns > 1 ? rest : 0)) + PER_TURN + PER_ROW + CALL,
        text,
      },
    ],
  };
}

/** The memory of an access as one row of elements, and the first element's place in it. */
export function flat(a: Access): { buf: Buffer; at: Expr } {
  const at = addressOf(a.buf, a.idx);
  return { buf: { ...a.buf, shape: [a.buf.length], strides: [1], offset: 0 }, at };
}

function meaning(g: Gather, to: Access, from: Access): Stmt {
  const dst = flat(to), src = flat(from);
  const i = variable("i", "int32", [0, g.rows - 1]), j = variable("j", "int32", [0, g.cols - 1]);
  const read = load(src.buf, [add(src.at, add(mul(i, g.steps[0]), mul(j, g.steps[1])))]);
  const store: Stmt = {
    k: "store",
    buf: dst.buf,
    idx: [add(dst.at, add(mul(i, g.pitch), j))],
    value: cast("int16", read),
  };
  const inner: Stmt = { k: "for", v: j, lo: imm(0), hi: imm(g.cols), body: seq(store) };
  return { k: "for", v: i, lo: imm(0), hi: imm(g.rows), body: inner };
}
