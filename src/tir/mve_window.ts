/**
 * Windows within channels (depthwise), sixteen lanes at a time, requantised (MVE). Products of bytes are
 * summed as halfwords as long as these hold them: constants decide how many taps that is.
 */
import { add, bits, cast, imm, load, mul, variable } from "../te/expr.ts";
import { requantize } from "../te/rounding.ts";
import { advance, asmCount, type AsmItem, asmText } from "./mve_asm.ts";
import { type Bounds, boundsKey, boundsText, isClamped, requantizeC } from "./mve_requantize.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, behind, denseBuffer, seq, type Stmt } from "./stmt.ts";

export const LANES = 16;

/** Offsets that VLDRB and VSTRB take, and VLDRW. */
const NEAR = 127, NEAR_WORDS = 508;

/** What an int16 holds of sums of an activation, at most 128, by constants of this sum. */
const GROUP_SUM = 255;

export interface WindowShape {
  /** Outputs: rows, and steps of all lanes along a row; how far they lie apart where, in bytes. */
  readonly rows: number;
  readonly rowStep: number;
  readonly outRow: number;
  readonly cols: number;
  readonly colStep: number;
  readonly outCol: number;
  /** Lanes that are results. */
  readonly lanes: number;
  /** Where taps lie, from the first. */
  readonly taps: readonly number[];
  /** The taps in groups whose sums of products int16 holds. */
  readonly groups: readonly (readonly number[])[];
  readonly bounds: Bounds;
}

/** Steps of the search for few groups. */
const SEARCH = 20_000;

/**
 * Taps in few groups so that in each lane the sizes of a group's constants add up to at most 255: with a
 * byte each, no sum of products leaves int16.
 *
 * @param weights [taps][lanes]
 */
export function groupTaps(weights: readonly (readonly number[])[]): number[][] {
  const size = (t: number) => weights[t].reduce((sum, v) => sum + Math.abs(v), 0);
  const order = weights.map((_, t) => t).sort((a, b) => size(b) - size(a) || a - b);
  const sizes = weights.map((w) => w.map(Math.abs));
  let best: number[][] = order.map((t) => [t]);
  let left = SEARCH;
  /** Puts the taps from a place on into groups that there are, or a further one. */
  const place = (i: number, groups: { taps: number[]; sums: number[] }[]): void => {
    if (groups.length >= best.length || left-- <= 0) return;
    if (i === order.length) {
      best = groups.map((g) => [...g.taps]);
      return;
    }
    const t = order[i], w = sizes[t];
    for (const g of groups) {
      if (!w.every((v, l) => g.sums[l] + v <= GROUP_SUM)) continue;
      g.taps.push(t);
      w.forEach((v, l) => g.sums[l] += v);
      place(i + 1, groups);
      g.taps.pop();
      w.forEach((v, l) => g.sums[l] -= v);
    }
    place(i + 1, [...groups, { taps: [t], sums: [...w] }]);
  };
  place(0, []);
  // The first group costs least a tap.
  return best.map((g) => g.sort((a, b) => a - b)).sort((a, b) => b.length - a.length);
}

/** Where the start and the scale of a lane lie: [2][4][4], lane modulo four first. */
export const laneParam = (which: 0 | 1, lane: number): number =>
  16 * which + 4 * (lane % 4) + Math.floor(lane / 4);

/** Pointers that go through the operand: taps near each other share one. */
function pointersOf(s: WindowShape): { tap: number; pointer: number }[] | null {
  const order = s.taps.map((offset, tap) => ({ offset, tap })).sort((a, b) => a.offset - b.offset);
  const reach = NEAR - s.colStep;
  const starts: number[] = [];
  const found = order.map(({ offset, tap }) => {
    if (starts.length === 0 || offset - starts.at(-1)! > reach) starts.push(offset);
    return { tap, pointer: starts.length - 1 };
  });
  return starts.length <= POINTERS.length ? found : null;
}

const POINTERS = ["r1", "r2", "r3", "r4", "r5", "r6"];
const WEIGHTS = "r8", PARAMS = "r9", ZERO = "r10", OUT = "r11", FREE = "r12";

