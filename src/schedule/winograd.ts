/** A window of three by three at stride 1, by Winograd's F(2×2, 3×3) in integers; exact. */
import { tensor, type TensorData } from "../util/tensor.ts";
import { intRange } from "../util/dtype.ts";
import { compute, placeholder, sum } from "../te/compute.ts";
import {
  add,
  type Call,
  call,
  cast,
  eq,
  type Expr,
  floordiv,
  floormod,
  imm,
  type Indexable,
  type Interval,
  type Load,
  load,
  mul,
  type ReduceAxis,
  rewrite,
  select,
  type Var,
  variable,
  visit,
} from "../te/expr.ts";
import { loads, valueRange, variables } from "../te/analyze.ts";
import { evaluate } from "../te/interp.ts";
import { keyOf, linear, simplify } from "../te/linear.ts";
import { REQUANTIZE, REQUANTIZE_WORD } from "../te/rounding.ts";
import { saturationOf } from "../tir/scalar_c.ts";
import { GROWTH, inputTransform, OUTPUTS, SIDE, STEPS, transformed } from "../tir/winograd.ts";
import { winogradAccumulator } from "../tir/winograd_output.ts";
import { stepCoefficient, WINOGRAD_COLS } from "../tir/winograd_products.ts";
import { constantMatrix, type Product, productOf } from "./product.ts";
import { bitsOf, wordOf } from "./words.ts";
import { plainStage, refuse, type Stage, stageOf, type State } from "./state.ts";

/**
 *     acc[n, co, oh, ow] = b[co] + Σ kh, kw, ci: x[n, oh + kh, ow + kw, ci]·w[co, ci, kh, kw]
 *   →
 *     acc_v[n, ty, j, step, ci ÷ 2, tx, ci mod 2] = Bᵀ·x·B of the tile at 2·ty, 2·tx          (int16)
 *     acc_h[n, ty, r, j, tx, co] = Aᵀ·m,
 *       m = Σ ci: acc_v[…]·u[co ÷ 2, j, step, ci ÷ 2, co mod 2, ci mod 2]
 *     acc[n, ty, tx, co, r, q] = (acc_h·A + 4·b[co]) ÷ 4
 *
 * Rows i of the positions stand in the order of `STEPS`. The operand has been copied with its borders
 * (`pad`, axes n, h, w, channel; int16). With `words` the stage becomes bytes, where all that is made of
 * it is one requantisation:
 *
 *     acc[n, ty, tx, co, r, q] = requantize_word((acc_h·A + 4·b[co]) ÷ 4, words[co], zero, lo, hi)
 */
export interface WinogradStep {
  readonly do: "winograd";
  readonly stage: string;
  readonly words?: boolean;
}

/** What the stage is made of, by the names above. */
interface Window {
  readonly product: Product;
  readonly x: Indexable;
  /** Axes of the stage: n, co, oh, ow as positions. */
  readonly axes: readonly [n: number, co: number, oh: number, ow: number];
  /** Positions of kh, kw and the channel among the axes of the reduction. */
  readonly taps: readonly [kh: number, kw: number, ci: number];
  readonly channels: number;
  readonly start: Expr;
  /** Smallest and largest input. */
  readonly range: Interval;
}

const LIMITS = "keep the sums as they are";

/** The one variable that an index is, or is the sum of; null where it is something else. */
function parts(e: Expr): Var[] | null {
  const l = linear(e);
  if (l.constant !== 0) return null;
  const terms = [...l.terms.values()];
  return terms.every((t) => t.coeff === 1 && t.atom.k === "var")
    ? terms.map((t) => t.atom as Var)
    : null;
}

