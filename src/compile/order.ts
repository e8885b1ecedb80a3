/** The order of a model's steps: the one that keeps the fewest bytes alive, where it is smaller. */
import { bytesOf } from "../util/dtype.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { type Storage, storageBytes } from "../ir/storage.ts";
import { type OrderedMemory, orderTasks, type Task } from "../memory/order.ts";
import { canOverwrite } from "../tir/in_place.ts";
import { place, type Placement, type PlaceOptions, type Step } from "./place.ts";

/** What a step does to the memory of values. */
interface Access {
  readonly reads: ReadonlySet<Value>;
  /** Values that it writes, and the owners of their memory. */
  readonly values: ReadonlySet<Value>;
  readonly writes: ReadonlySet<Value>;
}

function accessOf({ kernel, values }: Step, owner: (v: Value) => Value): Access {
  const of = (scope: "input" | "output") =>
    values.filter((_, j) => kernel.buffers[j].scope === scope);
  return {
    reads: new Set(of("input").map(owner)),
    values: new Set(of("output")),
    writes: new Set(of("output").map(owner)),
  };
}

/** Steps that have to stay in their order: one writes what the other touches. */
function mustFollow(a: Access, b: Access): boolean {
  const shared = (x: ReadonlySet<Value>, y: ReadonlySet<Value>) => [...x].some((v) => y.has(v));
  // Different values in one memory are parts of it that nobody else writes.
  return shared(a.writes, b.reads) || shared(a.reads, b.writes) || shared(a.values, b.values);
}

/**
 * The steps in the order with the fewest live bytes; the same array where none has fewer.
 * @param inArena inputs and outputs take memory too
 */
export function orderSteps<S extends Step>(
  g: Graph,
  steps: readonly S[],
  storage: ReadonlyMap<Value, Storage>,
  { inArena }: { inArena: boolean },
): readonly S[] {
  const owner = (v: Value): Value => storage.get(v)!.owner;
  const outputs = new Set(g.outputs.map(owner)), inputs = new Set(g.inputs);
  const counted = (v: Value): boolean =>
    inArena || !(g.inputs.includes(v) || g.outputs.includes(v));
  const access = steps.map((s) => accessOf(s, owner));
  const memories: OrderedMemory[] = [];
  const numbers = new Map<Value, number>();
  for (const v of access.flatMap((a) => [...a.reads, ...a.writes])) {
    if (numbers.has(v) || !counted(v)) continue;
    const memory = { bytes: storageBytes(v), fromStart: inputs.has(v), toEnd: outputs.has(v) };
    numbers.set(v, memories.push(memory) - 1);
  }
  const tasks = steps.map((s, i): Task => {
    const touched = [...new Set([...access[i].reads, ...access[i].writes])];
    const scratch = s.kernel.buffers.slice(s.values.length)
      .reduce((sum, b) => sum + b.length * bytesOf(b.dtype), 0);
    const over = overOf(s, owner, numbers);
    return {
      after: access.flatMap((a, j) => j < i && mustFollow(a, access[i]) ? [j] : []),
      touches: touched.flatMap((v) => numbers.has(v) ? [numbers.get(v)!] : []),
      scratch,
      ...(over && { over }),
    };
  });
  const { order } = orderTasks(tasks, memories);
  return order.every((t, i) => t === i) ? steps : order.map((t) => steps[t]);
}

/** An output that may take over an input's memory, as the placement does it. */
function overOf(
  { kernel, values }: Step,
  owner: (v: Value) => Value,
  numbers: ReadonlyMap<Value, number>,
): Task["over"] {
  const outs = values.flatMap((_, j) => kernel.buffers[j].scope === "output" ? [j] : []);
  if (outs.length !== 1) return undefined;
  const output = numbers.get(owner(values[outs[0]]));
  const k = values.findIndex((v, j) =>
    kernel.buffers[j].scope === "input" && numbers.has(owner(v)) &&
    canOverwrite(kernel, kernel.buffers[j], kernel.buffers[outs[0]])
  );
  return output === undefined || k < 0
    ? undefined
    : { output, input: numbers.get(owner(values[k]))! };
}

/**
 * Places the steps in their order and, from -O2, in the one with the fewest live bytes; the plan with
 * the smaller arena stays, the given order where both are equal.
 */
export function placeInOrder<S extends Step>(
  g: Graph,
  steps: readonly S[],
  storage: ReadonlyMap<Value, Storage>,
  options: PlaceOptions,
): { readonly steps: readonly S[]; readonly placement: Placement } {
  const given = { steps, placement: place(g, steps, storage, options) };
  const ordered = options.level >= 2 ? orderSteps(g, steps, storage, options) : steps;
  if (ordered === steps) return given;
  const other = { steps: ordered, placement: place(g, ordered, storage, options) };
  const bytes = ({ placement }: typeof given) =>
    placement.regions.reduce((sum, r) => sum + r.bytes, 0);
  return bytes(other) < bytes(given) ? other : given;
}
