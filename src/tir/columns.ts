/**
 * All blocks of columns of one tile of rows, on cores with SMLAD and an FPU: the loop over the blocks
 * is one piece of assembly that keeps the tile in registers and reads one stream of constants.
 */
import {
  add,
  bin,
  bits,
  call,
  cast,
  clamp,
  type Expr,
  imm,
  load,
  lt,
  mul,
  select,
  sub,
  variable,
} from "../te/expr.ts";
import { REQUANTIZE, WORD_SHIFT } from "../te/rounding.ts";
import { intRange } from "../util/dtype.ts";
import { columnsAssembly, columnsExecuted, columnsInstructions } from "./columns_asm.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, behind, type Buffer, seq, type Stmt } from "./stmt.ts";
import {
  blockWords,
  type Columns,
  fixedShift,
  HEAD,
  inPair,
  isOdd,
  isShifted,
  type Result,
  turnOf,
} from "./stream.ts";
import { GROUP, placeOf, rowAt } from "./tile.ts";

/** The intrinsic of all blocks of columns. */
export interface ColumnsIntrin extends TensorIntrin {
  readonly columns: Columns;
}

/** Text that tells forms apart. */
function nameOf(f: Columns): string {
  const { tile, blocks, result, rowStep, colStep, shared } = f;
  const { rows, cols, groups, pitch, wide } = tile;
  const signed = (v: number) => v < 0 ? `m${-v}` : `${v}`;
  const own = result.k === "bytes" ? intRange(result.dtype) : null;
  const bounded = result.k === "bytes" && (result.lo !== own!.min || result.hi !== own!.max);
  const zero = result.k === "bytes" && (!shared || isShifted(result))
    ? `_z${signed(result.zero)}`
    : "";
  const end = result.k === "sums"
    ? "s32"
    : `${result.dtype === "int8" ? "s8" : "u8"}${zero}${
      bounded ? `_${signed(result.lo)}_${signed(result.hi)}` : ""
    }`;
  const interleaved = pitch === rows ? "" : `_p${pitch}`;
  const from = f.bytes === null ? "" : f.bytes === "int8" ? "_xs8" : "_xu8";
  const kind = `${interleaved}${wide ? "_w16" : ""}${from}_${end}${f.fixed === null ? "" : "_q"}`;
  if (shared) return `columns_${rows}x${cols}${kind}`;
  const steps = `${rows > 1 ? `_r${rowStep}` : ""}${colStep === 1 ? "" : `_c${colStep}`}`;
  const by = cols === 2 ? "" : `by${cols}`;
  return `columns_${rows}x${cols * blocks}${by}_k${GROUP * groups}${steps}${kind}`;
}

/**
 * y[p][c] = result of (start[c] + Σ k: a[p][k]·w[k][c]) for all columns.
 *
 * Operands: y; a int16 [row, group, half, word] as tile.ts says, or bytes of one row, from each of which
 * `zero` is taken; the stream, int32.
 */
export function columns(f: Columns): ColumnsIntrin {
  const { tile: { rows, cols, groups }, blocks, result, rowStep, colStep, shared } = f;
  const w = blockWords(f), words = w.starts + w.constants + w.scales;
  const name = nameOf(f);
  const type = result.k === "sums" ? "int32" : result.dtype, from = f.bytes ?? "int16";
  const all = cols * blocks;
  const what = result.k === "sums" ? "sums" : "requantised sums";
  const [length, width] = shared ? ["", ""] : [` of ${GROUP * groups}`, `${all} `];
  const head = `/* y[p][c] = ${what} of ${
    f.bytes === null ? "a[p][k]" : "(a[k] - from)"
  } w[k][c]: ${rows} row${
    rows > 1 ? "s" : ""
  }${length}, by ${width}columns. w holds a head of ${HEAD} words, then
 * a block of ${cols} column${cols > 1 ? "s" : ""} after another. */
__attribute__((noinline)) static void ${name}(${type}_t *y, const ${from}_t *a, const int32_t *w${
    f.bytes === null ? "" : ", int32_t from"
  })`;
  return {
    name,
    columns: f,
    args: [
      {
        name: "y",
        dtype: type,
        count: (rows - 1) * rowStep + (all - 1) * colStep + 1,
        mode: "write",
      },
      { name: "a", dtype: from, count: GROUP * groups, mode: "read" },
      { name: "w", dtype: "int32", count: words * blocks + HEAD, mode: "read" },
    ],
    scalars: f.bytes === null ? [] : ["from"],
    byValue: false,
    meaning: (args, [from]) => meaning(args, f, from ?? 0),
    c: [
      {
        feature: "fpu",
        needs: [],
        text: `${head}\n${columnsAssembly(f)}`,
        instructions: columnsInstructions(f),
        executed: columnsExecuted(f),
        shared: true,
      },
      { feature: null, needs: [], text: `${head}\n${portable(f)}` },
    ],
  };
}