/** Whether registers and offsets suffice. */
export const windowFits = (s: WindowShape): boolean =>
  s.colStep >= 0 && s.colStep <= NEAR && pointersOf(s) !== null &&
  s.taps.length * LANES <= NEAR_WORDS - LANES && s.outCol >= 0 && s.outRow < 65536 &&
  s.rowStep < 65536;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The loads of a tap: the first, and one that loads it again. */
function tapLoads(s: WindowShape) {
  const pointers = pointersOf(s)!;
  const order = s.groups.flat();
  const pointerOf = (tap: number) => pointers.find((p) => p.tap === tap)!.pointer;
  // The last tap of each pointer moves it: pointers stand where they were left by the one before.
  const last = range(POINTERS.length).map((p) => order.filter((t) => pointerOf(t) === p).at(-1));
  const start = (p: number): number => s.taps[last[p]!] - s.colStep;
  const at = (tap: number): { first: string; again: string } => {
    const p = pointerOf(tap), r = POINTERS[p];
    const by = s.taps[tap] - start(p);
    return last[p] === tap
      ? { first: by === 0 ? `[${r}]` : `[${r}, #${by}]!`, again: `[${r}]` }
      : { first: `[${r}, #${by}]`, again: `[${r}, #${by}]` };
  };
  return { at, starts: range(POINTERS.length).filter((p) => last[p] !== undefined).map(start) };
}

/** One step of all lanes. */
function step(s: WindowShape): string[] {
  const { at } = tapLoads(s);
  const accs = ["q4", "q5", "q6", "q7"];
  const sums = s.groups.flatMap((group, g) =>
    group.flatMap((tap, i) => {
      const { first, again } = at(tap);
      const loads = [`vldrb.8 q2, ${first}`, `vldrw.32 q3, [${WEIGHTS}, #${LANES * tap}]`];
      if (i === 0) return [...loads, "vmullb.s8 q0, q2, q3", "vmullt.s8 q1, q2, q3"];
      if (g === 0) {
        return [
          ...loads,
          "vmullb.s8 q4, q2, q3",
          "vmullt.s8 q2, q2, q3",
          "vadd.i16 q0, q0, q4",
          "vadd.i16 q1, q1, q2",
        ];
      }
      // All other registers hold sums: the operand is loaded twice.
      return [
        ...loads,
        "vmullb.s8 q2, q2, q3",
        "vadd.i16 q0, q0, q2",
        `vldrb.8 q2, ${again}`,
        "vmullt.s8 q2, q2, q3",
        "vadd.i16 q1, q1, q2",
      ];
    }).concat(flush(g === 0, accs))
  );
  return [...sums, ...results(s, accs)];
}

/** Lanes l, l + 1, l + 2, l + 3 of each four: even and odd halfwords of the even and of the odd bytes. */
const QUARTERS = [["vmovlb.s16", "q0"], ["vmovlb.s16", "q1"], ["vmovlt.s16", "q0"], [
  "vmovlt.s16",
  "q1",
]] as const;

const flush = (first: boolean, accs: readonly string[]): string[] =>
  QUARTERS.flatMap(([op, from], i) =>
    first
      ? [`${op} ${accs[i]}, ${from}`]
      : [`${op} q2, ${from}`, `vadd.i32 ${accs[i]}, ${accs[i]}, q2`]
  );

