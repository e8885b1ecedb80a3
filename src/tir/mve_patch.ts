/**
 * Windows within channels (depthwise) as dot products of vectors of sixteen bytes, requantised (MVE).
 * Four places of every element are put side by side first, so that one load by four addresses is a
 * vector of what a tile of up to four outputs reads in a channel.
 */
import { add, bits, cast, type Expr, imm, load, mul, variable } from "../te/expr.ts";
import { requantize } from "../te/rounding.ts";
import { asmCount, type AsmItem, asmText } from "./mve_asm.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Bounds, boundsKey, boundsText, clampHalves, requantizeC } from "./mve_requantize.ts";
import {
  AT_ONCE,
  type PatchOutputs,
  type PatchPlan,
  type PatchTaps,
  planPatches,
  turnsOf,
  WORD,
  WORDS,
} from "./mve_patch_tiles.ts";
import { type Access, behind, denseBuffer, seq, type Stmt } from "./stmt.ts";

export interface PatchShape {
  readonly rows: PatchOutputs;
  readonly cols: PatchOutputs;
  /** Channels, neighbours in the operand and in what is written. */
  readonly channels: number;
  readonly taps: readonly PatchTaps[];
  /** Bytes of a channel's taps, and how many zeros stand before the first. */
  readonly length: number;
  readonly lead: number;
  readonly bounds: Bounds;
}

const VECTOR = 16;

/** Offsets that VLDRB takes. */
const NEAR = 127;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Instructions around the calls' loops, and around the copy of a strip. */
const AROUND = 45, STRIP = 22, BLOCK = 9;

/** Elements of a strip that words are made of, in whole vectors. */
function stripLength(s: PatchShape, { tiles }: PatchPlan): number {
  const last = Math.max(...tiles.flatMap((t) => t.words.map((w) => w.at)));
  return Math.ceil((last + s.channels) / VECTOR) * VECTOR;
}

/** Vectors that hold a channel's taps. */
export const vectorsOf = (s: PatchShape): number => Math.floor((s.length - s.lead) / VECTOR);

const plans = new WeakMap<PatchShape, PatchPlan | null>();
function planOf(s: PatchShape): PatchPlan | null {
  if (!plans.has(s)) plans.set(s, planPatches(s.taps, s.rows, s.cols, vectorsOf(s)));
  return plans.get(s)!;
}

/** Elements behind the last that a window reads which are read and left. */
export const PATCH_BEHIND = VECTOR;

/** Bytes of the words that a call puts together. */
export function patchBytes(s: PatchShape): number {
  const p = planOf(s)!;
  return p.strips.length * stripLength(s, p) * WORD;
}

/** Whether a vector holds the window, and offsets and literals suffice. */
export function patchFits(s: PatchShape): boolean {
  const p = planOf(s);
  if (!p || s.channels < 1 || s.rows.step < 0 || s.cols.step < 0) return false;
  if (p.tiles.some((t) => t.out < 0) || Math.max(...p.moved) > s.lead) return false;
  if (vectorsOf(s) < 1 || s.length > NEAR) return false;
  const { outputs } = tables(s, p);
  return patchBytes(s) < 65536 && Math.max(...outputs) < 65536 && turnsOf(p) < 4096 &&
    stripLength(s, p) / VECTOR < 65536 && s.channels < 65536;
}

/** Where the words of vectors lie from a channel's first, and where outputs go: eight for a turn. */
function tables(s: PatchShape, p: PatchPlan): { words: number[][]; outputs: number[] } {
  const strip = stripLength(s, p) * WORD, per = p.outs.length;
  const turns = turnsOf(p);
  // What fills the last turn is the last tile again: it gives the same.
  const tiles = range(turns * AT_ONCE / per).map((i) => p.tiles[Math.min(i, p.tiles.length - 1)]);
  const vectors = tiles.map((t) => t.words.map((w) => w.strip * strip + WORD * w.at));
  const outs = tiles.flatMap((t) => p.outs.map((o) => t.out + o));
  const outputs = range(turns).flatMap((t) =>
    // Two fours, lane by lane.
    range(AT_ONCE).map((i) => outs[t * AT_ONCE + i % 2 * 4 + Math.floor(i / 2)])
  );
  return { words: vectors, outputs };
}

