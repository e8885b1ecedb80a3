/**
 * Every so many-th output of an axis as a program of its own: a window whose elements lie apart reads
 * neighbours there, so that all that is known of windows without dilation holds.
 */
import { placeholder, type Tensor } from "../te/compute.ts";
import { add, type Expr, type Indexable, load, mul, transform, variable } from "../te/expr.ts";
import { isPointwise, loads, variables } from "../te/analyze.ts";
import { coefficient, linear } from "../te/linear.ts";
import { mapBuffers } from "../tir/remap.ts";
import { type Buffer, type Kernel, memoryOf, seq, type Stmt } from "../tir/stmt.ts";
import { plainStage, refuse, type Stage, stageOf, type State, type Workload } from "./state.ts";

/**
 *     for ow < 27: y[ow] = f(Σ kw < 3: x[ow + 2·kw]·w[kw])
 *   →
 *     for ow < 14: y[2·ow] = f(Σ kw < 3: x[2·(ow + kw)]·w[kw])
 *     for ow < 13: y[2·ow + 1] = f(Σ kw < 3: x[2·(ow + kw) + 1]·w[kw])
 */
export interface PhasesStep {
  readonly do: "phases";
  /** A reduction whose reader is the output. */
  readonly stage: string;
  /** Its axis, and how far apart outputs of one program are. */
  readonly axis: string;
  readonly by: number;
}

const FITS = "divide first, a reduction and the output that reads it";

/** What a state knows of the phases that its stages are the first one of. */
export interface Phases {
  /** Axis of the output that is divided, and how far apart outputs of a phase are. */
  readonly axis: number;
  readonly by: number;
  /** The output of all phases, and that of each. */
  readonly whole: Tensor;
  readonly parts: readonly Tensor[];
  /** The same stages of the phases behind the first. */
  readonly others: readonly State[];
}

const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);

/** Phases in which the last axis of a window reads neighbours; null where it does so already. */
export function phasesOf({ compute: { axes, body, out } }: Stage): Omit<PhasesStep, "do"> | null {
  if (body.k !== "reduce") return null;
  const indices = loads(body.body).flatMap((l) => l.idx);
  for (const tap of body.axes.filter((a) => a.extent > 1).reverse()) {
    for (const index of indices) {
      const found = variables(index), l = linear(index);
      const moving = axes.filter((v) => found.has(v));
      // An axis that is summed whole is none of a window.
      if (!found.has(tap.v) || moving.length !== 1) continue;
      const [apart, step] = [coefficient(l, tap.v), coefficient(l, moving[0])];
      if (!apart || !step || apart < 0 || step < 0) continue;
      const by = apart / gcd(step, apart);
      if (by < 2 || out.shape[axes.indexOf(moving[0])] < by) return null;
      return { stage: out.name, axis: moving[0].name, by };
    }
  }
  return null;
}

/** Divides the stages of a reduction and its reader into phases. */
export function phases(s: State, step: PhasesStep): State {
  const r = stageOf(s, step.stage), out = s.stages.at(-1)!, { by } = step;
  const axis = r.compute.axes.findIndex((v) => v.name === step.axis);
  const extent = r.compute.out.shape[axis];
  const reads = loads(out.compute.body).filter((l) => l.src === r.compute.out);
  const fits = s.stages.length === 2 && s.stages[0] === r && r !== out && axis >= 0 && by > 1 &&
    by <= extent && reads.every((l) => isPointwise(l, out.compute)) && !s.groups && !s.phases &&
    s.stages.every((x) => !x.at && x.loops.every((l) => l.domain.d === "axis"));
  if (!fits) {
    refuse(
      `divide ${step.stage} into phases`,
      "its reader is not the output, or loops are changed already",
      FITS,
    );
  }
  const parts = Array.from({ length: by }, (_, phase) => {
    const size = Math.ceil((extent - phase) / by);
    const part = (t: Tensor): Tensor =>
      placeholder(t.name, t.dtype, t.shape.map((n, i) => i === axis ? size : n));
    const inner = part(r.compute.out);
    const divided = ({ compute }: Stage, of: Tensor): Stage => {
      const old = compute.axes[axis], v = variable(old.name, "int32", [0, size - 1]);
      const moved = (e: Expr): Expr => transform(e, replaced);
      const replaced = (e: Expr): Expr | undefined => {
        if (e === old) return add(mul(v, by), phase);
        if (e.k !== "load" || e.src !== r.compute.out) return undefined;
        return load(inner, e.idx.map((x, d) => d === axis ? v : moved(x)));
      };
      const axes = compute.axes.map((x) => x === old ? v : x);
      return plainStage({ ...compute, axes, out: of, body: moved(compute.body) });
    };
    const own = part(out.compute.out);
    return { own, state: { stages: [divided(r, inner), divided(out, own)], consts: s.consts } };
  });
  const [first, ...others] = parts.map((p): State => p.state);
  const whole = out.compute.out;
  return { ...first, phases: { axis, by, whole, parts: parts.map((p) => p.own), others } };
}

/** The workload of one phase: its output is a part of the whole's memory. */
export function phaseWorkload(
  w: Workload,
  { axis, by, whole, parts }: Phases,
  phase: number,
): Workload {
  const memory = (b: Buffer): Buffer => ({
    ...b,
    shape: parts[phase].shape,
    strides: b.strides.map((n, i) => i === axis ? n * by : n),
    offset: b.offset + phase * b.strides[axis],
  });
  const buffers = [...w.buffers].map(([t, b]): [Indexable, Buffer] =>
    t === whole ? [parts[phase], memory(b)] : [t, b]
  );
  return { ...w, buffers: new Map(buffers) };
}

/** The programs of all phases one after the other, in the same scratch memory. */
export function joinPhases(w: Workload, p: Phases, kernels: readonly Kernel[]): Kernel {
  const output = w.buffers.get(p.whole)!, name = memoryOf(output);
  const given = new Set([...w.buffers.values()].map(memoryOf));
  const scratch = new Map<string, Buffer>(), params = new Map<string, Buffer>();
  for (const k of kernels) {
    for (const b of k.buffers.filter((x) => !given.has(memoryOf(x)))) {
      const known = scratch.get(memoryOf(b));
      if (!known || known.length < b.length) scratch.set(memoryOf(b), b);
    }
    for (const b of k.params) {
      const known = params.get(memoryOf(b));
      if (known && String(known.data?.data) !== String(b.data?.data)) {
        refuse(`join the phases of ${w.name}`, `each has another ${b.name}`, FITS);
      }
      params.set(memoryOf(b), known ?? b);
    }
  }
  const bodies = kernels.map(({ body }, phase): Stmt => {
    const moved = (b: Buffer, idx: readonly Expr[]) =>
      memoryOf(b) === name
        ? { buf: output, idx: idx.map((e, d) => d === p.axis ? add(mul(e, p.by), phase) : e) }
        : { buf: b, idx };
    return mapBuffers(body, moved);
  });
  return {
    ...kernels[0],
    buffers: [...w.buffers.values(), ...scratch.values()],
    params: [...params.values()],
    body: seq(...bodies),
  };
}
