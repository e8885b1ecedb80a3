/** A sum of products of an activation and a constant: its parts, and the activation moved into a byte. */
import { intRange } from "../util/dtype.ts";
import { tensor, type TensorData } from "../util/tensor.ts";
import { type Compute, placeholder } from "../te/compute.ts";
import { cast, type Expr, type Indexable, type Reduce, sub } from "../te/expr.ts";
import { loads, valueRange, variables } from "../te/analyze.ts";
import { evaluate } from "../te/interp.ts";
import { refuse, type Stage, type State } from "./state.ts";

/** Σ activation·weights over the axes of `reduce`. */
export interface Product {
  readonly reduce: Reduce;
  readonly activation: Expr;
  readonly weights: Expr;
}

/** Takes the definition apart; a text says why it is not a product by a constant. */
export function productOf(s: State, st: Stage): Product | string {
  const { body: r } = st.compute;
  if (r.k !== "reduce" || r.op !== "sum" || r.body.k !== "bin" || r.body.op !== "mul") {
    return "it is not a sum of products";
  }
  if (r.dtype !== "int32") return "it does not accumulate in int32";
  const isConst = (e: Expr): boolean => loads(e).every((l) => s.consts.has(l.src));
  const { a, b } = r.body;
  const [activation, weights] = isConst(b) ? [a, b] : [b, a];
  if (!isConst(weights) || isConst(activation)) return "neither factor is a constant";
  const range = valueRange(activation), i16 = intRange("int16");
  if (!range || range[0] < i16.min || range[1] > i16.max) return "the activation exceeds int16";
  return { reduce: r, activation, weights };
}

/** Positions of the axes that the constant depends on. */
function columnAxes({ compute: { axes } }: Stage, f: Product): number[] {
  const inCols = variables(f.weights);
  return axes.flatMap((v, i) => inCols.has(v) ? [i] : []);
}

/** The constant factor as int32, row-major [cols, length]. */
export function constantMatrix(s: State, st: Stage, f: Product): Int32Array {
  const { axes, out } = st.compute, kAxes = f.reduce.axes, colAxes = columnAxes(st, f);
  const c: Compute = {
    out: placeholder("matrix", "int32", [
      ...colAxes.map((i) => out.shape[i]),
      ...kAxes.map((a) => a.extent),
    ]),
    axes: [...colAxes.map((i) => axes[i]), ...kAxes.map((a) => a.v)],
    body: f.weights,
  };
  const inputs = new Map(loads(f.weights).map((l) => [l.src, s.consts.get(l.src)!]));
  return evaluate([c], inputs).get(c.out)!.data as Int32Array;
}

/** What has to be taken from an activation so that int8 holds it; null: nothing does. */
export function byteShift(f: Product): number | null {
  const [lo, hi] = valueRange(f.activation)!;
  return hi - lo <= 255 ? lo + 128 : null;
}

/** What has to be taken from an activation so that the byte that it is read as is left; null: it is none. */
export function rawShift({ activation }: Product): number | null {
  const { a, zero } = centre(activation);
  const byte = a.k === "cast" && a.a.k === "load" && /^u?int8$/.test(a.a.dtype);
  return byte ? zeroFree(zero) : null;
}

const zeroFree = (zero: number): number => zero === 0 ? 0 : -zero;

/** `a − zero`, or an expression alone. */
const centre = (e: Expr): { a: Expr; zero: number } =>
  e.k === "bin" && e.op === "sub" && e.b.k === "imm"
    ? { a: e.a, zero: Number(e.b.value) }
    : { a: e, zero: 0 };

/** `activation − shift`, without arithmetic where the activation is a byte less the same constant. */
export function moved(activation: Expr, shift: number, type: "int8" | "int16"): Expr {
  const { a, zero: own } = centre(activation);
  const zero = shift + own;
  if (type === "int16") return cast("int16", shift === 0 ? activation : sub(a, zero));
  if (zero === 0 && a.k === "cast" && a.a.dtype === "int8") return a.a;
  return cast("int8", sub(a, zero));
}

/** Whether the start of the sums is a constant for each column, and can hold what rows of int8 take. */
export function canShift(
  s: State,
  st: Stage,
  by: (f: Product) => number | null = byteShift,
): boolean {
  const f = productOf(s, st);
  if (typeof f === "string") return false;
  const shift = by(f), { axes } = st.compute;
  const { init } = f.reduce;
  const columns = variables(f.weights);
  const rows = axes.filter((v) => !columns.has(v));
  if (shift === null || !loads(init).every((l) => s.consts.has(l.src))) return false;
  if (rows.some((v) => variables(init).has(v))) return false;
  const start = startsOf(s, st, f, shift),
    { min, max } = intRange("int32");
  return start.every((v) => v >= min && v <= max);
}

/** The start of each column's sum: its own, and the weights times what was taken from the rows. */
function startsOf(s: State, st: Stage, f: Product, shift: number): number[] {
  const { axes, out } = st.compute, { init } = f.reduce, colAxes = columnAxes(st, f);
  const c: Compute = {
    out: placeholder("start", "int32", colAxes.map((i) => out.shape[i])),
    axes: colAxes.map((i) => axes[i]),
    body: init,
  };
  const inputs = new Map(loads(init).map((l) => [l.src, s.consts.get(l.src)!]));
  const own = evaluate([c], inputs).get(c.out)!.data as Int32Array;
  const matrix = constantMatrix(s, st, f), length = matrix.length / own.length;
  return Array.from(own, (start, col) => {
    let sum = 0;
    for (let k = 0; k < length; k++) sum += matrix[col * length + k];
    return start + shift * sum;
  });
}

/** What each column's sum starts at; null where that is no constant of the column. */
export function ownStarts(s: State, st: Stage, f: Product): readonly number[] | null {
  const { init } = f.reduce, columns = variables(f.weights);
  const rows = st.compute.axes.filter((v) => !columns.has(v));
  if (!loads(init).every((l) => s.consts.has(l.src))) return null;
  return rows.some((v) => variables(init).has(v)) ? null : startsOf(s, st, f, 0);
}

/** The starts of all columns as a constant of the stage. */
export function columnStarts(
  name: string,
  s: State,
  st: Stage,
  f: Product,
  shift: number,
): [Indexable, TensorData] {
  if (!canShift(s, st, () => shift)) {
    refuse(
      `move ${st.name} into bytes`,
      "its sums do not start at constants that int32 holds",
      "keep rows of int16",
    );
  }
  const start = startsOf(s, st, f, shift);
  const t = placeholder(name, "int32", [start.length]);
  return [t, tensor("int32", t.shape, start)];
}
