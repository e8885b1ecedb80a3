/** Running nodes and graphs on the interpreter of definitions: constant folding, reference runs. */
import { BurinError, invariant } from "../util/errors.ts";
import { sizeOf, type TensorData } from "../util/tensor.ts";
import { type Compute, placeholder, type Tensor } from "../te/compute.ts";
import { visit } from "../te/expr.ts";
import { evaluate } from "../te/interp.ts";
import { Builder } from "./build.ts";
import {
  dims,
  type Graph,
  type Node,
  type TensorType,
  typeOf,
  typeText,
  type Value,
} from "./graph.ts";
import { runKernel } from "./kernel.ts";
import type { OpDef } from "./opdef.ts";

/** Steps of inner loops that folding may still take; shared by all nodes of an import. */
export interface Budget {
  steps: number;
}

/** About a tenth of a second, and at most 64 MB of results. */
export const foldBudget = (): Budget => ({ steps: 1 << 23 });

/** A node before it is part of a graph. */
export interface Application {
  // deno-lint-ignore no-explicit-any
  readonly op: OpDef<any>;
  readonly attrs: unknown;
  readonly ins: readonly (Value | null)[];
  readonly outs: readonly TensorType[];
}

/**
 * The outputs of a node that depends on no run-time value, or null: because it does, because the
 * operator has no meaning that can be evaluated here, or because the budget does not suffice. An
 * input that the definition never loads (Shape) does not count. The definition is made in any case,
 * so an operator that it does not fit throws here.
 */
export function constantOutputs(n: Application, budget: Budget): TensorData[] | null {
  const body = n.op.body;
  const known = n.ins.every((v) => v === null || v.data);
  switch (body.kind) {
    case "compute":
      return foldCompute(n, budget);
    case "kernel":
      if (!known || !charge(budget, n.outs)) return null;
      return runKernel(body, n.attrs, n.ins.map((v) => v?.data ?? null), n.outs);
    case "extern":
      if (!known || !charge(budget, n.outs)) return null;
      return body.reference(n.attrs, n.ins.map((v) => v?.data ?? null));
    case "expand":
      if (known) return foldExpansion(n, budget);
      checkExpansion(n);
      return null;
    case "scan":
      return null;
  }
}

function foldCompute(n: Application, budget: Budget): TensorData[] | null {
  const body = n.op.body;
  if (body.kind !== "compute") return null;
  const unknown = n.ins.some((v) => v !== null && !v.data);
  const { stages, inputs } = instantiate(n);
  if (unknown) {
    const open = new Set<unknown>();
    n.ins.forEach((v, i) => v && !v.data && open.add(inputs[i]));
    if (stages.some((s) => loadsAny(s, open))) return null;
  }
  const steps = stages.reduce((sum, s) => sum + stepsOf(s), 0);
  if (steps > budget.steps) return null;
  budget.steps -= steps;
  return runStages(n, stages, inputs, n.ins.map((v) => v?.data ?? null));
}

function foldExpansion(n: Application, budget: Budget): TensorData[] | null {
  const body = n.op.body;
  if (body.kind !== "expand") return null;
  const b = new Builder();
  const outs = body.rewrite(n.attrs, n.ins, n.outs, b);
  const known = new Map<Value, Value>();
  const get = (v: Value): Value => known.get(v) ?? v;
  for (const inner of b.nodes) {
    const ins = inner.ins.map((v) => v && get(v));
    const data = constantOutputs({ ...inner, ins, outs: inner.outs.map((v) => v.type) }, budget);
    if (!data) return null;
    inner.outs.forEach((v, i) => known.set(v, { ...v, data: data[i] }));
  }
  const data = outs.map((v) => get(v).data);
  return data.every((d) => d !== undefined) ? data as TensorData[] : null;
}

/** Makes what a node expands to, and its definitions, for what they throw. */
function checkExpansion(n: Application): void {
  const { body } = n.op;
  if (body.kind === "compute") instantiate(n);
  if (body.kind !== "expand") return;
  const b = new Builder();
  body.rewrite(n.attrs, n.ins, n.outs, b);
  for (const inner of b.nodes) {
    checkExpansion({ ...inner, outs: inner.outs.map((v) => v.type) });
  }
}

function charge(budget: Budget, outs: readonly TensorType[]): boolean {
  const steps = outs.reduce((sum, t) => sum + sizeOf(dims(t)), 0);
  if (steps > budget.steps) return false;
  budget.steps -= steps;
  return true;
}

