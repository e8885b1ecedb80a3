/** From a group of nodes to the workload that the scheduler takes. */
import { DTYPES } from "../util/dtype.ts";
import { sizeOf } from "../util/tensor.ts";
import { invariant } from "../util/errors.ts";
import { type Compute, compute, type Tensor } from "../te/compute.ts";
import { type Expr, imm, type Indexable, load, rewrite, visit } from "../te/expr.ts";
import { dims, type Node, type Value } from "../ir/graph.ts";
import { type Storage, storageBytes } from "../ir/storage.ts";
import { define, type Group, groupInputs } from "../passes/fuse.ts";
import type { Workload } from "../schedule/state.ts";
import { kernelOf } from "../ir/kernel.ts";
import type { Buffer, Kernel, Scope } from "../tir/stmt.ts";

/** A workload and the values behind its buffers, in the same order. */
export interface GroupWorkload {
  readonly workload: Workload;
  readonly values: readonly Value[];
}

/** Builds the workload of a group from its definitions and the storage of its values. */
export function groupWorkload(g: Group, storage: ReadonlyMap<Value, Storage>): GroupWorkload {
  const last = g.nodes.at(-1)!;
  const tensors = new Map<Value, Indexable>();
  const stages: Compute[] = [];
  for (const n of g.nodes) {
    for (const c of nodeStages(n, tensors, stages.length, n === last)) stages.push(c);
  }
  const inputs = groupInputs(g).filter((v) => tensors.has(v));
  const data = inputs.filter((v) => !v.data);
  const buffers = new Map<Indexable, Buffer>();
  data.forEach((v, i) =>
    buffers.set(tensors.get(v)!, bufferOf(v, storage, `x${i || ""}`, "input"))
  );
  last.outs.forEach((v, i) =>
    buffers.set(tensors.get(v)!, bufferOf(v, storage, `y${i || ""}`, "output"))
  );
  const macs = g.nodes.reduce((sum, n) => sum + macsOf(n), 0);
  return {
    workload: {
      name: stem(g),
      computes: needed(stages, buffers),
      buffers,
      consts: new Map(inputs.filter((v) => v.data).map((v) => [tensors.get(v)!, v.data!])),
      origin: [...new Set(g.nodes.flatMap((n) => n.origin))],
      ops: g.nodes.map((n) => n.op.name),
      macs,
    },
    values: [...data, ...last.outs],
  };
}

/** The stages that an output needs: of several results of an operator one may be all that is read. */
function needed(
  stages: readonly Compute[],
  buffers: ReadonlyMap<Indexable, Buffer>,
): readonly Compute[] {
  const read = new Set<Indexable>();
  return stages.toReversed().filter((c) => {
    if (buffers.get(c.out)?.scope !== "output" && !read.has(c.out)) return false;
    visit(c.body, (e) => e.k === "load" && read.add(e.src));
    return true;
  }).reverse();
}

/** The kernel of a group that is an operator with a loop program of its own; null for any other. */
export function groupKernel(
  g: Group,
  storage: ReadonlyMap<Value, Storage>,
): { kernel: Kernel; values: readonly Value[] } | null {
  const [n] = g.nodes, { body } = n.op;
  if (body.kind !== "kernel") return null;
  const buffers = new Map<Value, Buffer>();
  n.ins.forEach((v, i) => {
    if (!v || buffers.has(v)) return;
    const b = bufferOf(v, storage, `x${i || ""}`, v.data ? "param" : "input");
    buffers.set(v, v.data ? { ...b, data: v.data } : b);
  });
  const outs = n.outs.map((v, i) => bufferOf(v, storage, `y${i || ""}`, "output"));
  const io = { ins: n.ins.map((v) => v && v.type), outs: n.outs.map((v) => v.type) };
  const ins = n.ins.map((v) => v && buffers.get(v)!);
  const kernel = kernelOf(body, n.attrs, io, { ins, outs }, {
    name: n.op.name.toLowerCase(),
    origin: n.origin,
    ops: [n.op.name],
    macs: macsOf(n),
  });
  return { kernel, values: [...[...buffers.keys()].filter((v) => !v.data), ...n.outs] };
}

const macsOf = (n: Node): number =>
  n.op.cost?.(n.attrs, { ins: n.ins.map((v) => v && v.type), outs: n.outs.map((v) => v.type) })
    .macs ?? 0;

/** The kernel is called after the operator that does most of the work. */
function stem(g: Group): string {
  const heavy = g.nodes.reduce((a, b) => macsOf(b) > macsOf(a) ? b : a);
  const n = macsOf(heavy) > 0
    ? heavy
    : g.nodes.find((x) => (define(x)?.stages.length ?? 0) > 1) ?? g.nodes[0];
  return n.op.name.toLowerCase();
}

/** A node's stages with unique names, its inputs bound to what computes them. */
function nodeStages(
  n: Node,
  tensors: Map<Value, Indexable>,
  count: number,
  isLast: boolean,
): Compute[] {
  const d = define(n);
  invariant(d, `${n.op.name} has no definition`);
  const bound = new Map<Indexable, Indexable>();
  const literals = new Map<Indexable, Expr>();
  n.ins.forEach((v, i) => {
    const t = d.ins[i];
    if (!v || !t) return;
    if (v.data && sizeOf(v.data.shape) === 1) literals.set(t, imm(v.data.data[0], v.type.dtype));
    else if (tensors.has(v)) bound.set(t, tensors.get(v)!);
    else tensors.set(v, t);
  });
  const renamed = new Map<Indexable, Tensor>();
  const stages: Compute[] = [];
  const base = n.op.name.toLowerCase();
  for (const c of d.stages) {
    const out = { ...c.out, name: `${base}${count + stages.length}_${c.out.name}` };
    renamed.set(c.out, out);
    const body = rewrite(c.body, (e) => {
      if (e.k !== "load") return undefined;
      const literal = literals.get(e.src);
      if (literal) return literal;
      const src = renamed.get(e.src) ?? bound.get(e.src);
      return src && { ...e, src };
    });
    stages.push({ ...c, out, body });
  }
  const results = stages.slice(-n.outs.length);
  const copies = isLast ? results.filter((c) => c.body.k === "reduce").map(copyStage) : [];
  n.outs.forEach((v, i) => {
    const copy = copies.find((c) => c.of === results[i]);
    tensors.set(v, (copy?.stage ?? results[i]).out);
  });
  return [...stages, ...copies.map((c) => c.stage)];
}

/** A reduction accumulates in a stage of its own; the output is written once. */
function copyStage(of: Compute): { of: Compute; stage: Compute } {
  const { name, dtype, shape } = of.out;
  const names = of.axes.map((v) => v.name);
  return {
    of,
    stage: compute(`${name}_out`, dtype, shape, (...axes) => load(of.out, axes), names),
  };
}

function bufferOf(
  v: Value,
  storage: ReadonlyMap<Value, Storage>,
  name: string,
  scope: Scope,
): Buffer {
  const s = storage.get(v);
  invariant(s, `${v.name} has no storage`);
  return {
    name,
    dtype: s.dtype,
    shape: dims(v.type),
    strides: s.strides,
    offset: s.offset,
    scope,
    length: storageBytes(s.owner) / DTYPES[s.dtype].bytes,
    align: s.align,
  };
}