/** Sums as bytes, stored. */
function results(s: WindowShape, accs: readonly string[]): string[] {
  const { dtype, zero, lo, hi } = s.bounds;
  const signed = dtype === "int8";
  const scaled = accs.flatMap((q, i) => [
    `vldrw.32 q0, [${PARAMS}, #${4 * laneParam(0, i)}]`,
    `vadd.i32 ${q}, ${q}, q0`,
    `vcvt.f32.s32 ${q}, ${q}`,
    `vldrw.32 q1, [${PARAMS}, #${4 * laneParam(1, i)}]`,
    `vmul.f32 ${q}, ${q}, q1`,
    `vcvtn.s32.f32 ${q}, ${q}`,
  ]);
  const [a, b, c, d] = accs;
  const clamp = isClamped(s.bounds)
    ? [
      `mov ${FREE}, #${lo}`,
      `vdup.8 q1, ${FREE}`,
      `vmax.${signed ? "s8" : "u8"} q0, q0, q1`,
      `mov ${FREE}, #${hi}`,
      `vdup.8 q1, ${FREE}`,
      `vmin.${signed ? "s8" : "u8"} q0, q0, q1`,
    ]
    : [];
  const narrow = signed ? ["vqmovnb.s16", "vqmovnt.s16"] : ["vqmovunb.s16", "vqmovunt.s16"];
  const whole = s.lanes === LANES;
  const store = `vstrb${whole ? "" : "t"}.8 q0, [${OUT}]`;
  return [
    ...scaled,
    `vqmovnb.s32 ${a}, ${a}`,
    `vqmovnt.s32 ${a}, ${c}`,
    `vqmovnb.s32 ${b}, ${b}`,
    `vqmovnt.s32 ${b}, ${d}`,
    ...(zero === 0 ? [] : [`vqadd.s16 ${a}, ${a}, ${ZERO}`, `vqadd.s16 ${b}, ${b}, ${ZERO}`]),
    `${narrow[0]} q0, ${a}`,
    `${narrow[1]} q0, ${b}`,
    ...clamp,
    ...(whole ? [] : ["vpst"]),
    ...(s.outCol > 0 && s.outCol <= NEAR
      ? [`${store}, #${s.outCol}`]
      : [store, ...advance(OUT, s.outCol)]),
  ];
}

/** One row of outputs. */
const rowCode = (s: WindowShape): AsmItem[] => [
  ...(s.bounds.zero === 0 ? [] : [`mov ${ZERO}, #${s.bounds.zero}`]),
  ...(s.lanes === LANES ? [] : [`mov ${FREE}, #${s.lanes}`, `vctp.8 ${FREE}`]),
  { turns: s.cols, counter: "lr", body: step(s) },
];

/** Calling and saving registers; what a row takes around its code. */
const AROUND = 16, ROW = 20;

const hash = (text: string): string =>
  [...text].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0, 2166136261)
    .toString(16);

/**
 * y[r][c][l] = requantize(start[l] + Σ t: a[r][c][taps[t] + l]·w[t][l], scale[l]).
 *
 * Operands: y bytes, a int8, w int8 [taps][16], p int32 [2][4][4] as {@link laneParam} says. In each lane
 * the sizes of a group's constants add up to at most 255.
 */
export function windowLanes(s: WindowShape): TensorIntrin {
  const { dtype } = s.bounds;
  const place = [s.rowStep, s.outRow, s.colStep, s.outCol, s.taps.join("_")];
  const key = hash(JSON.stringify([place, s.groups]));
  const name = `window_${s.rows}x${s.cols}x${s.lanes}_t${s.taps.length}_${
    boundsKey(s.bounds)
  }_${key}`;
  const head =
    `/* y[r][c][l] = (start[l] + sum of a[r][c][tap + l] w[tap][l]) * scale[l], rounded half to even, ${
      boundsText(s.bounds)
    }:
 * ${s.rows} rows ${s.rowStep} apart, ${s.outRow} in y, of ${s.cols} ${s.colStep} apart, ${s.outCol} in y; ${s.lanes} lanes,
 * taps at ${s.taps.join(", ")}. Halfwords hold the sums of taps ${
      s.groups.map((g) => g.join(", ")).join(" and ")
    }. */
__attribute__((noinline)) static void ${name}(${dtype}_t *y, const int8_t *a, const int8_t *w, const int32_t *p)`;
  const reach = (s.rows - 1) * s.rowStep + (s.cols - 1) * s.colStep + Math.max(...s.taps);
  return {
    name,
    args: [
      {
        name: "y",
        dtype,
        count: (s.rows - 1) * s.outRow + (s.cols - 1) * s.outCol + s.lanes,
        mode: "write",
      },
      // Vectors are whole: what lies behind the last lane is read and left.
      { name: "a", dtype: "int8", count: reach + LANES, mode: "read" },
      { name: "w", dtype: "int8", count: s.taps.length * LANES, mode: "read" },
      { name: "p", dtype: "int32", count: 2 * LANES, mode: "read" },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, s),
    c: [
      {
        feature: "mve",
        needs: [],
        instructions: AROUND + s.rows * (ROW + asmCount(rowCode(s))),
        text: `${head}\n${vectorText(s)}`,
      },
      { feature: null, needs: ["float_of"], text: `${head}\n${portableText(s)}` },
    ],
  };
}

