/**
 * Products of whole rows and columns of int8 (MVE), summed in core registers. Loops are tail-predicated
 * (WLSTP, LETP), so that lengths need not be multiples of a vector.
 */
import { add, cast, imm, load, mul, variable } from "../te/expr.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, type Buffer, seq, type Stmt } from "./stmt.ts";

/** Rows and columns whose accumulators one loop keeps in registers. */
const LOOP_ROWS = 2, LOOP_COLS = 2;

const INLINE = "__attribute__((always_inline)) static inline void";
const lines = (list: readonly string[]): string => list.map((l) => `        "${l}\\n"`).join("\n");

/** Where a call begins in the rows and columns of its operands. */
interface Part {
  readonly row: number;
  readonly col: number;
  readonly rows: number;
  readonly cols: number;
}

function parts(rows: number, cols: number): Part[] {
  // A single row leaves registers for more columns.
  const width = rows === 1 ? 2 * LOOP_COLS : LOOP_COLS;
  const out: Part[] = [];
  for (let row = 0; row < rows; row += LOOP_ROWS) {
    for (let col = 0; col < cols; col += width) {
      out.push({
        row,
        col,
        rows: Math.min(LOOP_ROWS, rows - row),
        cols: Math.min(width, cols - col),
      });
    }
  }
  return out;
}

/** Bytes of a vector, and vectors up to which a product is written out without a loop. */
const VECTOR = 16, STRAIGHT = 4;

/** What %[n] holds: elements where the loop is predicated, else turns. */
const turns = (k: number): number =>
  k % VECTOR !== 0 ? k : k % (2 * VECTOR) !== 0 ? k / VECTOR : k / (2 * VECTOR);

/** The frame around the body over k elements, and how often it stands in it. */
function loopOf(k: number): [string[], number, string[]] {
  if (k % VECTOR !== 0) return [["wlstp.8 lr, %[n], 2f", "1:"], 1, ["letp lr, 1b", "2:"]];
  if (k <= STRAIGHT * VECTOR) return [[], k / VECTOR, []];
  return [["dls lr, %[n]", "1:"], k % (2 * VECTOR) !== 0 ? 1 : 2, ["le lr, 1b"]];
}

/** What is done to each vector of k: every row and column is loaded, every pair multiplied. */
const dotBodyLength = ({ rows, cols }: Part): number => rows + cols * (1 + rows);

/** Instructions of the loop below, with what sets its pointers and brings its sums in and out. */
function dotInstructions(part: Part, k: number): number {
  const [before, times, after] = loopOf(k);
  const around = part.rows + part.cols + 2 * part.rows * part.cols;
  const body = times * dotBodyLength(part);
  if (before.length === 0) return around + body;
  const count = k % VECTOR !== 0 ? Math.ceil(k / VECTOR) : turns(k);
  const own = (code: readonly string[]) => code.filter((l) => !l.endsWith(":")).length;
  return around + 1 + own(before) + count * (body + own(after));
}

