/**
 * RNN, GRU and LSTM. The products with the inputs of all steps are one operator; a step computes its
 * gates from the state before it, and the state is a value like any other.
 */
import { sizeOf, zeros } from "../util/tensor.ts";
import { axis as reduceAxis, type Compute, compute, sum, type Tensor } from "../te/compute.ts";
import {
  add,
  clamp,
  div,
  type Expr,
  gt,
  imm,
  load,
  lt,
  max,
  min,
  mul,
  select,
  sub,
  un,
} from "../te/expr.ts";
import type { Builder } from "../ir/build.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { fn, onnx, operand } from "./common.ts";
import { concat } from "./concat.ts";
import { slice, transpose } from "./movement.ts";
import { reshape } from "./reshape.ts";

type Kind = "RNN" | "GRU" | "LSTM";
export const GATES: Readonly<Record<Kind, number>> = { RNN: 1, GRU: 3, LSTM: 4 };
const DEFAULTS: Readonly<Record<Kind, readonly string[]>> = {
  RNN: ["Tanh"],
  GRU: ["Sigmoid", "Tanh"],
  LSTM: ["Sigmoid", "Tanh", "Tanh"],
};

interface Activation {
  readonly name: string;
  readonly alpha: number;
  readonly beta: number;
}

/** The activations by their names in lower case: alpha and beta where they are not given, and what they are. */
const ACTIVATIONS: Readonly<
  Record<string, { alpha?: number; beta?: number; f: (x: Expr, a: Expr, b: Expr) => Expr }>
> = {
  sigmoid: { f: (x) => fn("sigmoid", x) },
  tanh: { f: (x) => fn("tanh", x) },
  relu: { f: (x) => max(x, imm(0, x.dtype)) },
  affine: { alpha: 1, beta: 0, f: (x, a, b) => add(mul(a, x), b) },
  leakyrelu: { alpha: 0.01, f: (x, a) => select(lt(x, imm(0, x.dtype)), mul(a, x), x) },
  thresholdedrelu: { alpha: 1, f: (x, a) => select(gt(x, a), x, imm(0, x.dtype)) },
  scaledtanh: { alpha: 1, beta: 1, f: (x, a, b) => mul(a, fn("tanh", mul(b, x))) },
  hardsigmoid: {
    alpha: 0.2,
    beta: 0.5,
    f: (x, a, b) => clamp(add(mul(a, x), b), imm(0, x.dtype), imm(1, x.dtype)),
  },
  elu: {
    alpha: 1,
    f: (x, a) => select(lt(x, imm(0, x.dtype)), mul(a, sub(fn("exp", x), imm(1, x.dtype))), x),
  },
  softsign: { f: (x) => div(x, add(imm(1, x.dtype), un("abs", x))) },
  softplus: { f: (x) => fn("log", add(fn("exp", x), imm(1, x.dtype))) },
};

/** What every step of one direction does. */
interface CellAttrs {
  readonly kind: Kind;
  readonly hidden: number;
  readonly activations: readonly Activation[];
  /** Bound of what goes into the activations; Infinity where there is none. */
  readonly clip: number;
  readonly inputForget: boolean;
  /** GRU: the reset gate comes behind the product. */
  readonly linearBeforeReset: boolean;
}

export interface RecurrentAttrs {
  readonly cells: readonly CellAttrs[];
  readonly direction: "forward" | "reverse" | "bidirectional";
  /** Batch first. */
  readonly batchFirst: boolean;
}

function readActivations(r: AttrReader, kind: Kind, directions: number): Activation[][] {
  const each = DEFAULTS[kind].length;
  const names = r.strings("activations", []);
  const alphas = [...r.floats("activation_alpha", [])],
    betas = [...r.floats("activation_beta", [])];
  return Array.from(
    { length: directions },
    (_, d) =>
      DEFAULTS[kind].map((standard, i): Activation => {
        const name = (names[d * each + i] ?? standard).toLowerCase();
        const known = ACTIVATIONS[name];
        if (!known) throw new OpError(`it has no activation '${names[d * each + i]}'`);
        return {
          name,
          alpha: known.alpha === undefined ? 0 : alphas.shift() ?? known.alpha,
          beta: known.beta === undefined ? 0 : betas.shift() ?? known.beta,
        };
      }),
  );
}

