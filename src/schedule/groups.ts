/**
 * Groups of channels that have nothing to do with each other: one group's program in a loop over the
 * groups, so that all that is known of products without groups holds inside.
 */
import { tensor, type TensorData } from "../util/tensor.ts";
import { type Compute, placeholder, type Tensor } from "../te/compute.ts";
import {
  add,
  type Expr,
  imm,
  type Indexable,
  load,
  mul,
  transform,
  type Var,
  variable,
  visit,
} from "../te/expr.ts";
import { isPointwise, loads } from "../te/analyze.ts";
import { kernelText } from "../tir/print.ts";
import { mapBuffers } from "../tir/remap.ts";
import type { Buffer, Kernel } from "../tir/stmt.ts";
import { plainStage, refuse, type Stage, stageOf, type State, type Workload } from "./state.ts";
import type { PackedBuffer } from "./tensorize.ts";

/**
 *     for co < 60: y[co] = f(Σ ci < 15: x[(co ÷ 15)·15 + ci]·w[co, ci])
 *   →
 *     for g < 4: for co < 15: y[g·15 + co] = f(Σ ci < 15: x[g·15 + ci]·w_g[co, ci])
 */
export interface GroupsStep {
  readonly do: "groups";
  /** A reduction whose reader is the output. */
  readonly stage: string;
  /** Its axis of channels, of which so many make a group. */
  readonly axis: string;
  readonly size: number;
}

const FITS = "divide first, a reduction and the output that reads it";

/** What a state knows of the groups that its stages are one of. */
export interface Groups {
  /** Number of the group; free in the stages. */
  readonly v: Var;
  readonly count: number;
  /** Axis of the output that is divided, and its extent in a group. */
  readonly axis: number;
  readonly size: number;
  /** The output of all groups, and that of one. */
  readonly whole: Tensor;
  readonly part: Tensor;
  /** The same stages with the constants of the groups behind the first. */
  readonly others: readonly State[];
}

/** Groups of a reduction whose operand is chosen by the quotient of an axis; null where none is. */
export function groupsOf({ compute: { axes, body, out } }: Stage): Omit<GroupsStep, "do"> | null {
  if (body.k !== "reduce") return null;
  let found: Omit<GroupsStep, "do"> | null = null;
  for (const l of loads(body.body)) {
    l.idx.forEach((e) =>
      visit(e, (x) => {
        if (x.k !== "bin" || x.op !== "floordiv" || x.a.k !== "var" || x.b.k !== "imm") return;
        const i = axes.indexOf(x.a), size = Number(x.b.value);
        if (i < 0 || size < 2 || out.shape[i] % size !== 0 || out.shape[i] === size) return;
        found ??= { stage: out.name, axis: x.a.name, size };
      })
    );
  }
  return found;
}

/** Elements of an axis from `start` on. */
function slice({ dtype, shape, data }: TensorData, axis: number, start: number, n: number) {
  const inner = shape.slice(axis + 1).reduce((p, x) => p * x, 1);
  const rows = shape.slice(0, axis).reduce((p, x) => p * x, 1);
  const values: number[] = [];
  for (let row = 0; row < rows; row++) {
    const from = (row * shape[axis] + start) * inner;
    for (let i = 0; i < n * inner; i++) values.push(Number(data[from + i]));
  }
  return tensor(dtype, shape.map((x, i) => i === axis ? n : x), values);
}