/** Column c of block g: where its sum starts, its constants, its scale, in terms of stream words. */
function column(f: Columns, stream: Access, base: Expr, c: number) {
  const { cols, wide } = f.tile, w = blockWords(f);
  const word = (i: Expr | number): Expr => load(stream.buf, behind(stream, add(base, i)));
  const pairs = Math.ceil(cols / 2);
  const first = inPair(f.tile, c) ? c - c % 2 : c;
  const start = isOdd(f.tile, c)
    ? sub(word(first), word(first + 1))
    : word(inPair(f.tile, c) ? first + 1 : first);
  const constant = (k: Expr): Expr => {
    const [g, half, b] = placeOf(k);
    if (wide) {
      const at = word(add(w.starts + c, mul(add(mul(g, 2), b), cols)));
      return cast("int32", cast("int16", bin("shr", at, mul(half, 16))));
    }
    const at = word(add(w.starts + (c >> 1), mul(add(mul(g, 2), b), pairs)));
    const byte = (i: number) =>
      cast("int32", cast("int8", bin("shr", at, add(mul(half, 16), 8 * i))));
    return c % 2 === 0
      ? byte(0)
      : mul(add(byte(1), select(lt(byte(0), 0), imm(1), imm(0))), imm(256));
  };
  return { start, constant, word: word(w.starts + w.constants + c) };
}

/** Element k of row p. */
const element = (f: Columns, a: Access, p: number, k: Expr, from: number): Expr =>
  f.bytes === null ? rowAt(a, p, k) : sub(
    cast("int32", load(a.buf, behind(a, k))),
    from,
  );

function meaning([y, a, stream]: readonly Access[], f: Columns, from: number): Stmt {
  const { tile, blocks, result, rowStep, colStep } = f;
  const w = blockWords(f), words = w.starts + w.constants + w.scales;
  const g = variable("block", "int32", [0, blocks - 1]);
  const k = variable("k", "int32", [0, GROUP * tile.groups - 1]);
  const sum: Buffer = {
    name: "sum",
    dtype: "int32",
    shape: [1],
    strides: [1],
    offset: 0,
    scope: "local",
    length: 1,
    align: 4,
  };
  const at0 = [imm(0)];
  const body: Stmt[] = [];
  for (let p = 0; p < tile.rows; p++) {
    for (let c = 0; c < tile.cols; c++) {
      const of = column(f, stream, add(mul(g, words), HEAD), c);
      const by = add(mul(g, tile.cols * colStep), p * rowStep + c * colStep);
      const idx = behind(y, by);
      const total = load(sum, at0);
      const value = result.k === "sums" ? isOdd(tile, c) ? bin("shr", total, imm(8)) : total : cast(
        result.dtype,
        requantised(f, result, total, of.word, c),
      );
      const step = add(total, mul(element(f, a, p, k, from), of.constant(k)));
      body.push(
        { k: "store", buf: sum, idx: at0, value: of.start },
        {
          k: "for",
          v: k,
          lo: imm(0),
          hi: imm(GROUP * tile.groups),
          body: { k: "store", buf: sum, idx: at0, value: step },
        },
        { k: "store", buf: y.buf, idx, value },
      );
    }
  }
  return {
    k: "alloc",
    buf: sum,
    body: { k: "for", v: g, lo: imm(0), hi: imm(blocks), body: seq(...body) },
  };
}

/** A sum by its word: a scale's bits, or minus a multiplier. */
function requantised(
  f: Columns,
  { zero, lo, hi }: Extract<Result, { k: "bytes" }>,
  total: Expr,
  word: Expr,
  c: number,
): Expr {
  const bounds = [imm(zero), imm(lo), imm(hi)];
  const float = call(REQUANTIZE, total, bits("float32", word), ...bounds);
  if (f.fixed === null) return float;
  const shift = fixedShift(f.tile, c), wide = (e: Expr): Expr => cast("int64", e);
  const offset = (zero * 2 ** WORD_SHIFT + 2 ** (WORD_SHIFT - 1)) * 2 ** (shift - WORD_SHIFT);
  const sum = sub(imm(offset * 2 ** 32, "int64"), mul(wide(total), wide(word)));
  const fixed = cast("int32", bin("shr", sum, imm(32 + shift, "int64")));
  return select(lt(word, 0), clamp(fixed, lo, hi), float);
}