/** Takes the stage apart; a text says why it does not fit. */
function windowOf(s: State, st: Stage): Window | string {
  const f = productOf(s, st);
  if (typeof f === "string") return f;
  const { axes, out } = st.compute, k = f.reduce.axes;
  const [x, ...more] = loads(f.activation);
  if (f.reduce.where.length > 0 || more.length > 0 || x.dtype !== "int16" || x.idx.length !== 4) {
    return "its operand is no copy with borders";
  }
  if (axes.length !== 4 || f.activation.k !== "cast" || f.activation.a !== x) {
    return "its form is another";
  }
  const idx = x.idx.map(parts);
  const own = (p: Var[] | null) => p?.filter((v) => axes.includes(v)) ?? [];
  const reduced = (p: Var[] | null) => p?.filter((v) => k.some((a) => a.v === v)) ?? [];
  const [n, h, w, c] = idx;
  const extent = (v: Var) => k.find((a) => a.v === v)?.extent;
  const slides = (p: Var[] | null) =>
    own(p).length === 1 && reduced(p).length === 1 && extent(reduced(p)[0]) === 3;
  // A batch of one has the index 0.
  const batch = own(n)[0] ??
    axes.find((v, i) => out.shape[i] === 1 && !variables(f.weights).has(v));
  if (!slides(h) || !slides(w) || reduced(c).length !== 1 || own(c).length > 0 || !batch) {
    return "it is no window of three by three at stride 1";
  }
  if (k.length !== 3) return "it has further axes";
  const co = axes.findIndex((v) => variables(f.weights).has(v));
  const at = [axes.indexOf(batch), co, axes.indexOf(own(h)[0]), axes.indexOf(own(w)[0])];
  if (new Set(at).size !== 4 || at.includes(-1)) return "its axes are others";
  const channels = extent(reduced(c)[0])!;
  const [, cols, oh, ow] = at.map((i) => out.shape[i]);
  if (channels % 4 !== 0 || channels > MOST_CHANNELS) return "its channels are no fours, or many";
  if (cols % WINOGRAD_COLS !== 0 || oh % OUTPUTS !== 0 || ow % OUTPUTS !== 0) {
    return "its output is no whole number of tiles";
  }
  const used = variables(f.reduce.init),
    constant = loads(f.reduce.init).every((l) => s.consts.has(l.src));
  if (!constant || [...used].some((v) => v !== axes[co])) {
    return "its sums do not start at constants";
  }
  const copied = s.stages.find((z) => z.compute.out === x.src);
  const range = copied && valueRange(copied.compute.body);
  if (!range) return "nothing is known of its operand";
  const tap = (v: Var) => k.findIndex((a) => a.v === v);
  return {
    product: f,
    x: x.src,
    axes: at as unknown as Window["axes"],
    taps: [tap(reduced(h)[0]), tap(reduced(w)[0]), tap(reduced(c)[0])],
    channels,
    start: f.reduce.init,
    range,
  };
}

/** Channels up to which products are written out. */
const MOST_CHANNELS = 128;

/** Transformed weights by column and channel, and starts times four. */
interface Constants {
  readonly u: readonly (readonly number[][])[][];
  readonly start: readonly number[];
}

/** The constants; null where a sum on the way could pass int32. */
function constantsOf(s: State, st: Stage, w: Window): Constants | null {
  const { axes, out } = st.compute, { product: f } = w;
  const cols = out.shape[w.axes[1]], matrix = constantMatrix(s, st, f);
  const extents = f.reduce.axes.map((a) => a.extent), length = matrix.length / cols;
  const weight = (co: number, c: number, a: number, b: number): number => {
    const at = [0, 0, 0];
    [a, b, c].forEach((v, i) => at[w.taps[i]] = v);
    return matrix[co * length + extents.reduce((n, e, d) => n * e + at[d], 0)];
  };
  const own = axes[w.axes[1]];
  const starts = { out: placeholder("start", "int32", [cols]), axes: [own], body: w.start };
  const inputs = new Map(loads(w.start).map((l) => [l.src, s.consts.get(l.src)!]));
  const first = evaluate([starts], inputs).get(starts.out)!.data as Int32Array;
  const start = Array.from(first, (v) => 4 * v);
  const largest = GROWTH * Math.max(...w.range.map(Math.abs));
  const u = start.map((_, co) =>
    Array.from({ length: w.channels }, (_, c) => transformed((a, b) => weight(co, c, a, b)))
  );
  const fits = start.every((b, co) =>
    u[co].flat(2).reduce((n, v) => n + Math.abs(v) * largest, Math.abs(b)) <= intRange("int32").max
  );
  return fits && largest <= intRange("int16").max ? { u, start } : null;
}

/** Why the step would not fit, or null. */
export function whyNoWinograd(s: State, st: Stage): string | null {
  const w = windowOf(s, st);
  if (typeof w === "string") return w;
  return constantsOf(s, st, w) ? null : "its sums could pass int32";
}

/** One of n expressions, chosen by the value of a variable. */
const picked = (v: Expr, n: number, f: (i: number) => Expr): Expr => {
  let e = f(n - 1);
  for (let i = n - 2; i >= 0; i--) e = select(eq(v, i), f(i), e);
  return e;
};

/** One of n × m expressions, chosen by the values of two variables. */
const chosen = (
  a: Expr,
  b: Expr,
  n: number,
  m: number,
  f: (a: number, b: number) => Expr,
): Expr => picked(a, n, (i) => picked(b, m, (j) => f(i, j)));