/** Divides the stages of a reduction and its reader into groups. */
export function groups(s: State, step: GroupsStep): State {
  const r = stageOf(s, step.stage), out = s.stages.at(-1)!;
  const what = `divide ${step.stage} into groups`;
  const axis = r.compute.axes.findIndex((v) => v.name === step.axis);
  const extent = r.compute.out.shape[axis], { size } = step;
  const reads = loads(out.compute.body).filter((l) => l.src === r.compute.out);
  const fits = s.stages.length === 2 && s.stages[0] === r && r !== out && extent % size === 0 &&
    reads.every((l) => isPointwise(l, out.compute)) && !s.groups &&
    s.stages.every((x) => !x.at && x.loops.every((l) => l.domain.d === "axis"));
  if (!fits) refuse(what, "its reader is not the output, or loops are changed already", FITS);
  const count = extent / size, v = variable("group", "int32", [0, count - 1]);
  const parts = new Map<Indexable, { readonly part: Tensor; readonly axis: number }>();
  const inner = placeholder(r.compute.out.name, r.compute.out.dtype, shrunk(r.compute.out));
  const part = placeholder(out.compute.out.name, out.compute.out.dtype, shrunk(out.compute.out));
  /** A definition for one group; constants are those of that group alone. */
  const divided = ({ axes, body }: Compute): Expr => {
    const channel = axes[axis];
    const inside = (e: Expr): Expr => transform(e, replaced);
    const replaced = (e: Expr): Expr | undefined => {
      if (e === channel) return add(mul(v, size), channel);
      if (e.k === "bin" && e.op === "floordiv" && e.a === channel && e.b.k === "imm") {
        return Number(e.b.value) === size ? v : undefined;
      }
      if (e.k !== "load") return undefined;
      if (e.src === r.compute.out) return load(inner, e.idx);
      const data = s.consts.get(e.src), at = e.idx.indexOf(channel);
      if (!data || at < 0) return undefined;
      const known = parts.get(e.src);
      if (known && known.axis !== at) refuse(what, `${e.src.name} is read in two ways`, FITS);
      const shape = data.shape.map((n, d) => d === at ? size : n);
      const p = known?.part ?? placeholder(e.src.name, e.src.dtype, shape);
      parts.set(e.src, { part: p, axis: at });
      return load(p, e.idx.map((x, d) => d === at ? x : inside(x)));
    };
    return inside(body);
  };
  const stages = [
    plainStage({ ...r.compute, out: inner, body: divided(r.compute) }),
    plainStage({ ...out.compute, out: part, body: divided(out.compute) }),
  ];
  const states = Array.from({ length: count }, (_, g): State => ({
    stages,
    consts: new Map([
      ...s.consts,
      ...[...parts].map(([src, { part, axis }]) =>
        [part, slice(s.consts.get(src)!, axis, g * size, size)] as const
      ),
    ]),
  }));
  const [first, ...others] = states;
  const whole = out.compute.out;
  return { ...first, groups: { v, count, axis, size, whole, part, others } };

  function shrunk({ shape }: Tensor): number[] {
    return shape.map((n, i) => i === axis ? size : n);
  }
}

/** The workload of one group: its output is a part of the whole's memory. */
export function groupWorkload(w: Workload, { axis, size, whole, part }: Groups): Workload {
  const memory = (b: Buffer): Buffer => ({
    ...b,
    shape: b.shape.map((n, i) => i === axis ? size : n),
  });
  const buffers = [...w.buffers].map(([t, b]) =>
    t === whole ? [part, memory(b)] as const : [t, b] as const
  );
  return { ...w, buffers: new Map(buffers) };
}

/** One program for all groups from those of each, which differ in their constants only. */
export function joinGroups(w: Workload, g: Groups, kernels: readonly Kernel[]): Kernel {
  const [first, ...others] = kernels;
  const text = kernelText(first);
  if (others.some((k) => kernelText(k) !== text)) {
    refuse(
      `join the groups of ${w.name}`,
      "their programs differ",
      "leave out what only some allow",
    );
  }
  const output = w.buffers.get(g.whole)!;
  /** Buffers by name: what all groups have, and how far a group's part is from the one before. */
  const joined = new Map<string, { buffer: Buffer; axis: number; step: number }>();
  first.params.forEach((p, i) => joined.set(p.name, joinParams(kernels.map((k) => k.params[i]))));
  joined.set(output.name, { buffer: output, axis: g.axis, step: g.size });
  const own = (b: Buffer) =>
    b.scope === "param" || b.scope === "output" ? joined.get(b.name) : undefined;
  const moved = (b: Buffer, idx: readonly Expr[]): { buf: Buffer; idx: readonly Expr[] } => {
    const to = own(b);
    if (!to) return { buf: b, idx };
    const shifted = (e: Expr, d: number): Expr =>
      d === to.axis && to.step > 0 ? add(e, mul(g.v, to.step)) : e;
    return { buf: to.buffer, idx: idx.map(shifted) };
  };
  const body = mapBuffers(first.body, moved);
  return {
    ...first,
    buffers: [...w.buffers.values(), ...first.buffers.slice(w.buffers.size)],
    params: first.params.map((p) => joined.get(p.name)!.buffer),
    body: { k: "for", v: g.v, lo: imm(0), hi: imm(g.count), body },
  };
}

/** The constants of all groups one after the other; those that all share stand once. */
function joinParams(all: readonly Buffer[]): { buffer: Buffer; axis: number; step: number } {
  const datas = all.map((b) => (b as PackedBuffer & { data: TensorData }).data);
  const [first] = all;
  const same = datas.every(({ data }) =>
    data.length === datas[0].data.length && [...data].every((v, i) => v === datas[0].data[i])
  );
  if (same) return { buffer: first, axis: 0, step: 0 };
  if (first.shape.length === 0) {
    refuse(`join the constants ${first.name}`, "each group has another number", FITS);
  }
  const shape = [first.shape[0] * all.length, ...first.shape.slice(1)];
  const data = tensor(first.dtype, shape, datas.flatMap((d) => Array.from(d.data, Number)));
  const buffer = { ...first, shape, length: first.length * all.length, data };
  return { buffer, axis: 0, step: first.shape[0] };
}
