/**
 * A workload for some columns of its output alone. Columns are what runs second slowest through the
 * memory; which columns of its inputs it then reads follows from the definitions.
 */
import { type Compute, reduce, type Tensor } from "../te/compute.ts";
import {
  type Expr,
  imm,
  type Indexable,
  type Load,
  load,
  rewrite,
  sub,
  substitute,
  transform,
  type Var,
  variable,
} from "../te/expr.ts";
import { loads } from "../te/analyze.ts";
import { intervalOf, simplify, simplifyCondition } from "../te/linear.ts";
import type { Buffer } from "../tir/stmt.ts";
import { partAlong, rowAxis } from "./band.ts";
import { conjuncts } from "./conditions.ts";
import type { Workload } from "./state.ts";

/** Columns from the first to the one behind the last. */
export type Columns = readonly [number, number];

/** The axis that runs second slowest through a memory: its length, the elements between two. */
export interface ColumnAxis {
  readonly axis: number;
  readonly columns: number;
  readonly stride: number;
}

/** Null where a row is one column, or there is more between two rows than their columns. */
export function columnAxis(b: Buffer): ColumnAxis | null {
  const rows = rowAxis(b);
  if (!rows || b.offset !== 0 || rows.rows * rows.stride !== b.length) return null;
  let axis = -1;
  b.shape.forEach((n, i) => {
    if (n > 1 && i !== rows.axis && (axis < 0 || b.strides[i] > b.strides[axis])) axis = i;
  });
  if (axis < 0) return null;
  const columns = b.shape[axis], stride = b.strides[axis];
  return columns * stride === rows.stride ? { axis, columns, stride } : null;
}

/** A workload for some columns of its output; all memories are as they were. */
export interface Stripe {
  readonly workload: Workload;
  readonly output: Tensor;
  /** Columns of each input that it reads; those that are read in another way are absent. */
  readonly reads: ReadonlyMap<Indexable, Columns>;
}

/** @returns null where the output has no columns, or they are not computed one by one */
export function stripeOf(w: Workload, [from, to]: Columns): Stripe | null {
  const out = w.computes.at(-1);
  const buffer = out && w.buffers.get(out.out);
  const of = buffer && columnAxis(buffer);
  const outputs = [...w.buffers.values()].filter((b) => b.scope === "output");
  if (!out || !of || outputs.length !== 1) return null;
  const part = partAlong(w, { axis: of.axis, rows: of.columns }, to - from, imm(from));
  if (!part) return null;
  const computes = part.computes.map(decided), { output } = part;
  const placed: Buffer = { ...buffer, shape: output.shape, offset: from * of.stride };
  return {
    workload: {
      ...w,
      computes,
      buffers: new Map([...w.buffers].map(([t, b]) => t === out.out ? [output, placed] : [t, b])),
      macs: Math.round(w.macs * (to - from) / of.columns),
    },
    output,
    reads: readsOf(w, computes),
  };
}

/** The variables of a stage with their ranges. */
const rangesOf = (c: Compute): Map<Var, Expr> =>
  new Map<Var, Expr>([
    ...c.axes.map((v, i) => [v, ranged(v, c.out.shape[i])] as const),
    ...(c.body.k === "reduce" ? c.body.axes.map((a) => [a.v, ranged(a.v, a.extent)] as const) : []),
  ]);

const ranged = (v: Var, extent: number): Var => variable(v.name, "int32", [0, extent - 1]);

/** A stage without the tests that always hold for its columns. */
function decided(c: Compute): Compute {
  const ranges = rangesOf(c);
  const holds = (e: Expr): boolean => {
    const known = simplifyCondition(substitute(e, ranges));
    return known.k === "imm" && Boolean(known.value);
  };
  const plain = (e: Expr): Expr =>
    rewrite(e, (x) => x.k === "select" && holds(x.cond) ? x.a : undefined);
  if (c.body.k !== "reduce") return { ...c, body: plain(c.body) };
  const { op, axes, init, where, body } = c.body;
  const open = where.flatMap(conjuncts).filter((e) => !holds(e));
  return { ...c, body: reduce(op, axes, plain(body), { init: plain(init), where: open }) };
}

/** The columns of inputs that stages read, clipped to what there is. */
function readsOf(w: Workload, computes: readonly Compute[]): Map<Indexable, Columns> {
  const found = new Map<Indexable, Columns>(), others = new Set<Indexable>();
  for (const c of computes) {
    const ranges = rangesOf(c);
    for (const l of loads(c.body)) {
      const buffer = w.buffers.get(l.src);
      const of = buffer && columnAxis(buffer);
      if (!of) continue;
      const at = intervalOf(substitute(l.idx[of.axis], ranges));
      if (!at) {
        others.add(l.src);
        continue;
      }
      const [lo, hi] = found.get(l.src) ?? [of.columns, 0];
      const clip = (n: number) => Math.max(0, Math.min(of.columns, n));
      found.set(l.src, [Math.min(lo, clip(at[0])), Math.max(hi, clip(at[1] + 1))]);
    }
  }
  others.forEach((t) => found.delete(t));
  return found;
}

/** The memory of some columns of a buffer alone. */
export function narrowed(b: Buffer, [from, to]: Columns): Buffer {
  const rows = rowAxis(b)!, { axis, stride } = columnAxis(b)!, n = to - from;
  return {
    ...b,
    shape: b.shape.map((x, i) => i === axis ? n : x),
    strides: b.strides.map((s, i) => i === rows.axis ? n * stride : s),
    length: rows.rows * n * stride,
  };
}

/**
 * A stripe with memories of no more than some columns.
 *
 * @param w what it is a stripe of
 * @param kept by the tensors of `w`; the columns of its output are those of the stripe
 */
export function inColumns(
  w: Workload,
  { workload, output }: Stripe,
  kept: ReadonlyMap<Indexable, Columns>,
): Workload {
  const moved = new Map<Indexable, { tensor: Indexable; axis: number; from: number }>();
  const buffers = [...w.buffers].map(([t, b]): [Indexable, Buffer] => {
    const columns = kept.get(t), isOutput = t === w.computes.at(-1)!.out;
    if (!columns) return isOutput ? [output, workload.buffers.get(output)!] : [t, b];
    const memory = narrowed(b, columns);
    if (isOutput) return [output, memory];
    const tensor: Indexable = { ...t, shape: memory.shape };
    moved.set(t, { tensor, axis: columnAxis(b)!.axis, from: columns[0] });
    return [tensor, memory];
  });
  const computes = workload.computes.map((c): Compute => ({
    ...c,
    body: transform(c.body, (e) => {
      const to = e.k === "load" ? moved.get(e.src) : undefined;
      if (!to) return undefined;
      const idx = (e as Load).idx.map((x, i) => i === to.axis ? simplify(sub(x, to.from)) : x);
      return load(to.tensor, idx);
    }),
  }));
  return { ...workload, computes, buffers: new Map(buffers) };
}