export const read = (kind: Kind) => (r: AttrReader): RecurrentAttrs => {
  const direction = r.string("direction", "forward") as RecurrentAttrs["direction"];
  if (!["forward", "reverse", "bidirectional"].includes(direction)) {
    throw new OpError(`it has no direction '${direction}'`);
  }
  const recurrence = r.type(2);
  if (!recurrence) throw new OpError("its recurrence weights are missing");
  const hidden = r.int("hidden_size", dims(recurrence).at(-1)!);
  const count = direction === "bidirectional" ? 2 : 1;
  const clip = r.float("clip", Infinity);
  const inputForget = kind === "LSTM" && r.int("input_forget", 0) !== 0;
  const linearBeforeReset = kind === "GRU" && r.int("linear_before_reset", 0) !== 0;
  return {
    cells: readActivations(r, kind, count).map((activations) => ({
      kind,
      hidden,
      activations,
      clip,
      inputForget,
      linearBeforeReset,
    })),
    direction,
    batchFirst: r.int("layout", 0) !== 0,
  };
};

/** x·W and the biases that do not meet the reset gate: [steps, batch, gates × hidden]. */
const inputProducts: OpDef<{ cell: CellAttrs; direction: number }> = {
  name: "RecurrentInput",
  onnx: [],
  infer({ cell }, [x]) {
    const [steps, batch] = dims(x!);
    return [{ dtype: x!.dtype, shape: [steps, batch, GATES[cell.kind] * cell.hidden] }];
  },
  body: {
    kind: "compute",
    define({ cell, direction: d }, [x, w, bias], [out]) {
      const shape = dims(out), k = reduceAxis("ci", x!.shape[2]), { hidden } = cell;
      const all = shape[2];
      return [compute("y", out.dtype, shape, (t, n, g) => {
        let init: Expr = imm(0, out.dtype);
        if (bias) {
          const mine = load(bias, [d, g]), theirs = load(bias, [d, add(g, all)]);
          init = cell.linearBeforeReset
            ? select(lt(g, 2 * hidden), add(mine, theirs), mine)
            : add(mine, theirs);
        }
        return sum([k], mul(load(x!, [t, n, k.v]), load(w!, [d, g, k.v])), { init });
      }, ["n", "oh", "co"])];
    },
  },
  cost: ({ cell }, { ins: [x] }) => ({ macs: sizeOf(dims(x!)) * GATES[cell.kind] * cell.hidden }),
};

interface StepAttrs {
  readonly cell: CellAttrs;
  readonly direction: number;
  readonly step: number;
}

function activate(a: Activation, x: Expr, clip: number): Expr {
  const within = Number.isFinite(clip) ? min(max(x, imm(-clip, x.dtype)), imm(clip, x.dtype)) : x;
  return ACTIVATIONS[a.name].f(within, imm(a.alpha, x.dtype), imm(a.beta, x.dtype));
}

type Ins = readonly (Tensor | null)[];

/**
 * One step: input products, recurrence weights, bias, peepholes, lengths, h, c, and h as the products
 * take it where that is another; outputs (c), h.
 */