/** How often a stage's body is evaluated. */
export const stepsOf = (s: Compute): number =>
  sizeOf(s.out.shape) *
  (s.body.k === "reduce" ? s.body.axes.reduce((product, a) => product * a.extent, 1) : 1);

function loadsAny(s: Compute, tensors: ReadonlySet<unknown>): boolean {
  let found = false;
  visit(s.body, (e) => {
    if (e.k === "load" && tensors.has(e.src)) found = true;
  });
  return found;
}

interface Definition {
  readonly stages: readonly Compute[];
  readonly inputs: readonly (Tensor | null)[];
}

function instantiate(n: Application): Definition {
  const body = n.op.body;
  invariant(body.kind === "compute", `${n.op.name} has no definition`);
  const inputs = n.ins.map((v, i) => v && placeholder(`x${i}`, v.type.dtype, dims(v.type)));
  return { stages: body.define(n.attrs, inputs, n.outs), inputs };
}

function runStages(
  n: Application,
  stages: readonly Compute[],
  inputs: readonly (Tensor | null)[],
  data: readonly (TensorData | null)[],
): TensorData[] {
  const given = new Map<Tensor, TensorData>();
  inputs.forEach((t, i) => {
    const d = data[i];
    if (t && d) given.set(t, d);
  });
  const results = evaluate(stages, given);
  return stages.slice(stages.length - n.outs.length).map((s) => results.get(s.out)!);
}

/**
 * Evaluates one operator.
 *
 * @param ins data of the inputs, null where an optional one is left out
 */
export function evaluateNode<A>(
  op: OpDef<A>,
  attrs: A,
  ins: readonly (TensorData | null)[],
): TensorData[] {
  const values = ins.map((data, i): Value | null =>
    data && { name: `x${i}`, type: typeOf(data), data }
  );
  const outs = op.infer(attrs, values.map((v) => v?.type ?? null), (i) => ins[i] ?? undefined);
  return apply({ op, attrs, ins: values, outs }, ins);
}

function apply(n: Application, ins: readonly (TensorData | null)[]): TensorData[] {
  const body = n.op.body;
  switch (body.kind) {
    case "compute": {
      const { stages, inputs } = instantiate(n);
      return runStages(n, stages, inputs, ins);
    }
    case "kernel":
      return runKernel(body, n.attrs, ins, n.outs);
    case "extern":
      return body.reference(n.attrs, ins);
    case "expand": {
      const b = new Builder();
      const outs = body.rewrite(n.attrs, n.ins, n.outs, b);
      const env = new Map<Value, TensorData>();
      n.ins.forEach((v, i) => {
        const d = ins[i];
        if (v && d) env.set(v, d);
      });
      runNodes(b.nodes, env);
      return outs.map((v) => read(env, v));
    }
    case "scan":
      throw new BurinError(
        "internal/no-evaluation",
        `Cannot evaluate ${n.op.name} as it repeats a graph`,
        "please report this with the model",
      );
  }
}

function read(env: ReadonlyMap<Value, TensorData>, v: Value): TensorData {
  const data = v.data ?? env.get(v);
  invariant(data, `the value '${v.name}' is read before it is computed`);
  return data;
}

function runNodes(nodes: readonly Node[], env: Map<Value, TensorData>): void {
  for (const n of nodes) {
    const outs = apply(
      { ...n, outs: n.outs.map((v) => v.type) },
      n.ins.map((v) => v && read(env, v)),
    );
    n.outs.forEach((v, i) => env.set(v, outs[i]));
  }
}

/**
 * Runs a whole graph on the interpreter: slow and exact, the reference for what later stages make
 * of it.
 *
 * @param inputs data of the graph's inputs, in their order
 * @returns data of the graph's outputs, in their order
 * @throws BurinError `data/wrong-input` where an input does not fit
 */
export function evaluateGraph(g: Graph, inputs: readonly TensorData[]): TensorData[] {
  if (inputs.length !== g.inputs.length) {
    throw new BurinError(
      "data/wrong-input",
      `Cannot run the graph '${g.name}' on ${inputs.length} tensors as it has ${g.inputs.length} inputs`,
    );
  }
  const env = new Map<Value, TensorData>();
  g.inputs.forEach((v, i) => {
    const given = typeText(typeOf(inputs[i])), wanted = typeText(v.type);
    if (given !== wanted) {
      throw new BurinError(
        "data/wrong-input",
        `Cannot use ${given} for the input '${v.name}' as it is ${wanted}`,
      );
    }
    env.set(v, inputs[i]);
  });
  runNodes(g.nodes, env);
  return g.outputs.map((v) => read(env, v));
}
