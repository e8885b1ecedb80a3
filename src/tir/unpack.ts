/**
 * Constants that take fewer bits in flash than the programs that read them want: integers of four and
 * two bits, floats of 16. A call brings some of them to scratch memory.
 *
 * Integers lie in words, each lane of a byte or a halfword with several values, the lowest bits first:
 * a word becomes as many words as a lane has values. What is stored is a value less the smallest one,
 * so that lanes never borrow from each other: (bits + bias) ^ flip is the value in every lane.
 */
import { add, bin, cast, type Expr, imm, load, mul, variable } from "../te/expr.ts";
import { type DType, DTYPES } from "../util/dtype.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, seq, type Stmt } from "./stmt.ts";

/** How the lanes of words are stored. */
export interface Coding {
  /** Bits of a lane. */
  readonly lane: 8 | 16;
  /** Bits of a value. */
  readonly bits: 2 | 4;
  /** The value whose bits are 0. */
  readonly lo: number;
  /** Lanes of 16 bits hold two values of bytes, e + 256·o; both are stored in a byte's lane each. */
  readonly pairs: boolean;
}

/** Words that one stored word becomes. */
export const spreadOf = ({ lane, bits }: Coding): number => lane / bits;

/** A pattern in every lane of a word. */
const everywhere = (pattern: number, lane: number): number =>
  lane === 8 ? Math.imul(pattern, 0x01010101) : Math.imul(pattern, 0x00010001);

/** What turns stored bits into lanes, as words: bits that are a value, what is added, what is turned over. */
export function codingWords(c: Coding): { mask: number; bias: number; flip: number } {
  const mask = everywhere(2 ** c.bits - 1, c.lane);
  if (c.pairs) {
    return {
      mask,
      bias: everywhere((257 * c.lo + 0x8000) & 0xffff, 16),
      flip: everywhere(0x8000, 16),
    };
  }
  const half = 2 ** (c.lane - 1);
  const signed = c.lo < 0 ? half : 0;
  return {
    mask,
    bias: everywhere((c.lo + signed) & (2 * half - 1), c.lane),
    flip: everywhere(signed, c.lane),
  };
}

const hex = (word: number): string => `0x${(word >>> 0).toString(16).padStart(8, "0")}u`;

/** Stored words of a turn of the loop. */
const TURN = 2;

const word = (v: number): Expr => imm(v >>> 0, "uint32");

/**
 * Unpacks integers.
 *
 * Operands: the values, of `to`; what is stored, of the unsigned integers of a lane, or of int32 where
 * the values are words of int32. Scalars: how many stored words, bias and flip.
 *
 * @param words stored words
 */
export function unpack(to: DType, from: DType, c: Coding, words: number): TensorIntrin {
  const times = spreadOf(c), { mask } = codingWords(c);
  const name = `unpack${c.bits}_${c.lane}`;
  const perWord = 4 / DTYPES[to].bytes, stored = 4 / DTYPES[from].bytes;
  const value = (k: number): string => {
    const part = k === 0 ? "x" : `(x >> ${k * c.bits})`;
    return `((${part} & ${hex(mask)}) + (uint32_t)bias) ^ (uint32_t)flip`;
  };
  const turn = (at: number, pad: string): string =>
    `${pad}x = load32(from${at === 0 ? "" : ` + ${4 * at}`});\n` +
    Array.from({ length: times }, (_, k) => {
      const by = 4 * (at * times + k);
      return `${pad}store32(to${by === 0 ? "" : ` + ${by}`}, ${value(k)});`;
    }).join("\n");
  const text =
    `/* Values of ${c.bits} bits in each lane of ${c.lane}, the lowest first, as ${times} words of such lanes. */
__attribute__((noinline)) static void ${name}(void *dst, const void *src, int32_t words, int32_t bias, int32_t flip)
{
    uint8_t *to = (uint8_t *)dst;
    const uint8_t *from = (const uint8_t *)src;
    uint32_t x;

    for (; words >= ${TURN}; words -= ${TURN}) {
${Array.from({ length: TURN }, (_, i) => turn(i, "        ")).join("\n")}
        from += ${4 * TURN};
        to += ${4 * TURN * times};
    }
    for (; words > 0; words--) {
${turn(0, "        ")}
        from += 4;
        to += ${4 * times};
    }
}`;
  return {
    name,
    args: [
      { name: "dst", dtype: to, count: words * times * perWord, mode: "write" },
      { name: "src", dtype: from, count: words * stored, mode: "read" },
    ],
    scalars: ["words", "bias", "flip"],
    byValue: false,
    meaning: ([dst, src], [, bias, flip]) =>
      meaning(dst, src, { c, words, times, to, from, bias, flip }),
    c: [{
      feature: null,
      needs: ["load32", "store32"],
      instructions: 12 + Math.ceil(words / TURN) * (4 + TURN * (1 + 4.5 * times)),
      length: 12 + 3 * (1 + 4 * times),
      shared: true,
      text,
    }],
  };
}

