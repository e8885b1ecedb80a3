/**
 * The state that schedule steps transform: stages, each with its loops. A loop ranges over an axis
 * of the stage's definition, or over a part or a product of other loops.
 */
import type { TensorData } from "../util/tensor.ts";
import { BurinError } from "../util/errors.ts";
import type { Compute, Tensor } from "../te/compute.ts";
import type { Expr, Indexable, Var } from "../te/expr.ts";
import type { Buffer } from "../tir/stmt.ts";
import type { Groups } from "./groups.ts";
import type { Phases } from "./phases.ts";
import type { TensorIntrin } from "../tir/intrinsics.ts";

/** What a kernel computes, before any decision on how. */
export interface Workload {
  readonly name: string;
  /** Stages in order; the last is the output. Names of stages are the names of their tensors. */
  readonly computes: readonly Compute[];
  /** Memory of the inputs and of the output. */
  readonly buffers: ReadonlyMap<Indexable, Buffer>;
  readonly consts: ReadonlyMap<Indexable, TensorData>;
  readonly origin: readonly string[];
  readonly ops: readonly string[];
  readonly macs: number;
}

/** What to do with the iterations that a split's factor does not divide. */
export type Tail =
  /** There are none: refused otherwise. */
  | "exact"
  /** A test in the inner loop. */
  | "guard"
  /** A second, shorter loop nest behind the first. */
  | "cut";

export interface Split {
  readonly of: Loop;
  readonly factor: number;
  readonly tail: Tail;
}
export type Domain =
  | { readonly d: "axis"; readonly v: Var }
  | { readonly d: "fuse"; readonly parts: readonly Loop[] }
  | { readonly d: "outer" | "inner"; readonly split: Split };

/**
 * Intrinsics that take the place of a whole nest: `dot_block` of k, row and col; `window` of the taps
 * of a window and the channels that they are summed in; `plane` of rows and columns of one channel's
 * output and the taps of its window; `sum` of a run of floats and the channels that they are summed in;
 * `product` of rows and columns of an output, with the sums that are computed inside of them, `lanes`
 * of windows within channels likewise; `copies` of bytes; `bytes` of an output computed from bytes; `map`
 * of all outputs of a channel with what is summed for each of them; `gather` of the rows and columns of
 * one channel's copy; `spread` of the runs that go to an interleaved row; `pool` of the taps of a window
 * of bytes and four channels.
 */
export type BlockName =
  | "dot_block"
  | "window"
  | "plane"
  | "sum"
  | "product"
  | "lanes"
  | "patches"
  | "copies"
  | "bytes"
  | "map"
  | "gather"
  | "pool"
  | "spread"
  | "winograd";

export interface Loop {
  readonly name: string;
  readonly domain: Domain;
  readonly reduce: boolean;
  readonly unroll: boolean;
  readonly intrinsic: TensorIntrin | null;
  /** This loop and those inside it become one call of a block intrinsic. */
  readonly block: BlockName | null;
  /**
   * All turns of this loop become one call that reads one stream of constants, where they can; of a
   * text for this form alone, or of one that all such loops share.
   */
  readonly columns: "own" | "shared" | null;
  /** A stage inside whose conditions are tested once for a whole iteration. */
  readonly specialize: string | null;
}

/** Where a stage is computed: on its own, or inside a loop of a stage that reads it. */
export interface Attach {
  readonly stage: string;
  readonly loop: string;
}

/** A rows stage lies in memory as rows of `pitch` elements; what follows the data is zero. */
export interface Rows {
  /** The same memory as [rows, pitch]. */
  readonly flat: Tensor;
  readonly pitch: number;
  readonly length: number;
  /** Rows that lie interleaved: how many, and where an element goes, in terms of the stage's axes. */
  readonly tiles: { readonly rows: number; readonly at: readonly Expr[] } | null;
}

export interface Stage {
  readonly name: string;
  readonly compute: Compute;
  /** Outermost first. */
  readonly loops: readonly Loop[];
  readonly at: Attach | null;
  readonly rows: Rows | null;
  /** Elements to a multiple of which rows along the innermost axis are spaced in memory. */
  readonly spacing: number;
  /** What is left of its borders stays as it is: they are filled once, before everything else. */
  readonly once: boolean;
  /** A rows stage that is read where its elements come from. */
  readonly direct: boolean;
  /** Elements behind the last that vectors read and leave. */
  readonly behind: number;
}

export interface State {
  /** The reduction whose output's only row becomes one call. */
  readonly windowRow?: string;
  /** Constants that fit are stored in fewer bits, and unpacked inside so many loops. */
  readonly compact?: number;
  /** Absent where the stages are all there is. */
  readonly groups?: Groups;
  readonly phases?: Phases;
  readonly stages: readonly Stage[];
  readonly consts: ReadonlyMap<Indexable, TensorData>;
}

/** A step that does not fit the state. */
export function refuse(step: string, why: string, fits: string): never {
  throw new BurinError("model/schedule-step", `Cannot ${step} as ${why}`, fits);
}

const axisLoop = (v: Var, reduce: boolean): Loop => ({
  name: v.name,
  domain: { d: "axis", v },
  reduce,
  unroll: false,
  intrinsic: null,
  block: null,
  columns: null,
  specialize: null,
});

/** A stage with one loop an axis, in the order of the definition. */
export function plainStage(compute: Compute): Stage {
  const reduceAxes = compute.body.k === "reduce" ? compute.body.axes.map((a) => a.v) : [];
  return {
    name: compute.out.name,
    compute,
    loops: [
      ...compute.axes.map((v) => axisLoop(v, false)),
      ...reduceAxes.map((v) => axisLoop(v, true)),
    ],
    at: null,
    rows: null,
    spacing: 1,
    once: false,
    direct: false,
    behind: 0,
  };
}

/** Every stage on its own, one loop an axis. */
export const initialState = (w: Workload): State => ({
  stages: w.computes.map(plainStage),
  consts: w.consts,
});

export function stageOf(s: State, name: string): Stage {
  const stage = s.stages.find((x) => x.name === name);
  if (!stage) {
    refuse(
      `find stage '${name}'`,
      "there is none",
      `stages: ${s.stages.map((x) => x.name).join(", ")}`,
    );
  }
  return stage;
}

export function loopOf(stage: Stage, name: string): Loop {
  const loop = stage.loops.find((l) => l.name === name);
  if (!loop) {
    refuse(
      `find loop '${name}' of ${stage.name}`,
      "there is none",
      `its loops: ${stage.loops.map((l) => l.name).join(", ")}`,
    );
  }
  return loop;
}

/** The state with one stage replaced (or dropped, or several in its place). */
export const replaceStage = (s: State, name: string, ...by: Stage[]): State => ({
  ...s,
  stages: s.stages.flatMap((x) => x.name === name ? by : [x]),
});