/** One loop over k for a part of the block: every byte is loaded once, every accumulator is a register. */
function dotLoop(part: Part, cols: number, k: number, pitch: number): string {
  const range = (n: number) => Array.from({ length: n }, (_, i) => i);
  const rs = range(part.rows), cs = range(part.cols);
  const acc = (r: number, c: number) => `acc[${(part.row + r) * cols + part.col + c}]`;
  const body = [
    ...rs.map((r) => `vldrb.8 q${r}, [%[a${r}]], #16`),
    ...cs.flatMap((c) => [
      `vldrb.8 q${2 + c}, [%[w${c}]], #16`,
      ...rs.map((r) => `vmladava.s8 %[s${r}${c}], q${r}, q${2 + c}`),
    ]),
  ];
  const [before, times, after] = loopOf(k);
  const code = [...before, ...Array.from({ length: times }, () => body).flat(), ...after];
  const used = [...rs.map((r) => `"q${r}"`), ...cs.map((c) => `"q${2 + c}"`)];
  const pairs = rs.flatMap((r) => cs.map((c) => [r, c] as const));
  const out = [
    ...pairs.map(([r, c]) => `[s${r}${c}] "+Te"(${acc(r, c)})`),
    ...rs.map((r) => `[a${r}] "+r"(a${r})`),
    ...cs.map((c) => `[w${c}] "+r"(w${c})`),
  ];
  const offset = (base: string, n: number) => n === 0 ? base : `${base} + ${n}`;
  return `    {
${rs.map((r) => `        const int8_t *a${r} = ${offset("a", (part.row + r) * pitch)};`).join("\n")}
${cs.map((c) => `        const int8_t *w${c} = ${offset("w", (part.col + c) * k)};`).join("\n")}

        __asm__ volatile(
${
    lines(code)
      .replaceAll('        "', '            "')
  }
            : ${out.join(", ")}
            : ${before.length > 0 ? `[n] "r"(${turns(k)})` : ""}
            : ${[...(before.length > 0 ? ['"lr"'] : []), ...used, '"memory"'].join(", ")});
    }`;
}

/**
 * acc[p][c] += Σ k: a[p][k]·w[c][k] for `rows` rows of `k` bytes, `pitch` apart, and `cols` columns of
 * weights, each without gaps behind the one before.
 *
 * Operands: acc int32 [rows][cols], a int8, w int8.
 */
export function dotColumns(rows: number, cols: number, k: number, pitch: number): TensorIntrin {
  const apart = rows > 1 && pitch !== k ? `_p${pitch}` : "";
  const name = `dot_s8_${rows}x${cols}_k${k}${apart}`;
  const head = `/* acc[p][c] += sum of a[p][k] w[c][k]: ${rows} row${rows > 1 ? "s" : ""} of ${k}${
    rows > 1 ? `, ${pitch} apart` : ""
  }, by ${cols} column${cols > 1 ? "s" : ""} */
${INLINE} ${name}(int32_t *acc, const int8_t *a, const int8_t *w)`;
  return {
    name,
    args: [
      { name: "acc", dtype: "int32", count: rows * cols, mode: "update" },
      { name: "a", dtype: "int8", count: k, mode: "read" },
      { name: "w", dtype: "int8", count: k * cols, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => dotMeaning(args, rows, cols, k),
    c: [
      {
        feature: "mve",
        needs: [],
        instructions: parts(rows, cols).reduce((sum, p) => sum + dotInstructions(p, k), 0),
        text: `${head}
{
${parts(rows, cols).map((p) => dotLoop(p, cols, k, pitch)).join("\n")}
}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    for (int32_t p = 0; p < ${rows}; p++) {
        for (int32_t c = 0; c < ${cols}; c++) {
            for (int32_t k = 0; k < ${k}; k++) {
                acc[${cols} * p + c] += a[${pitch} * p + k] * w[${k} * c + k];
            }
        }
    }
}`,
      },
    ],
  };
}

function dotMeaning([acc, a, w]: readonly Access[], rows: number, cols: number, k: number): Stmt {
  const v = variable("k", "int32", [0, k - 1]);
  const body: Stmt[] = [];
  for (let p = 0; p < rows; p++) {
    for (let c = 0; c < cols; c++) {
      const at = [add(acc.idx[0], p), add(acc.idx[1], c)];
      const x = cast("int32", load(a.buf, [add(a.idx[0], p), add(a.idx[1], v)]));
      const y = cast("int32", load(w.buf, [add(w.idx[0], c), add(w.idx[1], v), ...w.idx.slice(2)]));
      const value = add(load(acc.buf as Buffer, at), mul(x, y));
      body.push({ k: "store", buf: acc.buf, idx: at, value });
    }
  }
  return { k: "for", v, lo: imm(0), hi: imm(k), body: seq(...body) };
}