function vectorText(s: WindowShape): string {
  const { starts } = tapLoads(s);
  const many = s.rows > 1, pad = many ? "        " : "    ";
  const signed = (n: number) => n === 0 ? "" : n < 0 ? ` - ${-n}` : ` + ${n}`;
  const row = (step: number) => many && step !== 0 ? ` + ${step} * row` : "";
  const given = [
    ...starts.map((n) => `a${row(s.rowStep)}${signed(n)}`),
    "w",
    "p",
    `y${row(s.outRow)}`,
  ];
  const registers = [...POINTERS.slice(0, starts.length), WEIGHTS, PARAMS, OUT];
  const clobbers = [
    ...registers,
    ZERO,
    FREE,
    "lr",
    ...range(8).map((q) => `q${q}`),
    "cc",
    "memory",
  ];
  const inner = `${pad}const void *given[${given.length}] = { ${given.join(", ")} };
${pad}register const void **r0 __asm__("r0") = given;

${pad}__asm__ volatile(
${asmText([`ldm r0, {${registers.join(", ")}}`, ...rowCode(s)], `${pad}    `)}
${pad}    : "+r"(r0)
${pad}    :
${pad}    : ${clobbers.map((c) => `"${c}"`).join(", ")});`;
  return many
    ? `{\n    for (int32_t row = 0; row < ${s.rows}; row++) {\n${inner}\n    }\n}`
    : `{\n${inner}\n}`;
}

function portableText(s: WindowShape): string {
  return `{
    static const int32_t taps[${s.taps.length}] = { ${s.taps.join(", ")} };

    for (int32_t r = 0; r < ${s.rows}; r++) {
        for (int32_t c = 0; c < ${s.cols}; c++) {
            for (int32_t l = 0; l < ${s.lanes}; l++) {
                const int32_t param = 4 * (l % 4) + l / 4;
                int32_t sum = p[param];

                for (int32_t t = 0; t < ${s.taps.length}; t++) {
                    sum += a[${s.rowStep} * r + ${s.colStep} * c + taps[t] + l] * w[${LANES} * t + l];
                }
                {
${
    requantizeC(
      `y[${s.outRow} * r + ${s.outCol} * c + l]`,
      "sum",
      "float_of(p[param + 16])",
      s.bounds,
    ).map((l) => l === "" ? "" : `                    ${l}`).join("\n")
  }
                }
            }
        }
    }
}`;
}

function meaning([y, a, w, p]: readonly Access[], s: WindowShape): Stmt {
  const r = variable("r", "int32", [0, s.rows - 1]), c = variable("c", "int32", [0, s.cols - 1]);
  const acc = denseBuffer("sum", "int32", [1], "local", [1], 4), here = [imm(0)];
  const b = s.bounds;
  const lane = (l: number): Stmt => {
    const param = (which: 0 | 1) => load(p.buf, behind(p, imm(laneParam(which, l))));
    const place = (n: number) => add(add(mul(r, s.rowStep), mul(c, s.colStep)), n);
    const result = requantize(
      load(acc, here),
      bits("float32", param(1)),
      imm(b.zero),
      imm(b.lo),
      imm(b.hi),
    );
    return seq(
      { k: "store", buf: acc, idx: here, value: param(0) },
      ...s.taps.map((offset, t): Stmt => ({
        k: "store",
        buf: acc,
        idx: here,
        value: add(
          load(acc, here),
          mul(
            cast("int32", load(a.buf, behind(a, place(offset + l)))),
            cast("int32", load(w.buf, behind(w, imm(LANES * t + l)))),
          ),
        ),
      })),
      {
        k: "store",
        buf: y.buf,
        idx: behind(y, add(add(mul(r, s.outRow), mul(c, s.outCol)), l)),
        value: cast(b.dtype, result),
      },
    );
  };
  const body: Stmt = { k: "alloc", buf: acc, body: seq(...range(s.lanes).map(lane)) };
  const inner: Stmt = { k: "for", v: c, lo: imm(0), hi: imm(s.cols), body };
  return { k: "for", v: r, lo: imm(0), hi: imm(s.rows), body: inner };
}