function defineStep(a: StepAttrs, ins: Ins, outs: readonly TensorType[]): readonly Compute[] {
  const [xw, r, , , lengths, h] = ins;
  const { cell, direction: d, step } = a, { hidden, clip } = cell;
  const [, , batch] = dims(outs[0]), { dtype } = outs[0];
  const [f, g] = cell.activations;
  const names = ["n", "co"];
  /** Sums over the state before, for some gates. */
  const products = (
    name: string,
    from: number,
    to: number,
    init: (n: Expr, j: Expr) => Expr,
    state: (n: Expr, k: Expr) => Expr,
  ) =>
    compute(name, dtype, [batch, to - from], (n, j) => {
      const k = reduceAxis("ci", hidden);
      return sum([k], mul(state(n, k.v), load(r!, [d, add(j, from), k.v])), { init: init(n, j) });
    }, names);
  const before = (n: Expr, k: Expr): Expr => load(h!, [0, 0, n, k]);
  const multiplied = (n: Expr, k: Expr): Expr => load(ins[7] ?? h!, [0, 0, n, k]);
  const given = (from: number) => (n: Expr, j: Expr): Expr => load(xw!, [step, n, add(j, from)]);
  /** Sequences that have ended keep their state. */
  const kept = (n: Expr, fresh: Expr, old: Expr): Expr =>
    lengths ? select(gt(load(lengths, [n]), imm(step, lengths.dtype)), fresh, old) : fresh;
  const result = (name: string, e: (n: Expr, j: Expr) => Expr): Compute =>
    compute(name, dtype, dims(outs[0]), (_, __, n, j) => e(n, j), ["o0", "o1", "n", "co"]);

  if (cell.kind === "RNN") {
    const sums = products("gates", 0, hidden, given(0), before);
    return [
      sums,
      result("h", (n, j) => kept(n, activate(f, load(sums.out, [n, j]), clip), before(n, j))),
    ];
  }
  if (cell.kind === "GRU") return gru();
  return lstm();

  function gru(): Compute[] {
    const bias = ins[2];
    const sums = products("gates", 0, 2 * hidden, given(0), before);
    const gate = (n: Expr, j: Expr, at: number): Expr =>
      activate(f, load(sums.out, [n, add(j, at * hidden)]), clip);
    const reset = compute("reset", dtype, [batch, hidden], (n, j) => gate(n, j, 1), names);
    const inner = cell.linearBeforeReset
      ? products(
        "inner",
        2 * hidden,
        3 * hidden,
        (_, j) => bias ? load(bias, [d, add(j, 5 * hidden)]) : imm(0, dtype),
        before,
      )
      : products(
        "inner",
        2 * hidden,
        3 * hidden,
        given(2 * hidden),
        (n, k) => mul(load(reset.out, [n, k]), before(n, k)),
      );
    const value = (n: Expr, j: Expr): Expr => {
      const e = load(inner.out, [n, j]);
      return activate(
        g,
        cell.linearBeforeReset ? add(given(2 * hidden)(n, j), mul(load(reset.out, [n, j]), e)) : e,
        clip,
      );
    };
    const h2 = result("h", (n, j) => {
      const z = gate(n, j, 0), one = imm(1, dtype);
      return kept(n, add(mul(sub(one, z), value(n, j)), mul(z, before(n, j))), before(n, j));
    });
    return [sums, reset, inner, h2];
  }

  function lstm(): Compute[] {
    const peep = ins[3], c = ins[6]!, last = cell.activations[2];
    const sums = products("gates", 0, 4 * hidden, given(0), multiplied);
    const old = (n: Expr, j: Expr): Expr => load(c, [0, 0, n, j]);
    /** Gates lie in the order input, output, forget, cell; peepholes input, output, forget. */
    const gate = (n: Expr, j: Expr, at: number, state: Expr | null): Expr => {
      const e = load(sums.out, [n, add(j, at * hidden)]);
      return peep && state ? add(e, mul(load(peep, [d, add(j, at * hidden)]), state)) : e;
    };
    const fresh = result("c", (n, j) => {
      const i = activate(f, gate(n, j, 0, old(n, j)), clip);
      const forget = cell.inputForget
        ? sub(imm(1, dtype), i)
        : activate(f, gate(n, j, 2, old(n, j)), clip);
      const value = activate(g, gate(n, j, 3, null), clip);
      return kept(n, add(mul(forget, old(n, j)), mul(i, value)), old(n, j));
    });
    const h2 = result("h", (n, j) => {
      const state = load(fresh.out, [0, 0, n, j]);
      const o = activate(f, gate(n, j, 1, state), clip);
      return kept(
        n,
        mul(o, ACTIVATIONS[last.name].f(state, imm(last.alpha, dtype), imm(last.beta, dtype))),
        before(n, j),
      );
    });
    return [sums, fresh, h2];
  }
}

/** A step; the outputs c (LSTM alone) and h, [1, 1, batch, hidden]. */
const stepOp: OpDef<StepAttrs> = {
  name: "RecurrentStep",
  onnx: [],
  infer({ cell }, ins) {
    const [, batch] = dims(ins[0]!);
    const t: TensorType = { dtype: ins[0]!.dtype, shape: [1, 1, batch, cell.hidden] };
    return cell.kind === "LSTM" ? [t, t] : [t];
  },
  body: { kind: "compute", define: defineStep },
  cost: ({ cell }, { outs: [h] }) => ({
    macs: dims(h)[2] * GATES[cell.kind] * cell.hidden * cell.hidden,
  }),
};

/** What a sequence that has ended gives: 0. */
const masked: OpDef<{ step: number }> = {
  name: "RecurrentMask",
  onnx: [],
  infer: (_, [h]) => [h!],
  body: {
    kind: "compute",
    define: ({ step }, [h, lengths], [out]) => [
      compute("y", out.dtype, dims(out), (a, b, n, j) =>
        select(
          gt(load(lengths!, [n]), imm(step, lengths!.dtype)),
          load(h!, [a, b, n, j]),
          imm(0, out.dtype),
        )),
    ],
  },
};