/** The registers; R7 stays the frame pointer's, and sums have to be even ones. */
const SUMS = ["r0", "r2", "r4", "r6"], WORDS_AT = "r1", TABLE = "r3", OUT = "r5";
const START = "r8", SCALE = "r9", COUNT = "r10", WEIGHTS = "r11", PARAMS = "r12";
const FREE = SUMS[0];

/** Four outputs' sums in a vector. */
function four(s: PatchShape, p: PatchPlan, into: string): string[] {
  const per = p.outs.length, many = vectorsOf(s) > 1;
  const product = (tile: number, vector: number): string[] => [
    `vldrh.u32 q4, [${TABLE}], #8`,
    `vldrw.u32 ${into}, [${WORDS_AT}, q4]`,
    ...p.moved.flatMap((m, o) => [
      ...(many ? [`vldrb.8 q${o}, [${WEIGHTS}, #${VECTOR * vector + s.lead - m}]`] : []),
      `vmladav${vector > 0 ? "a" : ""}.s8 ${SUMS[tile * per + o]}, ${into}, q${o}`,
    ]),
  ];
  return [
    ...range(4 / per).flatMap((t) => range(vectorsOf(s)).flatMap((v) => product(t, v))),
    `vmov ${into}[2], ${into}[0], ${SUMS[0]}, ${SUMS[2]}`,
    `vmov ${into}[3], ${into}[1], ${SUMS[1]}, ${SUMS[3]}`,
  ];
}

/** Eight outputs of a channel. */
function turn(s: PatchShape, p: PatchPlan): string[] {
  const { dtype, zero } = s.bounds, signed = dtype === "int8";
  const both = (f: (q: string) => string) => ["q5", "q6"].map(f);
  const clamp = clampHalves(s.bounds, "q5", { vector: "q6", register: FREE });
  return [
    ...four(s, p, "q5"),
    ...four(s, p, "q6"),
    ...both((q) => `vadd.i32 ${q}, ${q}, ${START}`),
    ...both((q) => `vcvt.f32.s32 ${q}, ${q}`),
    ...both((q) => `vmul.f32 ${q}, ${q}, ${SCALE}`),
    ...both((q) => `vcvtn.s32.f32 ${q}, ${q}`),
    "vqmovnb.s32 q5, q5",
    "vqmovnt.s32 q5, q6",
    ...(zero === 0 ? [] : ["vqadd.s16 q5, q5, q7"]),
    ...clamp,
    `${signed ? "vqmovnb" : "vqmovunb"}.s16 q5, q5`,
    `vldrh.u16 q4, [${TABLE}], #16`,
    `vstrb.16 q5, [${OUT}, q4]`,
  ];
}

/** Bytes of the table that a turn reads. */
const turnBytes = (p: PatchPlan): number =>
  2 * (2 * 4 / p.outs.length * WORDS * p.grid.vectors + AT_ONCE);

/** All channels. */
function channels(s: PatchShape, p: PatchPlan): AsmItem[] {
  const turns = turnsOf(p), back = turns * turnBytes(p);
  const one: AsmItem[] = [
    ...(vectorsOf(s) > 1
      ? []
      : p.moved.map((m, o) => `vldrb.8 q${o}, [${WEIGHTS}, #${s.lead - m}]`)),
    `ldrd ${START}, ${SCALE}, [${PARAMS}], #8`,
    { turns, counter: "lr", body: turn(s, p) },
    `add ${WEIGHTS}, ${WEIGHTS}, #${s.length}`,
    ...(back < 4096
      ? [`subw ${TABLE}, ${TABLE}, #${back}`]
      : [`movw ${FREE}, #${back}`, `sub ${TABLE}, ${TABLE}, ${FREE}`]),
    `add ${WORDS_AT}, ${WORDS_AT}, #${WORD}`,
    `add ${OUT}, ${OUT}, #1`,
  ];
  return one;
}