/** The transformed input at column j, row `STEPS[step]`; `x(a, b)` is an input as int32. */
export const winogradInputs = (j: Expr, step: Expr, x: (a: number, b: number) => Expr): Expr =>
  cast("int16", chosen(j, step, SIDE, SIDE, (j, step) => inputTransform(STEPS[step], j, x)));

/** The product of an input and a weight as it goes into row r. */
export const winogradTerm = (r: Expr, step: Expr, x: Expr, w: Expr): Expr =>
  mul(mul(x, w), chosen(r, step, OUTPUTS, SIDE, (r, step) => imm(stepCoefficient(r, step))));

/** The accumulator at q of half transformed products `h(j)` and four times its start. */
export const winogradOutputs = (q: Expr, h: (j: number) => Expr, start: Expr): Expr =>
  picked(q, OUTPUTS, (q) => winogradAccumulator(q, h, start));

export function winograd(s: State, step: WinogradStep): State {
  const st = stageOf(s, step.stage), w = windowOf(s, st);
  const what = `transform ${step.stage}`;
  if (typeof w === "string") refuse(what, w, LIMITS);
  const constants = constantsOf(s, st, w);
  if (!constants) refuse(what, "its sums could pass int32", LIMITS);
  const { out } = st.compute, { channels } = w;
  const [batch, cols, height, width] = w.axes.map((i) => out.shape[i]);
  const [ty, tx, pairs] = [height / OUTPUTS, width / OUTPUTS, channels / 2];
  const wide = (e: Expr): Expr => cast("int32", e);

  const v = compute(
    `${st.name}_v`,
    "int16",
    [batch, ty, SIDE, SIDE, pairs, tx, 2],
    (n, y, j, step, c, x, lane) =>
      winogradInputs(j, step, (a, b) => {
        const [row, col] = [add(mul(y, OUTPUTS), a), add(mul(x, OUTPUTS), b)];
        return wide(load(w.x, [n, row, col, add(mul(c, 2), lane)]));
      }),
    ["n", "ty", "j", "step", "c", "tx", "lane"],
  );
  const [packed, data] = pack(`${st.name}_u`, constants, channels);
  const k: ReduceAxis[] = [
    { v: variable("step", "int32", [0, SIDE - 1]), extent: SIDE },
    { v: variable("c", "int32", [0, pairs - 1]), extent: pairs },
    { v: variable("lane", "int32", [0, 1]), extent: 2 },
  ];
  const h = compute(
    `${st.name}_h`,
    "int32",
    [batch, ty, OUTPUTS, SIDE, tx, cols],
    (n, y, r, j, x, co) => {
      const [step, c, lane] = k.map((a) => a.v);
      const weight = load(packed, [
        floordiv(co, WINOGRAD_COLS),
        j,
        step,
        c,
        floormod(co, WINOGRAD_COLS),
        lane,
      ]);
      const input = load(v.out, [n, y, j, step, c, x, lane]);
      return sum(k, winogradTerm(r, step, wide(input), wide(weight)));
    },
    ["n", "ty", "r", "j", "tx", "co"],
  );
  const start = placeholder(`${st.name}_start`, "int32", [cols]);
  const bytes = step.words ? requantized(s, st, w) : null;
  if (typeof bytes === "string") refuse(what, bytes, "leave its sums as they are");
  const words = placeholder(`${st.name}_words`, "int32", [cols]);
  const y = compute(
    st.name,
    bytes?.dtype ?? "int32",
    [batch, ty, tx, cols, OUTPUTS, OUTPUTS],
    (n, y, x, co, r, q) => {
      const half = (j: number) => load(h.out, [n, y, r, imm(j), x, co]);
      const acc = winogradOutputs(q, half, load(start, [co]));
      if (!bytes) return acc;
      const bounds = bytes.bounds.map((b) => imm(b));
      return cast(bytes.dtype, call(REQUANTIZE_WORD, acc, load(words, [co]), ...bounds));
    },
    ["n", "ty", "tx", "co", "r", "q"],
  );
  const reader = (e: Expr): Expr | undefined => {
    const of = bytes ? requantizedLoad(e, out) : e;
    if (of?.k !== "load" || of.src !== out) return undefined;
    const [n, co, oh, ow] = w.axes.map((i) => of.idx[i]);
    const [y0, x0] = [oh, ow].map((o) => floordiv(o, OUTPUTS));
    const [r, q] = [oh, ow].map((o) => floormod(o, OUTPUTS));
    return wide(load(y.out, [n, y0, x0, co, r, q]));
  };
  return {
    consts: new Map([
      ...s.consts,
      [packed, data],
      [start, tensor("int32", [cols], constants.start)],
      ...(bytes ? [[words, tensor("int32", [cols], bytes.words)] as const] : []),
    ]),
    stages: s.stages.flatMap((x) =>
      x === st
        ? [plainStage(v), plainStage(h), plainStage(y)]
        : [{ ...x, compute: { ...x.compute, body: rewrite(x.compute.body, reader) } }]
    ),
  };
}