/** The same in C, column by column. */
function portable(f: Columns): string {
  const { tile: { rows, cols, groups, pitch, wide }, blocks, result, colStep, shared } = f;
  const w = blockWords(f), pairs = Math.ceil(cols / 2), each = wide ? cols : pairs;
  const bytes = result.k === "sums" ? 4 : 1;
  const number = (own: number, read: string) => shared ? read : String(own);
  const odd = (text: string, other: string): string =>
    wide || cols === 1 ? other : `c % 2 != 0 ? ${text} : ${other}`;
  const start = wide ? "w[c]" : odd(
    "(int32_t)((uint32_t)w[c - 1] - (uint32_t)w[c])",
    cols % 2 === 0 ? "w[c + 1]" : cols === 1 ? "w[c]" : `c + 1 < ${cols} ? w[c + 1] : w[c]`,
  );
  const constant = wide
    ? `                    const int32_t v = (int16_t)(w[${w.starts} + ${cols} * (2 * (k / 4) + k % 2) + c] >> 16 * (k % 4 / 2));`
    : `                    const int32_t pair = w[${w.starts} + ${pairs} * (2 * (k / 4) + k % 2) + c / 2] >> 16 * (k % 4 / 2);
                    const int32_t first = (int8_t)pair;
                    const int32_t v = ${
      odd("((int8_t)(pair >> 8) + (first < 0)) * 256", "first")
    };`;
  const at = `${rows === 1 ? "" : "p * step + "}c${colStep === 1 ? "" : ` * ${colStep}`}`;
  const zero = result.k === "bytes" && !isShifted(result) ? number(result.zero, "zero") : "-128";
  const bound = (v: number): string =>
    shared ? `(float)(${v} - ${zero})` : `${v - Number(zero)}.0f`;
  const store = result.k === "sums"
    ? `                y[${at}] = ${odd("sum >> 8", "sum")};`
    : `                memcpy(&scale, w + words - ${cols} + c, 4);
${
      f.fixed === null ? "" : `                if (w[words - ${cols} + c] < 0) {
                    const int32_t more = ${odd("8", "0")};
                    const int64_t product = (int64_t)(${zero} * ${2 ** WORD_SHIFT} + ${
        2 ** (WORD_SHIFT - 1)
      }) * ((int64_t)1 << (32 + more)) - (int64_t)sum * w[words - ${cols} + c];
                    const int32_t q = (int32_t)(product >> (${32 + WORD_SHIFT} + more));

                    y[${at}] = (${result.dtype}_t)(q < ${result.lo} ? ${result.lo} : q > ${result.hi} ? ${result.hi} : q);
                    continue;
                }
`
    }                x = (float)sum * scale;
                x = x < ${bound(result.lo)} ? ${bound(result.lo)} : x;
                x = x > ${bound(result.hi)} ? ${bound(result.hi)} : x;
                /* Rounds half to even. */
                x = (x + 12582912.0f) - 12582912.0f;
                y[${at}] = (${result.dtype}_t)((int32_t)x + ${zero});`;
  const local = [
    `groups = ${number(groups, `${turnOf(f.tile)} * w[2] + 1 - w[1]`)}`,
    `words = ${cols} + ${2 * each} * groups${result.k === "sums" ? "" : ` + ${cols}`}`,
    `blocks = ${number(blocks, "w[3] / (4 * words)")}`,
    ...(rows > 1 ? [`step = ${number(f.rowStep, `w[0] / ${bytes}`)}`] : []),
    ...(zero === "zero" ? ["zero = w[4]"] : []),
  ].map((l) => `    const int32_t ${l};`).join("\n");
  return `{
${local}

    w += ${HEAD};
    for (int32_t block = 0; block < blocks; block++) {
        for (int32_t p = 0; p < ${rows}; p++) {
            for (int32_t c = 0; c < ${cols}; c++) {
                int32_t sum = ${start};
${result.k === "sums" ? "" : "                float scale, x;\n"}
                for (int32_t k = 0; k < ${GROUP} * groups; k++) {
${constant}

                    sum += ${
    f.bytes === null
      ? `a[${2 * pitch} * (2 * (k / 4) + k % 2) + 2 * p + k % 4 / 2]`
      : "(a[k] - from)"
  } * v;
                }
${store}
            }
        }
        w += words;
        y += ${cols * colStep};
    }
}`;
}