/** Once for every channel, and around them. */
const EACH = 2;

function instructions(s: PatchShape): number {
  const p = planOf(s)!;
  const strips = p.strips.length * (STRIP + stripLength(s, p) / VECTOR * BLOCK);
  return AROUND + strips + s.channels * (asmCount(channels(s, p)) + EACH);
}

const hash = (text: string): string =>
  [...text].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0, 2166136261)
    .toString(16);

/**
 * y[r][c][l] = requantize(start[l] + Σ taps: a[r][c][tap][l]·w[l][lead + lane of the tap], scale[l]).
 *
 * Operands: y bytes, a int8, w int8 [channels][length], p int32 [channels][2], t the bytes that are put
 * side by side. {@link PATCH_BEHIND} elements behind the last of a are read and left.
 */
export function windowPatches(s: PatchShape): TensorIntrin {
  const p = planOf(s)!, { dtype } = s.bounds;
  const { rows, cols, taps } = s;
  const name = `patches_${rows.extent}x${cols.extent}x${s.channels}_${boundsKey(s.bounds)}_${
    hash(JSON.stringify([rows, cols, taps, s.length, s.lead]))
  }`;
  const size = taps.map((t) => t.extent).join("x");
  const head =
    `/* y[r][c][l] = (start[l] + sum of a[r][c][tap][l] w[l][tap]) * scale[l], rounded half to even, ${
      boundsText(s.bounds)
    }:
 * ${rows.extent} rows ${rows.step} apart, ${rows.out} in y, of ${cols.extent} ${cols.step} apart, ${cols.out} in y; ${s.channels} channels,
 * ${size} taps ${
      taps.map((t) => t.step).join(" and ")
    } apart. t holds ${WORD} places of each element side by side. */
__attribute__((noinline)) static void ${name}(${dtype}_t *y, const int8_t *a, const int8_t *w, const int32_t *p, int8_t *t)`;
  return {
    name,
    args: [
      {
        name: "y",
        dtype,
        count: (rows.extent - 1) * rows.out + (cols.extent - 1) * cols.out + s.channels,
        mode: "write",
      },
      { name: "a", dtype: "int8", count: sourceReach(s, p), mode: "read" },
      { name: "w", dtype: "int8", count: s.channels * s.length, mode: "read" },
      { name: "p", dtype: "int32", count: s.channels * 2, mode: "read" },
      { name: "t", dtype: "int8", count: patchBytes(s), mode: "write" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, s, p),
    c: [
      {
        feature: "mve",
        needs: [],
        instructions: instructions(s),
        text: `${head}\n${vectorText(s, p)}`,
      },
      { feature: null, needs: ["float_of"], text: `${head}\n${portableText(s, p)}` },
    ],
  };
}

/** Elements from the first to the last that is read, whatever becomes of it. */
const sourceReach = (s: PatchShape, p: PatchPlan): number =>
  Math.max(...p.strips.map(({ start, last }) => start + last * p.grid.within)) + stripLength(s, p);

/** Where the places of a strip's words lie: what the operand has none of is the last one. */
const placesOf = (p: PatchPlan, strip: number): number[] =>
  range(WORD).map((j) => p.strips[strip].start + Math.min(j, p.strips[strip].last) * p.grid.within);

/** Where strips begin, as a table of C and what reads the places of strip i from it. */
function stripsText(p: PatchPlan): { table: string; at: (j: number) => string } {
  const all = range(p.strips.length).map((i) => placesOf(p, i));
  const type = Math.max(...all.flat()) < 65536 ? "uint16_t" : "int32_t";
  const plus = (n: number) => n === 0 ? "" : ` + ${n}`;
  if (all.length === 1) return { table: "", at: (j) => plus(all[0][j]) };
  const [first] = all;
  const same = all.every((places) => places.every((n, j) => n - places[0] === first[j] - first[0]));
  const begin = `    static const ${type} strips[${all.length}]`;
  return same
    ? {
      table: `${begin} = { ${all.map(([n]) => n).join(", ")} };\n`,
      at: (j) => ` + strips[i]${plus(first[j] - first[0])}`,
    }
    : {
      table: `${begin}[${WORD}] = {\n${
        all.map((places) => `        { ${places.join(", ")} },\n`).join("")
      }    };\n`,
      at: (j) => ` + strips[i][${j}]`,
    };
}

function vectorText(s: PatchShape, p: PatchPlan): string {
  const { words, outputs } = tables(s, p), per = 2 * 4 / p.outs.length;
  const table = range(turnsOf(p)).flatMap((t) => [
    ...words.slice(t * per, (t + 1) * per).flat(),
    ...outputs.slice(t * AT_ONCE, (t + 1) * AT_ONCE),
  ]);
  const blocks = stripLength(s, p) / VECTOR;
  const strips = stripsText(p);
  const copy: AsmItem[] = [
    "ldm r0, {r1, r2, r3, r4, r5}",
    {
      turns: blocks,
      counter: "lr",
      body: [
        ...range(WORD).map((j) => `vldrb.8 q${j}, [r${j + 1}], #16`),
        ...range(WORD).map((j) => `vst4${j}.8 {q0, q1, q2, q3}, [r5]${j === 3 ? "!" : ""}`),
      ],
    },
  ];
  const all: AsmItem[] = [
    `ldm r0, {${WORDS_AT}, ${TABLE}, ${OUT}, ${WEIGHTS}, ${PARAMS}}`,
    ...(s.bounds.zero === 0 ? [] : [`mov ${FREE}, #${s.bounds.zero}`, `vdup.16 q7, ${FREE}`]),
    `mov ${COUNT}, #${s.channels}`,
    "3:",
    ...channels(s, p),
    `subs ${COUNT}, ${COUNT}, #1`,
    "bne 3b",
  ];
  const registers = [...SUMS.slice(1), WORDS_AT, TABLE, OUT, START, SCALE, COUNT, WEIGHTS, PARAMS];
  const list = (names: readonly string[]) => names.map((c) => `"${c}"`).join(", ");
  const rows = range(Math.ceil(table.length / 12))
    .map((i) => `        ${table.slice(12 * i, 12 * i + 12).join(", ")}`).join(",\n");
  return `{
    /* Where words are found and where outputs go, for eight outputs at a time. */
    static const uint16_t table[${table.length}] = {
${rows}
    };
${strips.table}
    for (int32_t i = 0; i < ${p.strips.length}; i++) {
        const void *given[5] = { ${range(WORD).map((j) => `a${strips.at(j)}`).join(", ")}, t + ${
    stripLength(s, p) * WORD
  } * i };
        register const void **r0 __asm__("r0") = given;

        __asm__ volatile(
${asmText(copy, "            ")}
            : "+r"(r0)
            :
            : ${
    list(["r1", "r2", "r3", "r4", "r5", "lr", "q0", "q1", "q2", "q3", "cc", "memory"])
  });
    }
    {
        const void *given[5] = { t, table, y, w, p };
        register const void **r0 __asm__("r0") = given;

        __asm__ volatile(
${asmText(all, "            ")}
            : "+r"(r0)
            :
            : ${list([...registers, "lr", ...range(8).map((q) => `q${q}`), "cc", "memory"])});
    }
}`;
}

function portableText(s: PatchShape, p: PatchPlan): string {
  const names = s.taps.map((_, i) => `k${i}`);
  const sum = (f: (t: PatchTaps) => number) =>
    s.taps.map((t, i) => `${f(t)} * ${names[i]}`).join(" + ");
  const loops = s.taps.map((t, i) =>
    `for (int32_t ${names[i]} = 0; ${names[i]} < ${t.extent}; ${names[i]}++) {`
  );
  const pad = " ".repeat(16);
  const open = loops.map((l, i) => `${pad}${"    ".repeat(i)}${l}`).join("\n");
  const close = loops.map((_, i) => `${pad}${"    ".repeat(loops.length - 1 - i)}}`).join("\n");
  const { rows, cols } = s, strips = stripsText(p);
  return `{
${strips.table}
    for (int32_t i = 0; i < ${p.strips.length}; i++) {
        for (int32_t n = 0; n < ${stripLength(s, p)}; n++) {
${range(WORD).map((j) => `            *t++ = a[n${strips.at(j)}];`).join("\n")}
        }
    }
    for (int32_t r = 0; r < ${rows.extent}; r++) {
        for (int32_t c = 0; c < ${cols.extent}; c++) {
            for (int32_t l = 0; l < ${s.channels}; l++) {
                int32_t sum = p[2 * l];

${open}
${pad}${"    ".repeat(loops.length)}sum += a[${rows.step} * r + ${cols.step} * c + l + ${
    sum((t) => t.step)
  }] * w[${s.length} * l + ${s.lead} + ${sum((t) => t.lane)}];
${close}
                {
${
    requantizeC(
      `y[${rows.out} * r + ${cols.out} * c + l]`,
      "sum",
      "float_of(p[2 * l + 1])",
      s.bounds,
    ).map((l) => l === "" ? "" : `                    ${l}`).join("\n")
  }
                }
            }
        }
    }
}`;
}

function meaning([y, a, w, p, t]: readonly Access[], s: PatchShape, plan: PatchPlan): Stmt {
  const turn = (name: string, n: number) => variable(name, "int32", [0, n - 1]);
  const loop = (v: ReturnType<typeof turn>, n: number, body: Stmt): Stmt => ({
    k: "for",
    v,
    lo: imm(0),
    hi: imm(n),
    body,
  });
  const strip = stripLength(s, plan), n = turn("n", strip);
  const words = plan.strips.map((_, i) =>
    loop(
      n,
      strip,
      seq(
        ...placesOf(plan, i).map((from, j): Stmt => ({
          k: "store",
          buf: t.buf,
          idx: behind(t, add(mul(n, WORD), i * strip * WORD + j)),
          value: load(a.buf, behind(a, add(n, from))),
        })),
      ),
    )
  );
  const r = turn("r", s.rows.extent), c = turn("c", s.cols.extent), l = turn("l", s.channels);
  const ks = s.taps.map((x, i) => turn(`k${i}`, x.extent));
  const sum = (f: (x: PatchTaps) => number): Expr =>
    s.taps.reduce<Expr>((e, x, i) => add(e, mul(ks[i], f(x))), imm(0));
  const acc = denseBuffer("sum", "int32", [1], "local", [1], 4), here = [imm(0)];
  const place = add(add(mul(r, s.rows.step), mul(c, s.cols.step)), l);
  const step: Stmt = {
    k: "store",
    buf: acc,
    idx: here,
    value: add(
      load(acc, here),
      mul(
        cast("int32", load(a.buf, behind(a, add(place, sum((x) => x.step))))),
        cast(
          "int32",
          load(w.buf, rest(w, [add(l, 0), add(sum((x) => x.lane), s.lead)])),
        ),
      ),
    ),
  };
  const b = s.bounds;
  const param = (which: number) => load(p.buf, rest(p, [l, imm(which)]));
  const result = requantize(
    load(acc, here),
    bits("float32", param(1)),
    imm(b.zero),
    imm(b.lo),
    imm(b.hi),
  );
  const taps = s.taps.reduceRight<Stmt>((body, x, i) => loop(ks[i], x.extent, body), step);
  const body: Stmt = {
    k: "alloc",
    buf: acc,
    body: seq(
      { k: "store", buf: acc, idx: here, value: param(0) },
      taps,
      {
        k: "store",
        buf: y.buf,
        idx: behind(y, add(add(mul(r, s.rows.out), mul(c, s.cols.out)), l)),
        value: cast(b.dtype, result),
      },
    ),
  };
  return seq(
    ...words,
    loop(r, s.rows.extent, loop(c, s.cols.extent, loop(l, s.channels, body))),
  );
}

/** The last two indices moved on. */
const rest = (x: Access, by: readonly Expr[]): Expr[] =>
  x.idx.map((e, i) => {
    const j = i - (x.idx.length - by.length);
    return j < 0 ? e : add(e, by[j]);
  });
