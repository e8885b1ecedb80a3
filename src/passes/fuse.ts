/**
 * Which nodes become one kernel: a reduction takes the element-wise nodes behind it, element-wise
 * nodes take each other, and one that only feeds a reduction which reads it about once joins that.
 */
import { bytesOf } from "../util/dtype.ts";
import { sizeOf } from "../util/tensor.ts";
import { type Compute, placeholder, type Tensor } from "../te/compute.ts";
import { isPointwise, loads } from "../te/analyze.ts";
import { consumers, dims, type Graph, type Node, type Value } from "../ir/graph.ts";

/** Nodes computed by one kernel, in order; the last one's outputs are the group's. */
export interface Group {
  readonly nodes: readonly Node[];
}

/** Values that a group reads from outside; constants included. */
export function groupInputs(g: Group): Value[] {
  const inside = new Set(g.nodes.flatMap((n) => n.outs));
  return [...new Set(g.nodes.flatMap((n) => n.ins))].filter((v): v is Value =>
    v !== null && !inside.has(v)
  );
}

/** What a node computes, with placeholders for its inputs; null where it has no definition. */
export function define(
  n: Node,
): { ins: readonly (Tensor | null)[]; stages: readonly Compute[] } | null {
  if (n.op.body.kind !== "compute") return null;
  const ins = n.ins.map((v) => v && placeholder(v.name, v.type.dtype, dims(v.type)));
  return { ins, stages: n.op.body.define(n.attrs, ins, n.outs.map((v) => v.type)) };
}

/** Whether a node is one definition that reads this input just where it writes. */
function pointwiseIn(n: Node, input: Value): boolean {
  const d = define(n);
  if (!d || d.stages.length !== 1 || d.stages[0].body.k === "reduce") return false;
  const [c] = d.stages;
  const sources = n.ins.flatMap((v, i) => v === input ? [d.ins[i]] : []);
  const uses = loads(c.body).filter((l) => sources.includes(l.src as Tensor));
  return uses.length > 0 && uses.every((l) => isPointwise(l, c));
}

/** Element accesses of a definition to an input, for each element of that input. */
function readsPerElement(n: Node, input: Value): number {
  const d = define(n);
  if (!d) return Infinity;
  const sources = n.ins.flatMap((v, i) => v === input ? [d.ins[i]] : []);
  let reads = 0;
  for (const c of d.stages) {
    const inner = c.body.k === "reduce" ? c.body.axes.reduce((p, a) => p * a.extent, 1) : 1;
    const uses = loads(c.body).filter((l) => sources.includes(l.src as Tensor)).length;
    reads += uses * inner * sizeOf(c.out.shape);
  }
  return reads / sizeOf(dims(input.type));
}

/** The most elements of an input that a definition reads for each that it makes. */
function readsPerMade(n: Node, input: Value): number {
  const d = define(n);
  if (!d) return Infinity;
  const sources = n.ins.flatMap((v, i) => v === input ? [d.ins[i]] : []);
  return Math.max(
    ...d.stages.map(({ body }) =>
      loads(body).filter((l) => sources.includes(l.src as Tensor)).length *
      (body.k === "reduce" ? body.axes.reduce((p, a) => p * a.extent, 1) : 1)
    ),
  );
}

/** How large a node's definition gets with those of `inside` put in the place of what it loads. */
function weightOf(n: Node, inside: ReadonlyMap<Value, number>): number {
  const d = define(n);
  if (!d) return 1;
  let weight = 1;
  for (const c of d.stages) {
    for (const l of loads(c.body)) {
      const i = d.ins.indexOf(l.src as Tensor);
      weight += 1 + (i < 0 ? 0 : inside.get(n.ins[i]!) ?? 0);
    }
  }
  return weight;
}

/**
 * How many loads one definition may grow to: a value that its reader loads twice is computed twice,
 * so that a chain of such readers doubles with every link.
 */
const WEIGHT = 256;

/** Whether the definitions of nodes, in order, stay small when each is put into its readers. */
function staysSmall(nodes: readonly Node[]): boolean {
  const weights = new Map<Value, number>();
  for (const n of nodes) {
    const weight = weightOf(n, weights);
    if (weight > WEIGHT) return false;
    // A reduction is computed once into memory of its own.
    n.outs.forEach((v) => weights.set(v, isElementwise(n) ? weight : 0));
  }
  return true;
}

const isElementwise = (n: Node): boolean => {
  const d = define(n);
  return d !== null && d.stages.length === 1 && d.stages[0].body.k !== "reduce";
};

