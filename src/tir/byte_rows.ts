/** Rows of bytes: runs that are copied as they are, and runs of one value. */
import { add, imm, load, type Var, variable } from "../te/expr.ts";
import type { DType } from "../util/dtype.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { behind, type Stmt } from "./stmt.ts";

/** Bytes of a turn of the loops, and of a word. */
const TURN = 16, WORD = 4;

const typeOf = (x: DType) => x === "uint8" ? ["u8", "uint8_t"] : ["s8", "int8_t"];

/** Instructions of a run: whole turns, then words. */
const instructions = (count: number, each: number): number =>
  8 + Math.floor(count / TURN) * (TURN / WORD * each + 4) + count % TURN / WORD * (each + 4);

const forEach = (count: number, body: (i: Var) => Stmt): Stmt => {
  const v = variable("i", "int32", [0, count - 1]);
  return { k: "for", v, lo: imm(0), hi: imm(count), body: body(v) };
};

/** The text of a run: one statement a word, turns of 16 bytes first. */
const loops = (word: (at: number) => string, pointers: readonly string[]): string => {
  const turn = (bytes: number): string =>
    [
      ...Array.from({ length: bytes / WORD }, (_, i) => word(WORD * i)),
      ...pointers.map((p) => `${p} += ${bytes};`),
    ].map((l) => `        ${l}\n`).join("");
  return `    for (; count >= ${TURN}; count -= ${TURN}) {
${turn(TURN)}    }
    for (; count > 0; count -= ${WORD}) {
${turn(WORD)}    }`;
};
const behindText = (at: number): string => at === 0 ? "" : ` + ${at}`;

/** dst = src for `count` bytes, a multiple of four. */
export function copyBytes(x: DType, count: number): TensorIntrin {
  const [short, type] = typeOf(x), name = `copy_row_${short}`;
  return {
    name,
    args: [
      { name: "dst", dtype: x, count, mode: "write" },
      { name: "src", dtype: x, count, mode: "read" },
    ],
    scalars: ["count"],
    byValue: false,
    meaning: ([dst, src]) =>
      forEach(count, (i) => ({
        k: "store",
        buf: dst.buf,
        idx: behind(dst, i),
        value: load(src.buf, src.idx.map((e, d) => d === src.axis ? add(e, i) : e)),
      })),
    c: [{
      feature: null,
      needs: ["load32", "store32"],
      instructions: instructions(count, 2),
      length: 22,
      shared: true,
      text: `/* dst = src for count bytes, a multiple of ${WORD} */
__attribute__((noinline)) static void ${name}(${type} *dst, const ${type} *src, int32_t count)
{
${
        loops((at) => `store32(dst${behindText(at)}, load32(src${behindText(at)}));`, [
          "src",
          "dst",
        ])
      }
}`,
    }],
  };
}

/** dst = value for `count` bytes, a multiple of four. */
export function fillBytes(x: DType, count: number): TensorIntrin {
  const [short, type] = typeOf(x), name = `fill_row_${short}`;
  return {
    name,
    args: [{ name: "dst", dtype: x, count, mode: "write" }],
    scalars: ["value", "count"],
    byValue: false,
    meaning: ([dst], [value]) =>
      forEach(count, (i) => ({
        k: "store",
        buf: dst.buf,
        idx: behind(dst, i),
        value: imm(value, x),
      })),
    c: [{
      feature: null,
      needs: ["store32"],
      instructions: 3 + instructions(count, 1),
      length: 18,
      shared: true,
      text: `/* dst = value for count bytes, a multiple of ${WORD} */
__attribute__((noinline)) static void ${name}(${type} *dst, int32_t value, int32_t count)
{
    const uint32_t word = 0x01010101u * ((uint32_t)value & 0xffu);

${loops((at) => `store32(dst${behindText(at)}, word);`, ["dst"])}
}`,
    }],
  };
}