interface Meaning {
  readonly c: Coding;
  readonly words: number;
  readonly times: number;
  readonly to: DType;
  readonly from: DType;
  readonly bias: number;
  readonly flip: number;
}

/** Lane by lane; words of int32 whole. */
function meaning(dst: Access, src: Access, m: Meaning): Stmt {
  const { c, to } = m, whole = to === "int32";
  const lanes = whole ? 1 : 32 / c.lane;
  const w = variable("word", "int32", [0, m.words - 1]);
  const l = variable("lane", "int32", [0, lanes - 1]);
  const at = (a: Access, by: Expr): Expr[] => a.idx.map((e, i) => i === a.axis ? add(e, by) : e);
  const stored = load(src.buf, at(src, add(mul(w, lanes), l)));
  const { mask } = codingWords(c), low = 2 ** c.bits - 1;
  const laneOf = (k: number): Expr => {
    const shifted = k === 0
      ? cast("uint32", stored)
      : bin("shr", cast("uint32", stored), word(k * c.bits));
    if (whole) {
      const moved = bin("add", bin("and", shifted, word(mask)), word(m.bias));
      return cast("int32", bin("xor", moved, word(m.flip)));
    }
    return cast(to, add(cast("int32", bin("and", shifted, word(low))), c.lo));
  };
  const stores = Array.from({ length: m.times }, (_, k): Stmt => ({
    k: "store",
    buf: dst.buf,
    idx: at(dst, add(mul(add(mul(w, m.times), k), lanes), l)),
    value: laneOf(k),
  }));
  return {
    k: "for",
    v: w,
    lo: imm(0),
    hi: imm(m.words),
    body: { k: "for", v: l, lo: imm(0), hi: imm(lanes), body: seq(...stores) },
  };
}

/** Floats that a call converts at a time. */
export const FLOATS = 4;

/**
 * dst[i] = src[i] as float32, for `count` elements of float16 or bfloat16, a multiple of four.
 *
 * Operands: float32; the bits, as elements of the type.
 */
export function widenFloats(from: "float16" | "bfloat16", count: number): TensorIntrin {
  const name = from === "float16" ? "widen_f16" : "widen_bf16";
  const head =
    `/* dst[i] = src[i], ${from} as float, for a multiple of ${FLOATS} elements; no infinity, no NaN. */
__attribute__((noinline)) static void ${name}(float *dst, const uint16_t *src, int32_t count)`;
  const plain = from === "float16"
    ? `    for (int32_t i = 0; i < count; i++) {
        /* The exponent's bias is corrected by a product, which is exact for denormals too. */
        const float magnitude = float_of((int32_t)(src[i] & 0x7fffu) << 13) * 0x1p112f;

        dst[i] = (src[i] & 0x8000u) != 0 ? -magnitude : magnitude;
    }`
    : `    for (int32_t i = 0; i < count; i++) {
        const uint32_t bits = (uint32_t)src[i] << 16;

        memcpy(dst + i, &bits, 4);
    }`;
  const asm = `    __asm__ volatile(
        "1:\\n"
        "ldr r2, [%[src]], #4\\n"
        "ldr r3, [%[src]], #4\\n"
        "vmov s12, r2\\n"
        "vmov s13, r3\\n"
        "vcvtb.f32.f16 s8, s12\\n"
        "vcvtt.f32.f16 s9, s12\\n"
        "vcvtb.f32.f16 s10, s13\\n"
        "vcvtt.f32.f16 s11, s13\\n"
        "subs %[count], %[count], #4\\n"
        "vstmia %[dst]!, {s8, s9, s10, s11}\\n"
        "bgt 1b\\n"
        : [dst] "+&r"(dst), [src] "+&r"(src), [count] "+&r"(count)
        :
        : "r2", "r3", "s8", "s9", "s10", "s11", "s12", "s13", "cc", "memory");`;
  return {
    name,
    args: [
      { name: "dst", dtype: "float32", count, mode: "write" },
      { name: "src", dtype: from, count, mode: "read" },
    ],
    scalars: ["count"],
    byValue: false,
    meaning([dst, src]) {
      const i = variable("i", "int32", [0, count - 1]);
      const at = (a: Access): Expr[] => a.idx.map((e, d) => d === a.axis ? add(e, i) : e);
      const value = cast("float32", load(src.buf, at(src)));
      const body: Stmt = { k: "store", buf: dst.buf, idx: at(dst), value };
      return { k: "for", v: i, lo: imm(0), hi: imm(count), body };
    },
    c: [
      ...(from === "float16"
        ? [{
          feature: "fpu" as const,
          also: "dsp" as const,
          needs: [],
          instructions: 6 + 11 * count / FLOATS,
          length: 17,
          shared: true,
          text: `${head}\n{\n${asm}\n}`,
        }]
        : []),
      {
        feature: null,
        needs: from === "float16" ? ["float_of"] : [],
        instructions: 10 + (from === "float16" ? 10 : 5) * count,
        length: 20,
        shared: true,
        text: `${head}\n{\n${plain}\n}`,
      },
    ],
  };
}
