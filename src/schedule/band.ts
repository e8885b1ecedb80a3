/**
 * A workload in bands: block v of it computes some rows of its output, or takes some rows of its
 * input into a reduction over all of them. Rows are what runs slowest through the memory. Which rows
 * of its inputs a block reads follows from the definitions.
 */
import { type Compute, compute, inlined, type Tensor } from "../te/compute.ts";
import {
  add,
  cast,
  eq,
  type Expr,
  imm,
  type Indexable,
  type Load,
  load,
  mul,
  rewrite,
  select,
  substitute,
  transform,
  type Var,
  variable,
} from "../te/expr.ts";
import { type DType, intRange } from "../util/dtype.ts";
import { rowMajor } from "../util/tensor.ts";
import { loads, ownVariables, valueRange, variables } from "../te/analyze.ts";
import { coefficient, linear, rangeOf } from "../te/linear.ts";
import type { Buffer } from "../tir/stmt.ts";
import type { Workload } from "./state.ts";

/** The rows of an input that block v reads: from `rate`·v + `first` to `rate`·v + `last`, clipped. */
export interface Reach {
  readonly rate: number;
  readonly first: number;
  readonly last: number;
}

/** How a memory is divided into rows: the axis, and the elements between two of them. */
export interface RowAxis {
  readonly axis: number;
  readonly rows: number;
  readonly stride: number;
}

export interface Band {
  readonly workload: Workload;
  readonly block: Var;
  readonly blocks: number;
  /** Rows of the output that a block writes; 0: it adds to sums that `finish` turns into the output. */
  readonly rows: number;
  readonly output: Tensor;
  /** The rows of the output; null where there are sums instead. */
  readonly outputRows: RowAxis | null;
  /** By input; what is read in another way than by rows is absent. */
  readonly reach: ReadonlyMap<Indexable, Reach>;
  /** What follows the last block of a reduction over rows. */
  readonly finish: Workload | null;
  /** The sums of such a reduction. */
  readonly sums: Buffer | null;
}

/** The axis that runs slowest through a tensor's memory; null where all has one element. */
export function rowAxis(b: Buffer): RowAxis | null {
  let axis = -1;
  b.shape.forEach((n, i) => {
    if (n > 1 && (axis < 0 || b.strides[i] > b.strides[axis])) axis = i;
  });
  return axis < 0 ? null : { axis, rows: b.shape[axis], stride: b.strides[axis] };
}

/**
 * The bands of a workload by `rows` rows of its output.
 *
 * @returns null where the rows are not a multiple, a constant has rows of its own, or a stage in
 *   between is not read row by row
 */
export function bandOfRows(w: Workload, rows: number): Band | null {
  const out = w.computes.at(-1);
  if (!out) return null; // A loop program of its operator's own.
  const buffer = w.buffers.get(out.out);
  const of = buffer && rowAxis(buffer);
  if (!buffer || !of || of.rows % rows !== 0 || outputsOf(w) !== 1) return null;
  const blocks = of.rows / rows, block = variable("row", "int32", [0, blocks - 1]);
  const part = partAlong(w, of, rows, mul(block, rows));
  if (!part) return null;
  const { computes, output } = part;
  const reach = reaches(w, computes, block);
  const shape = buffer.shape.map((n, i) => i === of.axis ? rows : n);
  return {
    workload: {
      ...w,
      computes,
      buffers: new Map(
        [...w.buffers].map(([t, b]) => t === out.out ? [output, { ...b, shape }] : [t, b]),
      ),
    },
    block,
    blocks,
    rows,
    output,
    outputRows: of,
    reach,
    finish: null,
    sums: null,
  };
}

/**
 * The stages of a workload for `count` places along an axis of its output, from `start` on.
 *
 * @returns null where a constant has places of its own, or a stage in between is read in another way
 */
