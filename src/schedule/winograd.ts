/** A window of three by three at stride 1, by Winograd's F(2×2, 3×3) in integers; exact. */
import { tensor, type TensorData } from "../util/tensor.ts";
import { intRange } from "../util/dtype.ts";
import { compute, placeholder, sum } from "../te/compute.ts";
import {
  add,
  cast,
  eq,
  type Expr,
  floordiv,
  floormod,
  imm,
  type Indexable,
  type Interval,
  load,
  mul,
  type ReduceAxis,
  rewrite,
  select,
  type Var,
  variable,
} from "../te/expr.ts";
import { loads, valueRange, variables } from "../te/analyze.ts";
import { evaluate } from "../te/interp.ts";
import { linear } from "../te/linear.ts";
import {
  GROWTH,
  inputTransform,
  OUTPUTS,
  outputSum,
  SIDE,
  transformed,
  WINOGRAD_COLS,
} from "../tir/winograd.ts";
import { constantMatrix, type Product, productOf } from "./product.ts";
import { plainStage, refuse, type Stage, stageOf, type State } from "./state.ts";

/**
 *     acc[n, co, oh, ow] = b[co] + Σ kh, kw, ci: x[n, oh + kh, ow + kw, ci]·w[co, ci, kh, kw]
 *   →
 *     acc_v[n, ty, i, j, ci ÷ 2, tx, ci mod 2] = Bᵀ·x·B of the tile at 2·ty, 2·tx          (int16)
 *     acc_m[n, ty, i, j, tx, co] = Σ ci: acc_v[…]·u[co ÷ 2, i, j, ci ÷ 2, co mod 2, ci mod 2]
 *     acc[n, ty, tx, co, r, q] = (Aᵀ·acc_m·A + 4·b[co]) ÷ 4
 *
 * The operand has been copied with its borders (`pad`, axes n, h, w, channel; int16).
 */
export interface WinogradStep {
  readonly do: "winograd";
  readonly stage: string;
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

/** One of n × n expressions, chosen by the values of two variables. */
const chosen = (a: Expr, b: Expr, n: number, f: (a: number, b: number) => Expr): Expr => {
  const pick = (v: Expr, g: (i: number) => Expr): Expr => {
    let e = g(n - 1);
    for (let i = n - 2; i >= 0; i--) e = select(eq(v, i), g(i), e);
    return e;
  };
  return pick(a, (i) => pick(b, (j) => f(i, j)));
};

/** The transformed input at i, j; `x(a, b)` is an input as int32. */
export const winogradInputs = (i: Expr, j: Expr, x: (a: number, b: number) => Expr): Expr =>
  cast("int16", chosen(i, j, SIDE, (i, j) => inputTransform(i, j, x)));

/** The output r, q of products `m(i, j)` and four times its start. */
export const winogradOutputs = (
  r: Expr,
  q: Expr,
  m: (i: number, j: number) => Expr,
  start: Expr,
): Expr => floordiv(add(chosen(r, q, OUTPUTS, (r, q) => outputSum(r, q, m)), start), 4);

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
    (n, y, i, j, c, x, lane) =>
      winogradInputs(i, j, (a, b) => {
        const [row, col] = [add(mul(y, OUTPUTS), a), add(mul(x, OUTPUTS), b)];
        return wide(load(w.x, [n, row, col, add(mul(c, 2), lane)]));
      }),
    ["n", "ty", "i", "j", "c", "tx", "lane"],
  );
  const [packed, data] = pack(`${st.name}_u`, constants, channels);
  const k: ReduceAxis[] = [
    { v: variable("c", "int32", [0, pairs - 1]), extent: pairs },
    { v: variable("lane", "int32", [0, 1]), extent: 2 },
  ];
  const m = compute(
    `${st.name}_m`,
    "int32",
    [batch, ty, SIDE, SIDE, tx, cols],
    (n, y, i, j, x, co) => {
      const [c, lane] = k.map((a) => a.v);
      const weight = load(packed, [
        floordiv(co, WINOGRAD_COLS),
        i,
        j,
        c,
        floormod(co, WINOGRAD_COLS),
        lane,
      ]);
      return sum(k, mul(wide(load(v.out, [n, y, i, j, c, x, lane])), wide(weight)));
    },
    ["n", "ty", "i", "j", "tx", "co"],
  );
  const start = placeholder(`${st.name}_start`, "int32", [cols]);
  const y = compute(
    st.name,
    "int32",
    [batch, ty, tx, cols, OUTPUTS, OUTPUTS],
    (n, y, x, co, r, q) => {
      const product = (i: number, j: number) => load(m.out, [n, y, imm(i), imm(j), x, co]);
      return winogradOutputs(r, q, product, load(start, [co]));
    },
    ["n", "ty", "tx", "co", "r", "q"],
  );
  const reader = (e: Expr): Expr | undefined => {
    if (e.k !== "load" || e.src !== out) return undefined;
    const [n, co, oh, ow] = w.axes.map((i) => e.idx[i]);
    const [y0, x0] = [oh, ow].map((o) => floordiv(o, OUTPUTS));
    const [r, q] = [oh, ow].map((o) => floormod(o, OUTPUTS));
    return load(y.out, [n, y0, x0, co, r, q]);
  };
  return {
    consts: new Map([
      ...s.consts,
      [packed, data],
      [start, tensor("int32", [cols], constants.start)],
    ]),
    stages: s.stages.flatMap((x) =>
      x === st
        ? [plainStage(v), plainStage(m), plainStage(y)]
        : [{ ...x, compute: { ...x.compute, body: rewrite(x.compute.body, reader) } }]
    ),
  };
}

/** [cols ÷ 2, i, j, channels ÷ 2, 2, 2]: pairs of channels of two columns side by side. */
function pack(name: string, { u }: Constants, channels: number): [Indexable, TensorData] {
  const values: number[] = [];
  for (let co = 0; co < u.length; co += WINOGRAD_COLS) {
    for (let p = 0; p < SIDE * SIDE; p++) {
      for (let c = 0; c < channels; c += 2) {
        for (let n = 0; n < 4; n++) {
          values.push(u[co + (n >> 1)][c + (n & 1)][Math.floor(p / SIDE)][p % SIDE]);
        }
      }
    }
  }
  const shape = [u.length / WINOGRAD_COLS, SIDE, SIDE, channels / 2, WINOGRAD_COLS, 2];
  return [placeholder(name, "int16", shape), tensor("int16", shape, values)];
}
