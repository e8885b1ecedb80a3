/** Constants of a product in the order in which one pointer goes through them (MVE). */
import { sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { placeholder } from "../te/compute.ts";
import { add, bits, cast, type Expr, imm, type Indexable, load, mul } from "../te/expr.ts";
import { loads, valueRange, variables } from "../te/analyze.ts";
import { evaluate } from "../te/interp.ts";
import { REQUANTIZE } from "../te/rounding.ts";
import {
  type ColumnOrder,
  GROUP,
  packedAt,
  packedPlace,
  packedShape,
  paramsShape,
  scaleAt,
  startAt,
} from "../tir/mve_product_layout.ts";
import { isByte } from "../tir/mve_requantize.ts";
import type { PackedTensor } from "./gemm.ts";
import { byteShift, canShift, columnStarts, constantMatrix, moved, productOf } from "./product.ts";
import { refuse, replaceStage, type Stage, stageOf, type State } from "./state.ts";

/**
 *     acc[co, …] = b[co] + Σ k: x[…, k]·w[co, k]
 *     y[…, co] = requantize(acc[co, …], scale[co], …)
 *   →
 *     acc[co, …] = p[co ÷ 4, 0, co mod 4] + Σ k: x[…, k]·w′[co ÷ 4, …, k ÷ 16, …, k mod 16]
 *     y[…, co] = requantize(acc[co, …], p[co ÷ 4, 1, co mod 4] as a float, …)
 *
 * Activations of bytes are read as they are, less what a byte needs; what that takes from the sums is
 * in their start.
 */
export interface StreamStep {
  readonly do: "stream";
  readonly stage: string;
  /** How many of the last axes of the reduction are one piece of neighbours in memory. */
  readonly run: number;
  readonly order: ColumnOrder;
}

const LIMITS = "keep the constants as they are";

/** The stage that requantises what another one sums, and the call that does it. */
export function requantizer(s: State, st: Stage) {
  const out = s.stages.find(({ compute: { body } }) =>
    body.k === "cast" && body.a.k === "call" && body.a.fn === REQUANTIZE &&
    body.a.args[0].k === "load" && body.a.args[0].src === st.compute.out
  );
  if (!out) return null;
  const { body } = out.compute;
  if (body.k !== "cast" || body.a.k !== "call" || body.a.fn !== REQUANTIZE) return null;
  const [acc, scale, ...bounds] = body.a.args;
  if (acc.k !== "load" || acc.src !== st.compute.out || !isByte(out.compute.out.dtype)) return null;
  if (bounds.some((b) => b.k !== "imm")) return null;
  if (scale.k !== "imm" && scale.k !== "load") return null;
  return { out, call: body.a, acc, scale };
}

/** The one axis of the columns, or null. */
function columnAxis(st: Stage, weights: Expr) {
  const inColumns = variables(weights);
  const found = st.compute.axes.flatMap((v, i) => inColumns.has(v) ? [i] : []);
  return found.length === 1 ? found[0] : null;
}

/** Why the step would not fit, or null. */
export function whyNoStream(s: State, st: Stage): string | null {
  const f = productOf(s, st);
  if (typeof f === "string") return f;
  const r = requantizer(s, st), column = columnAxis(st, f.weights);
  if (!r) return "nothing requantises its sums";
  if (column === null) return "its constants have several axes of the output";
  if (variables(f.activation, ...f.reduce.where).has(st.compute.axes[column])) {
    return "its activation has the columns' axis";
  }
  if (!canShift(s, st)) return "its sums do not start at constants that int32 holds";
  const [lo, hi] = valueRange(f.weights) ?? [-Infinity, Infinity];
  if (lo < -128 || hi > 127) return "a constant exceeds a byte";
  const { scale, acc, out } = r;
  const own = acc.idx[column];
  if (own.k !== "var") return "its columns are read in another order";
  if (scale.k === "load" && (!s.consts.has(scale.src) || scale.dtype !== "float32")) {
    return "its scale is no constant";
  }
  if (scale.k === "load" && [...variables(scale)].some((v) => v !== own)) {
    return "its scale changes along other axes";
  }
  return out.compute.axes.includes(own) ? null : "its columns are no axis of the output";
}

/** The constants of all columns, packed; see {@link packedAt}. */
function packed(
  name: string,
  matrix: Int32Array,
  cols: number,
  run: number,
  order: ColumnOrder,
): [PackedTensor, TensorData] {
  const length = matrix.length / cols, pieces = { runs: length / run, run, order };
  const shape = packedShape(cols, pieces), values = new Int32Array(sizeOf(shape));
  for (let col = 0; col < cols; col++) {
    for (let k = 0; k < length; k++) {
      const at = packedPlace(col, Math.floor(k / run), k % run, pieces);
      values[at] = matrix[col * length + k];
    }
  }
  return [{ name, dtype: "int8", shape, order: "stream" }, tensor("int8", shape, values)];
}

export function stream(s: State, step: StreamStep): State {
  const st = stageOf(s, step.stage);
  const why = whyNoStream(s, st), f = productOf(s, st), r = requantizer(s, st);
  if (why !== null || typeof f === "string" || !r) {
    refuse(`stream the constants of ${step.stage}`, why ?? "it is no product", LIMITS);
  }
  const { axes } = st.compute, column = columnAxis(st, f.weights)!, col = axes[column];
  const cols = st.compute.out.shape[column], { reduce } = f;
  if (reduce.where.length > 0) {
    refuse(`stream the constants of ${step.stage}`, "it has borders", "pad what it reads first");
  }
  const extents = reduce.axes.map((a) => a.extent);
  const split = extents.length - step.run;
  const run = sizeOf(extents.slice(split));
  const shift = byteShift(f)!;
  const [weights, data] = packed(
    `${st.name}_w`,
    constantMatrix(s, st, f),
    cols,
    run,
    step.order,
  );
  const flatten = (from: number, to: number): Expr =>
    reduce.axes.slice(from, to).reduce<Expr>((e, a) => add(mul(e, a.extent), a.v), imm(0));
  const weight = load(
    weights,
    packedAt(col, flatten(0, split), flatten(split, extents.length), {
      runs: sizeOf(extents.slice(0, split)),
      run,
      order: step.order,
    }),
  );
  const [params, values] = columnParams(s, st, f, r, cols, shift, step.order);
  const activation = cast("int32", moved(f.activation, shift, "int8"));
  const body = {
    ...reduce,
    init: load(params, startAt(col, step.order)),
    body: mul(activation, cast("int32", weight)),
  };
  const { out, call, scale } = r;
  const own = r.acc.idx[column];
  const scaled = {
    ...out,
    compute: {
      ...out.compute,
      body: cast(out.compute.out.dtype, {
        ...call,
        args: call.args.map((a) =>
          a === scale ? bits("float32", load(params, scaleAt(own, step.order))) : a
        ),
      }),
    },
  };
  const next = replaceStage(s, st.name, { ...st, compute: { ...st.compute, body } });
  return {
    ...replaceStage(next, out.name, scaled),
    consts: new Map([...s.consts, [weights, data], [params, values]]),
  };
}

/** Starts and bits of the scales of all columns: see {@link paramsShape}. */
function columnParams(
  s: State,
  st: Stage,
  f: Exclude<ReturnType<typeof productOf>, string>,
  { scale, out, acc }: NonNullable<ReturnType<typeof requantizer>>,
  cols: number,
  shift: number,
  order: ColumnOrder,
): [Indexable, TensorData] {
  const starts = columnStarts("start", s, st, f, shift)[1].data as Int32Array;
  const column = columnAxis(st, f.weights)!;
  const scales = scalesOf(s, scale, acc.idx[column] as Expr & { k: "var" }, cols);
  const shape = paramsShape(cols, order), apart = order === "each" ? 1 : GROUP;
  const values = new Int32Array(sizeOf(shape));
  const asBits = new Int32Array(Float32Array.from(scales).buffer);
  for (let c = 0; c < cols; c++) {
    const at = Math.floor(c / apart) * 2 * apart + c % apart;
    values[at] = starts[c];
    values[at + apart] = asBits[c];
  }
  const t = placeholder(`${out.name}_p`, "int32", shape);
  return [t, tensor("int32", shape, values)];
}

/** The scale of each column. */
export function scalesOf(
  s: State,
  scale: Expr,
  column: Expr & { k: "var" },
  cols: number,
): number[] {
  if (scale.k === "imm") return Array(cols).fill(Number(scale.value));
  const c = { out: placeholder("scale", "float32", [cols]), axes: [column], body: scale };
  const inputs = new Map(loads(scale).map((l) => [l.src, s.consts.get(l.src)!]));
  return Array.from(evaluate([c], inputs).get(c.out)!.data as Float32Array);
}
