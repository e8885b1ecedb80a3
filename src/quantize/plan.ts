/** Which tensors of a float model are quantised, and which of them share their parameters. */
import type { PostTraining, WeightRole } from "../ir/post_training.ts";
import type { EditableModel, EditableNode } from "../onnx/editable.ts";
import type { TensorType } from "../ir/graph.ts";
import { BurinError } from "../util/errors.ts";
import { sizeOf } from "../util/tensor.ts";
import { attributesOf, isPlain, roleOf } from "./operators.ts";
import { readersOf } from "./prepare.ts";

/** A layer with constant weights. */
export interface Layer {
  readonly node: EditableNode;
  /** What its operator does with the weight. */
  readonly role: WeightRole;
  /** Name for tables: the node's, or its output's. */
  readonly name: string;
  readonly input: string;
  readonly weight: string;
  /** Axis of the weight that has a scale per index. */
  readonly weightAxis: number;
  /** The node that adds the bias and which of its inputs that is; null where there is none. */
  readonly bias: { readonly node: EditableNode; readonly input: number } | null;
  /** The result, its bias included. */
  readonly output: string;
  /** The clamp that is rounded together with it; null without one. */
  readonly clamp: EditableNode | null;
}

/** The name of a node in tables; the first output's where it has none. */
export const nameOf = (n: EditableNode | undefined): string => n ? n.name || n.outputs[0] : "";

/** Names of a layer's nodes: what adds its bias and what clamps it belong to it. */
export const layerNodes = (l: Layer): string[] =>
  [l.node, l.bias?.node, l.clamp ?? undefined].flatMap((n) => n ? [nameOf(n)] : []);

/** What is quantised. */
export interface QuantPlan {
  /** Float activations that get a QuantizeLinear, in graph order. */
  readonly tensors: readonly string[];
  /** The tensor that decides the parameters of each, itself in most cases. */
  readonly leader: ReadonlyMap<string, string>;
  /** Fixed ranges by leader. */
  readonly fixed: ReadonlyMap<string, readonly [low: number, high: number]>;
  readonly layers: readonly Layer[];
  /** Constant operands of element-wise nodes, quantised as a whole. */
  readonly operands: readonly string[];
  /** Nodes whose data inputs and outputs are quantised. */
  readonly nodes: ReadonlySet<EditableNode>;
  /** Nodes that stay float, for the report. */
  readonly floatNodes: readonly EditableNode[];
}

/**
 * Decides what is quantised.
 *
 * @param types of the tensors that are computed at run time, by name
 * @param excluded names of nodes that are to stay float
 * @throws BurinError `model/nothing-to-quantize`, `usage/unknown-node`
 */
export function planQuantisation(
  model: EditableModel,
  types: ReadonlyMap<string, TensorType>,
  excluded: readonly string[] = [],
): QuantPlan {
  checkNames(model, excluded);
  const readers = readersOf(model);
  const isFloat = (name: string) => types.get(name)?.dtype === "float32";
  const only = (name: string): EditableNode | null => {
    const users = readers.get(name) ?? [];
    return users.length === 1 && !model.outputs.includes(name) ? users[0] : null;
  };
  const layers: Layer[] = [], nodes = new Set<EditableNode>(), inside = new Set<string>();
  const floatNodes: EditableNode[] = [], operands = new Set<string>();
  for (const n of model.nodes) {
    if (nodes.has(n)) continue;
    const role = excluded.includes(nameOf(n)) ? {} : roleOf(n);
    if (!role.range || !isFloat(n.outputs[0]) || !dataInputs(n, role).some(isFloat)) {
      if (n.outputs.some(isFloat)) floatNodes.push(n);
      continue;
    }
    if (role.weight && model.isConstant(n.inputs[1])) {
      const layer = layerOf(model, n, role.weight, only);
      if (layer === null) {
        floatNodes.push(n);
        continue;
      }
      layers.push(layer);
      nodes.add(n).add(layer.bias?.node ?? n);
      if (layer.output !== n.outputs[0]) inside.add(n.outputs[0]);
      if (layer.clamp) {
        nodes.add(layer.clamp);
        inside.add(layer.output);
      }
      continue;
    }
    if (role.weight && !role.weight.computed) {
      floatNodes.push(n);
      continue;
    }
    nodes.add(n);
    for (const name of dataInputs(n, role)) if (model.isConstant(name)) operands.add(name);
    const next = only(n.outputs[0]);
    if (role.takesClamp && next && roleOf(next).clamp && next.inputs[0] === n.outputs[0]) {
      nodes.add(next);
      inside.add(n.outputs[0]);
    }
  }
  if (layers.length === 0) {
    throw new BurinError(
      "model/nothing-to-quantize",
      "Cannot quantise the model as it has no convolution, Gemm or MatMul with constant weights",
      "compile the float model as it is",
    );
  }
  for (const n of unanchored(model, nodes)) nodes.delete(n);
  const tensors = touched(model, nodes, (name) => isFloat(name) && !inside.has(name));
  return {
    tensors,
    ...shareParameters(model, nodes, tensors),
    layers,
    operands: [...operands],
    nodes,
    floatNodes,
  };
}

