/**
 * Shapes that a file leaves out between those that it declares: a value has the shape of what is
 * computed from it element by element, and from numbers that widen nothing.
 */
import type { NodeView } from "./reader.ts";

/** What stands around a value in its graph. */
export interface Surroundings {
  /** The shape that the file declares for a value. */
  declared(name: string): readonly number[] | null;
  /** The shape of a value that is there already. */
  known(name: string): readonly number[] | null;
  readonly readers: ReadonlyMap<string, readonly NodeView[]>;
  readonly makers: ReadonlyMap<string, NodeView>;
  /** The inputs that an element-wise node computes with, null for any other node. */
  operands(n: NodeView): readonly string[] | null;
}

/** How many nodes are looked at for one value. */
const NODES = 200;

/** The nodes of a graph by the values that they read and by those that they make. */
export function wiring(nodes: readonly NodeView[]): Pick<Surroundings, "readers" | "makers"> {
  const readers = new Map<string, NodeView[]>(), makers = new Map<string, NodeView>();
  for (const n of nodes) {
    for (const x of new Set(n.inputs)) {
      const list = readers.get(x);
      if (list) list.push(n);
      else readers.set(x, [n]);
    }
    n.outputs.forEach((x) => makers.set(x, n));
  }
  return { readers, makers };
}

/** The shape of a value as the file declares it, or as what is computed from it shows; else null. */
export function shapeOf(name: string, around: Surroundings): readonly number[] | null {
  let left = NODES;
  const seen = new Set<string>();
  /** @param path what led here from the value, of the same shape if this comes to an end */
  const behind = (x: string, path: readonly string[]): readonly number[] | null => {
    const own = around.declared(x);
    if (own || seen.has(x)) return own;
    seen.add(x);
    for (const n of around.readers.get(x) ?? []) {
      const operands = left-- > 0 && n.outputs.length === 1 ? around.operands(n) : null;
      const result = operands && behind(n.outputs[0], [...path, x]);
      const alike = new Set([...path, x]);
      if (result && operands.every((o) => follows(o, result, alike))) return result;
    }
    return null;
  };
  /** Whether a value cannot have made the result wider than those that are `alike`. */
  const follows = (x: string, result: readonly number[], alike: Set<string>): boolean => {
    if (alike.has(x)) return true;
    const shape = around.known(x);
    if (shape) {
      const fits = shape.length === 0 || result.every((n) => n !== 1);
      return fits && shape.length <= result.length && shape.every((n) => n === 1);
    }
    const maker = around.makers.get(x), operands = maker && left-- > 0 && around.operands(maker);
    if (!operands || !operands.every((o) => follows(o, result, alike))) return false;
    alike.add(x);
    return true;
  };
  return behind(name, []);
}