/** Outputs of one direction: of every step in the order of time, and the last state. */
function direction(
  cell: CellAttrs,
  d: number,
  ins: readonly (Value | null)[],
  backwards: boolean,
  b: Builder,
  product?: (h: Value) => Value,
): { steps: Value[]; h: Value; c: Value | null } {
  const [x, w, r, bias, lengths, h0, c0, peep] = ins;
  const [steps, batch] = dims(x!.type);
  const [xw] = b.node(inputProducts, { cell, direction: d }, [x, w, bias]);
  const start = (v: Value | null | undefined): Value => {
    const shape = [1, 1, batch, cell.hidden];
    if (!v) return b.constant(zeros(x!.type.dtype, shape));
    const attrs = { starts: [d], ends: [d + 1], axes: [0], steps: null };
    const [mine] = b.node(slice, attrs, [v]);
    return b.node(reshape, { shape, allowZero: false }, [mine])[0];
  };
  let h = start(h0), c = cell.kind === "LSTM" ? start(c0) : null;
  const outs: Value[] = [];
  for (let i = 0; i < steps; i++) {
    const step = backwards ? steps - 1 - i : i;
    const state = c ? [h, c, ...product ? [product(h)] : []] : [h];
    const next = b.node(stepOp, { cell, direction: d, step }, [
      xw,
      r,
      bias ?? null,
      peep ?? null,
      lengths ?? null,
      ...state,
    ]);
    if (c) [c, h] = next;
    else [h] = next;
    outs.push(lengths ? b.node(masked, { step }, [h, lengths])[0] : h);
  }
  return { steps: backwards ? outs.reverse() : outs, h, c };
}

/**
 * Every step of every direction.
 * @param product what the recurrence weights meet in place of the state
 */
export function unrolled(
  { cells, direction: way, batchFirst }: RecurrentAttrs,
  ins: readonly (Value | null)[],
  b: Builder,
  product?: (h: Value) => Value,
): Value[] {
  const turned = (v: Value | null | undefined, perm: number[]): Value | null =>
    v && batchFirst ? b.node(transpose, { perm }, [v])[0] : v ?? null;
  const [x, w, r, bias, lengths, h0, c0, peep] = ins;
  const given = [
    turned(x, [1, 0, 2]),
    w,
    r,
    bias ?? null,
    lengths ?? null,
    turned(h0, [1, 0, 2]),
    turned(c0, [1, 0, 2]),
    peep ?? null,
  ];
  const ways = cells.map((cell, d) =>
    direction(cell, d, given, way === "reverse" || d === 1, b, product)
  );
  const joined = (values: readonly Value[], axis: number): Value =>
    values.length === 1 ? values[0] : b.node(concat, { axis }, values)[0];
  const all = joined(ways.map(({ steps }) => joined(steps, 0)), 1);
  const state = (values: readonly Value[]): Value => {
    const [one] = values, [, , batch, hidden] = dims(one.type);
    const v = b.node(reshape, { shape: [cells.length, batch, hidden], allowZero: false }, [
      joined(values, 0),
    ])[0];
    return turned(v, [1, 0, 2])!;
  };
  const outs = [turned(all, [2, 0, 1, 3])!, state(ways.map(({ h }) => h))];
  return cells[0].kind === "LSTM" ? [...outs, state(ways.map(({ c }) => c!))] : outs;
}

function recurrent(kind: Kind, since: number): OpDef<RecurrentAttrs> {
  return {
    name: kind,
    onnx: [onnx(kind, since, read(kind))],
    infer({ cells, batchFirst }, ins) {
      const x = operand(ins, 0, "float"), shape = dims(x);
      operand(ins, 1, "float");
      operand(ins, 2, "float");
      const [steps, batch] = batchFirst ? [shape[1], shape[0]] : shape;
      const n = cells.length, { hidden } = cells[0];
      const weights = dims(ins[1]!), want = [n, GATES[kind] * hidden, shape[2]];
      if (weights.join() !== want.join()) {
        throw new OpError(`its weights are [${weights}] where [${want}] belongs`);
      }
      const all = batchFirst ? [batch, steps, n, hidden] : [steps, n, batch, hidden];
      const last: TensorType = {
        dtype: x.dtype,
        shape: batchFirst ? [batch, n, hidden] : [n, batch, hidden],
      };
      return [{ dtype: x.dtype, shape: all }, last, ...kind === "LSTM" ? [last] : []];
    },
    body: {
      kind: "expand",
      rewrite: (a, ins, _, b) => unrolled(a, ins, b),
    },
  };
}

export const ops = [
  recurrent("RNN", 1),
  recurrent("GRU", 1),
  recurrent("LSTM", 1),
  inputProducts,
  stepOp,
  masked,
] as OpDef<unknown>[];