/** The load of a tensor that an expression requantises; null where it is something else. */
function requantizedLoad(e: Expr, of: Indexable): Load | null {
  if (e.k !== "call" || e.fn !== REQUANTIZE) return null;
  const [acc] = e.args;
  return acc.k === "load" && acc.src === of ? acc : null;
}

/** How sums become bytes. */
interface Bytes {
  readonly dtype: "int8" | "uint8";
  readonly bounds: readonly [zero: number, lo: number, hi: number];
  /** A word a column: pairs of columns have multipliers, or scales. */
  readonly words: readonly number[];
}

/** The one requantisation that is made of the stage; a text says why there is none. */
function requantized(s: State, st: Stage, w: Window): Bytes | string {
  const { out } = st.compute, cols = out.shape[w.axes[1]];
  const calls: Call[] = [];
  let others = 0;
  for (const { compute: { body } } of s.stages) {
    visit(body, (e) => {
      if (e.k === "load" && e.src === out) others++;
      if (e.k === "call" && requantizedLoad(e, out)) calls.push(e);
    });
  }
  const [first] = calls;
  if (!first || others !== calls.length) return "its sums are not only requantised";
  if (calls.some((c) => keyOf(c) !== keyOf(first))) return "its sums become several bytes";
  const [acc, scale, ...rest] = first.args;
  const bounds = rest.map((e) =>
    e.k === "imm" ? Number(e.value) : NaN
  ) as unknown as Bytes["bounds"];
  const [zero, lo, hi] = bounds;
  if (bounds.some(Number.isNaN) || saturationOf(lo, hi) === null) {
    return "no instruction has its bounds";
  }
  const scales = scalesOf(s, scale, (acc as Load).idx[w.axes[1]], cols);
  if (!scales) return "its scales are no constants of its columns";
  const words = scales.map((x) => wordOf(x, zero, lo, hi));
  for (let c = 0; c < cols; c += WINOGRAD_COLS) {
    const pair = words.slice(c, c + WINOGRAD_COLS);
    if (pair.some((x) => x >= 0)) pair.forEach((_, i) => words[c + i] = bitsOf(scales[c + i]));
  }
  if (words.every((x) => x >= 0)) return "no scale has a multiplier";
  return { dtype: lo < 0 ? "int8" : "uint8", bounds, words };
}

/** The scale of each column; null where it is something else. */
function scalesOf(s: State, scale: Expr, column: Expr, cols: number): readonly number[] | null {
  if (scale.k === "imm") return Array.from({ length: cols }, () => Number(scale.value));
  if (scale.k !== "load" || scale.idx.length !== 1) return null;
  const data = s.consts.get(scale.src)?.data;
  const same = keyOf(simplify(scale.idx[0])) === keyOf(simplify(column));
  return same && data?.length === cols ? Array.from(data, Number) : null;
}

/** Whether the step can take `words`: the stage fits, and is requantised in one way. */
export function canTakeBytes(s: State, st: Stage): boolean {
  const w = windowOf(s, st);
  return typeof w !== "string" && typeof requantized(s, st, w) !== "string";
}

/** [cols ÷ 2, j, step, channels ÷ 2, 2, 2]: pairs of channels of two columns side by side. */
function pack(name: string, { u }: Constants, channels: number): [Indexable, TensorData] {
  const values: number[] = [];
  for (let co = 0; co < u.length; co += WINOGRAD_COLS) {
    for (let p = 0; p < SIDE * SIDE; p++) {
      const [i, j] = [STEPS[p % SIDE], Math.floor(p / SIDE)];
      for (let c = 0; c < channels; c += 2) {
        for (let n = 0; n < 4; n++) values.push(u[co + (n >> 1)][c + (n & 1)][i][j]);
      }
    }
  }
  const shape = [u.length / WINOGRAD_COLS, SIDE, SIDE, channels / 2, WINOGRAD_COLS, 2];
  return [placeholder(name, "int16", shape), tensor("int16", shape, values)];
}