export function partAlong(
  w: Workload,
  { axis: along, rows: all }: Pick<RowAxis, "axis" | "rows">,
  count: number,
  start: Expr,
): { readonly computes: readonly Compute[]; readonly output: Tensor } | null {
  const out = w.computes.at(-1)!;
  const parts = new Map<Indexable, { axis: number; tensor: Tensor }>();
  parts.set(out.out, { axis: along, tensor: withRows(out.out, along, count) });
  for (const c of w.computes.toReversed()) {
    const own = parts.get(c.out);
    if (!own) return null;
    const row = c.axes[own.axis];
    for (const l of loads(c.body)) {
      // Constants are packed as a whole.
      if (w.consts.has(l.src) && ownVariables(l).has(row)) return null;
      if (!w.computes.some((x) => x.out === l.src)) continue;
      const axis = l.idx.findIndex((e) => e === row);
      const others = l.idx.some((e, i) => i !== axis && variables(e).has(row));
      const known = parts.get(l.src);
      if (axis < 0 || others || (known && known.axis !== axis)) return null;
      if (l.src.shape[axis] !== all) return null;
      if (!known) parts.set(l.src, { axis, tensor: withRows(l.src, axis, count) });
    }
  }
  const computes = w.computes.map((c): Compute => {
    const { axis, tensor } = parts.get(c.out)!;
    const row = c.axes[axis];
    const moved = new Map([[row, add(row, start)] as const]);
    const body = transform(c.body, (e) => {
      const source = e.k === "load" ? parts.get(e.src) : undefined;
      if (!source) return e === row ? moved.get(row) : undefined;
      const idx = (e as Load).idx.map((x, i) => i === source.axis ? x : substitute(x, moved));
      return load(source.tensor, idx);
    });
    return { ...c, out: tensor, body };
  });
  return { computes, output: parts.get(out.out)!.tensor };
}

/**
 * The bands of a reduction over the rows of an input, one row a block, into sums that stay in
 * memory. Sums of floats keep their order, as rows are the first axis that is summed over.
 */
export function bandOfSums(w: Workload): Band | null {
  const [r, ...tail] = withoutMaps(w.computes);
  if (tail.length === 0 || r.body.k !== "reduce" || outputsOf(w) !== 1) return null;
  const { axes, body, where, init } = r.body;
  const input = loads(body).find((l) => w.buffers.has(l.src));
  const buffer = input && w.buffers.get(input.src);
  const of = buffer && rowAxis(buffer);
  if (!of) return null;
  const row = axes.find((a) => variables(input.idx[of.axis]).has(a.v));
  const reduced = row !== undefined && row.extent === of.rows &&
    (axes.indexOf(row) === 0 || r.out.dtype === "int32") &&
    loads(init).every((l) => w.consts.has(l.src)) &&
    loads(body).every((l) => !w.consts.has(l.src) || !ownVariables(l).has(row.v)) &&
    tail.flatMap((c) => loads(c.body)).every((l) => !w.buffers.has(l.src));
  if (!reduced) return null;
  const block = variable("row", "int32", [0, row.extent - 1]);
  const at = (e: Expr): Expr => substitute(e, new Map([[row.v, block as Expr]]));
  const type = sumsType(r);
  const sums: Buffer = {
    name: `${r.out.name}_sums`,
    dtype: type,
    shape: r.out.shape,
    strides: rowMajor(r.out.shape),
    offset: 0,
    scope: "scratch",
    length: r.out.shape.reduce((a, b) => a * b, 1),
    align: 4,
  };
  const before: Tensor = { ...r.out, name: `${r.out.name}_before`, dtype: type };
  const after: Tensor = { ...r.out, name: `${r.out.name}_sums`, dtype: type };
  const wide = (e: Expr): Expr => type === r.out.dtype ? e : cast(r.out.dtype, e);
  const others = axes.filter((a) => a !== row);
  // A sum stays one where a row is a single element of it.
  const rest = others.length > 0 ? others : [{ ...row, extent: 1 }];
  const start = select(eq(block, 0), init, wide(load(before, r.axes)));
  const partial: Tensor = { ...r.out };
  const computes: Compute[] = [
    {
      ...r,
      out: partial,
      body: { ...r.body, axes: rest, init: start, where: where.map(at), body: at(body) },
    },
    compute(
      after.name,
      after.dtype,
      after.shape,
      (...v) => type === r.out.dtype ? load(partial, v) : cast(type, load(partial, v)),
      r.axes.map((v) => v.name),
    ),
  ];
  const stored = computes[1].out;
  const reach = reaches(w, computes, block);
  const inputs = [...w.buffers].filter(([, b]) => b.scope === "input");
  const [output] = [...w.buffers].filter(([, b]) => b.scope === "output");
  const memory: Buffer = { ...sums, scope: "output" };
  return {
    workload: {
      ...w,
      computes,
      buffers: new Map<Indexable, Buffer>([...inputs, [before, sums], [stored, memory]]),
    },
    block,
    blocks: row.extent,
    rows: 0,
    output: stored,
    outputRows: null,
    reach,
    finish: {
      ...w,
      computes: tail.map((c) => ({
        ...c,
        body: rewrite(
          c.body,
          (e) => e.k === "load" && e.src === r.out ? wide(load(before, e.idx)) : undefined,
        ),
      })),
      buffers: new Map<Indexable, Buffer>([[before, { ...sums, scope: "input" }], output]),
      macs: 0,
    },
    sums,
  };
}