/** How often a node fused in front of its reader may be computed over. */
const RECOMPUTE = 2;

/**
 * Elements that a reader may read for each that it makes, where what it reads would be wider than
 * what that is computed from.
 */
const TAPS = 4;

/** Whether a reader may compute what an element-wise node gives it, some of it several times. */
const mayCompute = (reader: Node, n: Node): boolean =>
  readsPerElement(reader, n.outs[0]) <= RECOMPUTE ||
  (widens(n) && readsPerMade(reader, n.outs[0]) <= TAPS);

/**
 * Groups the nodes that run. `free` nodes (views, placed concatenations) have no code.
 *
 * A group grows from its last node backwards: it takes the groups that only feed it and that it reads
 * point by point, at most one reduction among them (the one computed last, so that the inputs of the
 * others need not be kept). A node that makes elements wider waits for the reader that can take it,
 * so that the narrow tensor is the one that is stored.
 *
 * @param level 0 keeps every node on its own
 */
export function fuse(g: Graph, free: ReadonlySet<Node>, level: number): Group[] {
  const uses = consumers(g);
  const outputs = new Set(g.outputs);
  const position = new Map(g.nodes.map((n, i) => [n, i]));
  const groupOf = new Map<Value, Node[]>();
  const groups = new Set<Node[]>();

  const inOrder = (nodes: readonly Node[]): Node[] =>
    nodes.toSorted((a, b) => position.get(a)! - position.get(b)!);
  const reader = (v: Value): Node | null => {
    const readers = uses.get(v) ?? [];
    return readers.length === 1 && !outputs.has(v) && !free.has(readers[0]) ? readers[0] : null;
  };
  const isRead = (v: Value): boolean => outputs.has(v) || (uses.get(v) ?? []).length > 0;
  const waits = (n: Node): boolean => {
    const next = n.outs.length === 1 && widens(n) ? reader(n.outs[0]) : null;
    return next !== null && next.outs.length === 1 && isElementwise(n) &&
      (pointwiseIn(next, n.outs[0]) || mayCompute(next, n));
  };
  /** The groups that could join one that ends in `members`, the latest first. */
  const candidates = (members: readonly Node[]): { group: Node[]; value: Value; by: Node }[] => {
    const inside = new Set(members);
    return members.flatMap((by) =>
      [...new Set(by.ins)].flatMap((value) => {
        const group = value && groupOf.get(value);
        if (!value || !group || inside.has(group.at(-1)!) || reader(value) !== by) return [];
        // What else the group computes would be lost.
        if (group.at(-1)!.outs.some((v) => v !== value && isRead(v))) return [];
        return [{ group, value, by }];
      })
    ).sort((a, b) => position.get(b.group.at(-1)!)! - position.get(a.group.at(-1)!)!);
  };

  for (const n of g.nodes) {
    if (free.has(n)) continue;
    let members: Node[] = [n];
    const joins = ({ group, value, by }: { group: Node[]; value: Value; by: Node }): boolean =>
      group.every((m) => m.op.body.kind === "compute") && isElementwise(by)
        ? pointwiseIn(by, value) && !(hasReduction(members) && hasReduction(group))
        : group.every(isElementwise) &&
          (readsPerElement(by, value) <= RECOMPUTE ||
            group.length === 1 && mayCompute(by, group[0]));
    if (level >= 1 && n.outs.length === 1 && !waits(n)) {
      for (;;) {
        const next = candidates(members).find((c) =>
          joins(c) && staysSmall(inOrder([...c.group, ...members]))
        );
        if (!next) break;
        members = [...next.group, ...members];
        groups.delete(next.group);
      }
    }
    members = inOrder(members);
    groups.add(members);
    for (const m of members) m.outs.forEach((v) => groupOf.set(v, members));
  }
  // What has no elements needs no code.
  const hasElements = (v: Value): boolean => sizeOf(dims(v.type)) > 0;
  return [...groups].filter((nodes) => nodes.at(-1)!.outs.some(hasElements))
    .map((nodes) => ({ nodes }));
}

const hasReduction = (nodes: readonly Node[]): boolean => nodes.some((n) => !isElementwise(n));

/** Whether the output takes more memory than any input. */
function widens(n: Node): boolean {
  const size = (v: Value): number => sizeOf(dims(v.type)) * bytesOf(v.type.dtype);
  return n.ins.every((v) => v === null || v.data !== undefined || size(v) < size(n.outs[0]));
}