function checkNames(model: EditableModel, excluded: readonly string[]): void {
  const unknown = excluded.find((name) => !model.nodes.some((n) => nameOf(n) === name));
  if (unknown === undefined) return;
  throw new BurinError(
    "usage/unknown-node",
    `Cannot leave ${unknown} in float as the model has no node of that name`,
    "the report of `quantize` names the layers",
  );
}

/** The inputs that carry data; the others are shapes, axes and bounds. */
function dataInputs(n: EditableNode, role: PostTraining): string[] {
  return role.range === "shared" ? n.inputs : n.inputs.slice(0, role.operands ?? 1);
}

function layerOf(
  model: EditableModel,
  n: EditableNode,
  role: WeightRole,
  only: (name: string) => EditableNode | null,
): Layer | null {
  const weight = model.constant(n.inputs[1])!;
  if (weight.dtype !== "float32" || model.isConstant(n.inputs[0])) return null;
  const axis = role.channelAxis(attributesOf(n), weight.shape.length);
  const product = role.reads === "windows" || weight.shape.length === 2;
  if (!product || !isPlain(n, role)) return null;
  const channels = weight.shape[axis];
  const vector = (name: string | undefined) => {
    const t = name ? model.constant(name) : undefined;
    return t?.dtype === "float32" && sizeOf(t.shape) === channels &&
      t.shape.at(-1) === channels;
  };
  let bias: Layer["bias"] = null, output = n.outputs[0];
  if (role.bias !== null && n.inputs[role.bias]) {
    if (!vector(n.inputs[role.bias])) return null;
    bias = { node: n, input: role.bias };
  } else if (role.bias === null) {
    const add = only(output);
    const input = add && roleOf(add).sums ? add.inputs.findIndex(vector) : -1;
    if (add && input >= 0) {
      bias = { node: add, input };
      output = add.outputs[0];
    }
  }
  const next = only(output);
  const clamp = next && roleOf(next).clamp && next.inputs[0] === output ? next : null;
  const name = nameOf(n);
  return {
    node: n,
    role,
    name,
    input: n.inputs[0],
    weight: n.inputs[1],
    weightAxis: axis,
    bias,
    output,
    clamp,
  };
}

/** Nodes that only move elements and touch no quantised computation: integers gain nothing there. */
function unanchored(model: EditableModel, nodes: ReadonlySet<EditableNode>): EditableNode[] {
  const moving = (n: EditableNode) => ["same", "shared"].some((range) => range === roleOf(n).range);
  const open = new Set([...nodes].filter(moving));
  const names = (n: EditableNode) => [...n.inputs, ...n.outputs];
  const held = new Set([...nodes].filter((n) => !moving(n)).flatMap(names));
  for (let before = -1; before !== open.size;) {
    before = open.size;
    for (const n of model.nodes.filter((m) => open.has(m))) {
      if (!names(n).some((name) => held.has(name) && !model.isConstant(name))) continue;
      open.delete(n);
      for (const name of names(n)) held.add(name);
    }
  }
  return [...open];
}

/** The tensors at the borders of the quantised nodes, in the order in which they are computed. */
function touched(
  model: EditableModel,
  nodes: ReadonlySet<EditableNode>,
  wanted: (name: string) => boolean,
): string[] {
  const at = new Set<string>();
  const reads = new Set([...nodes].flatMap((n) => n.inputs));
  for (const name of model.inputs) if (reads.has(name) && wanted(name)) at.add(name);
  for (const n of model.nodes) {
    for (const name of n.outputs) {
      if ((nodes.has(n) || reads.has(name)) && wanted(name)) at.add(name);
    }
  }
  return [...at];
}

/** Joins tensors that move or merge into one another; a fixed range holds where nothing joined. */
function shareParameters(
  model: EditableModel,
  nodes: ReadonlySet<EditableNode>,
  tensors: readonly string[],
): Pick<QuantPlan, "leader" | "fixed"> {
  const parent = new Map(tensors.map((t) => [t, t]));
  const find = (t: string): string => {
    const p = parent.get(t)!;
    return p === t ? t : find(p);
  };
  const join = (names: readonly string[]) => {
    const known = names.filter((t) => parent.has(t)).map(find);
    for (const t of known.slice(1)) parent.set(find(t), find(known[0]));
  };
  const fixed = new Map<string, readonly [number, number]>();
  for (const n of model.nodes) {
    if (!nodes.has(n)) continue;
    const { range } = roleOf(n);
    if (range === "same") join([n.inputs[0], ...n.outputs]);
    if (range === "shared") join([...n.inputs, ...n.outputs]);
    if (typeof range === "object") fixed.set(n.outputs[0], [range.low, range.high]);
  }
  const leader = new Map(tensors.map((t) => [t, find(t)]));
  const members = (t: string) => tensors.filter((u) => leader.get(u) === leader.get(t)).length;
  const alone = [...fixed].filter(([t]) => parent.has(t) && members(t) === 1);
  return { leader, fixed: new Map(alone) };
}