/** The stages from the first reduction on, which computes the maps before it where it reads them. */
function withoutMaps(computes: readonly Compute[]): readonly Compute[] {
  const [map, ...rest] = computes;
  if (rest.length === 0 || map.body.k === "reduce") return computes;
  return withoutMaps(rest.map((c) => ({ ...c, body: inlined(c.body, map) })));
}

/** The smallest type that holds the sums of a reduction at any time. */
function sumsType({ out, body }: Compute): DType {
  if (out.dtype !== "int32" || body.k !== "reduce" || body.op !== "sum") return out.dtype;
  const each = valueRange(body.body), start = valueRange(body.init);
  if (!each || !start) return out.dtype;
  const count = body.axes.reduce((n, a) => n * a.extent, 1), { min, max } = intRange("int16");
  const least = start[0] + Math.min(0, count * each[0]);
  const most = start[1] + Math.max(0, count * each[1]);
  return least >= min && most <= max ? "int16" : out.dtype;
}

const outputsOf = (w: Workload): number =>
  [...w.buffers.values()].filter((b) => b.scope === "output").length;

const withRows = (t: Indexable, axis: number, rows: number): Tensor => ({
  name: t.name,
  dtype: t.dtype,
  shape: t.shape.map((n, i) => i === axis ? rows : n),
});

/** The reach of every input that is read by rows at an affine index. */
function reaches(
  w: Workload,
  computes: readonly Compute[],
  block: Var,
): Map<Indexable, Reach> {
  const found = new Map<Indexable, Reach>();
  const others = new Set<Indexable>();
  for (const c of computes) {
    const ranges = new Map<Var, Expr>([
      ...c.axes.map((v, i) => [v, ranged(v, c.out.shape[i])] as const),
      ...(c.body.k === "reduce"
        ? c.body.axes.map((a) => [a.v, ranged(a.v, a.extent)] as const)
        : []),
    ]);
    for (const l of loads(c.body)) {
      const buffer = w.buffers.get(l.src);
      const of = buffer && rowAxis(buffer);
      if (!buffer || !of) continue;
      if (l.idx.some((e, i) => i !== of.axis && variables(e).has(block))) others.add(l.src);
      const index = linear(substitute(l.idx[of.axis], ranges));
      const rate = coefficient(index, block);
      const range = rate === null ? null : rangeOf(
        linear(substitute(substitute(l.idx[of.axis], ranges), new Map([[block, imm(0) as Expr]]))),
      );
      const old = found.get(l.src);
      if (rate === null || range === null || (old && old.rate !== rate)) {
        others.add(l.src);
        continue;
      }
      found.set(l.src, {
        rate,
        first: Math.min(range[0], old?.first ?? Infinity),
        last: Math.max(range[1], old?.last ?? -Infinity),
      });
    }
  }
  for (const t of others) found.delete(t);
  return found;
}

const ranged = (v: Var, extent: number): Var => variable(v.name, "int32", [0, extent - 1]);
