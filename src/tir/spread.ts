/** Runs of bytes into one of several interleaved rows of int16, as tile.ts says. */
import { add, cast, type Expr, imm, load, mul, sub, variable } from "../te/expr.ts";
import { simplify } from "../te/linear.ts";
import type { DType } from "../util/dtype.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import type { Stmt } from "./stmt.ts";
import { GROUP, placeOf } from "./tile.ts";

/** What is copied: `times` runs of `count` elements, `stride` apart, that follow each other behind. */
export interface Runs {
  /** A multiple of four. */
  readonly count: number;
  readonly times: number;
  readonly stride: number;
}

/** The intrinsic of runs of one row. */
export interface SpreadIntrin extends TensorIntrin {
  readonly runs: Runs;
  readonly from: DType;
}

/** Elements up to which a run is written out where it is called. */
const WRITTEN_OUT = 8;

/** Elements of a turn of the loop. */
const TURN = 16;

/** Instructions for four elements: a load, two pairs unpacked, two stores. */
const FOUR = 5;

/**
 * dst = src[i] − zero, element by element, into one of `rows` rows.
 *
 * Operands: dst int16 [row, group, half, word]; src bytes.
 */
export function spread(x: DType, rows: number, runs: Runs): SpreadIntrin {
  const { count, times, stride } = runs;
  const type = x === "uint8" ? "u8" : "s8", from = `${x === "uint8" ? "u" : ""}int8_t`;
  const once = times === 1 && count <= WRITTEN_OUT;
  const name = once
    ? `spread${count}_p${rows}_${type}`
    : `spread${times > 1 ? "_runs" : ""}_p${rows}_${type}`;
  const extend = `${x === "uint8" ? "u" : "s"}xtab16`;
  const [second, next] = [2 * rows, GROUP * rows];
  const where = rows > 1 ? `one of ${rows} interleaved rows` : "a row";
  const scalars = ["zero", ...(once ? [] : ["count", ...(times > 1 ? ["times", "stride"] : [])])];
  const head = `/* dst = src[i] - zero for ${
    times > 1 ? "times runs of count" : once ? count : "count"
  } elements: ${where} of k0 k2, k1 k3 of each four */
${
    once
      ? "__attribute__((always_inline)) static inline"
      : "__attribute__((noinline)) static"
  } void ${name}(int16_t *dst, const ${from} *src, ${
    scalars.map((s) => `int32_t ${s}`).join(", ")
  })`;
  const groups = (count: number, indent: string): string =>
    Array.from({ length: count / GROUP }, (_, i) => {
      const by = i === 0 ? "" : ` + ${GROUP * i}`, to = (n: number) => n === 0 ? "" : ` + ${n}`;
      return `${indent}x = load32(src${by});
${indent}store32(dst${to(i * next)}, ${extend}(minus, x));
${indent}store32(dst${to(i * next + second)}, ${extend}_ror8(minus, x));`;
    }).join("\n");
  const loops = (pad: string): string =>
    `${pad}int32_t i = count;

${pad}for (; i >= ${TURN}; i -= ${TURN}) {
${groups(TURN, `${pad}    `)}
${pad}    src += ${TURN};
${pad}    dst += ${next * TURN / GROUP};
${pad}}
${pad}for (; i > 0; i -= ${GROUP}) {
${groups(GROUP, `${pad}    `)}
${pad}    src += ${GROUP};
${pad}    dst += ${next};
${pad}}`;
  const own = `    const uint32_t minus = ((uint32_t)-zero & 0xffffu) | ((uint32_t)-zero << 16);
    uint32_t x;
`;
  const dsp = once
    ? `${own}\n${groups(count, "    ")}`
    : times === 1
    ? `${own}${loops("    ")}`
    : `${own}
    for (; times > 0; times--) {
${loops("        ")}
        src += stride - count;
    }`;
  const plain =
    `dst[${next} * (i / 4) + ${second} * (i % 2) + i % 4 / 2] = (int16_t)(src[i] - zero);`;
  const several = `    for (; times > 0; times--) {
        for (int32_t i = 0; i < count; i++) {
            ${plain}
        }
        dst += ${rows} * count;
        src += stride;
    }`;
  const one = `    for (int32_t i = 0; i < ${once ? count : "count"}; i++) {
        ${plain}
    }`;
  const turns = Math.floor(count / TURN), rest = count % TURN / GROUP;
  const each = turns * (TURN / GROUP * FOUR + 4) + rest * (FOUR + 4);
  return {
    name,
    runs,
    from: x,
    args: [
      { name: "dst", dtype: "int16", count: count * times, mode: "write" },
      { name: "src", dtype: x, count: (times - 1) * stride + count, mode: "read" },
    ],
    scalars,
    byValue: false,
    meaning: ([dst, src], [zero]) => {
      const run = variable("run", "int32", [0, times - 1]);
      const i = variable("i", "int32", [0, count - 1]);
      const [row, ...place] = dst.idx;
      const behind = (at: Expr): Expr[] =>
        placeOf(at).map((e, d) => simplify(add(place[d], simplify(e))));
      const at = add(i, times > 1 ? mul(run, count) : imm(0));
      const from = add(i, times > 1 ? mul(run, stride) : imm(0));
      const x = load(src.buf, src.idx.map((e, d) => d === src.axis ? add(e, from) : e));
      const store: Stmt = {
        k: "store",
        buf: dst.buf,
        idx: [row, ...behind(at)],
        value: cast("int16", sub(cast("int32", x), zero)),
      };
      const inner: Stmt = { k: "for", v: i, lo: imm(0), hi: imm(count), body: store };
      return times > 1 ? { k: "for", v: run, lo: imm(0), hi: imm(times), body: inner } : inner;
    },
    c: [
      {
        feature: "dsp",
        needs: ["load32", "store32", extend, `${extend}_ror8`],
        instructions: once
          ? FOUR * count / GROUP
          : times === 1
          ? 13 + each
          : 18 + times * (each + 8),
        shared: !once,
        ...(once ? {} : { length: 50 }),
        text: `${head}\n{\n${dsp}\n}`,
      },
      { feature: null, needs: [], text: `${head}\n{\n${times > 1 ? several : one}\n}` },
    ],
  };
}
