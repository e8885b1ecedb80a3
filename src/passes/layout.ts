/**
 * Where every value lies: strides instead of transposes. Convolutions and pools get their channels
 * innermost; movement operators become views of their input's memory, a concatenation the memory of
 * its inputs. What cannot be a view keeps its code.
 */
import { bytesOf } from "../util/dtype.ts";
import { rowMajor, sizeOf } from "../util/tensor.ts";
import { ops } from "../ops/mod.ts";
import { rebuild } from "../ir/build.ts";
import { consumers, dims, type Graph, type Node, producers, type Value } from "../ir/graph.ts";
import type { StridedView } from "../ir/opdef.ts";
import { denseStrides, ownStorage, sameStrides, type Storage } from "../ir/storage.ts";

export interface Layout {
  readonly graph: Graph;
  readonly storage: ReadonlyMap<Value, Storage>;
  /** Nodes without code. */
  readonly free: ReadonlySet<Node>;
}

/** Assigns memory to all values; at level 0 and 1 everything is row-major. */
export function assignLayout(source: Graph, level: number): Layout {
  const graph = separate(source);
  const rowMajorOnly = new Set<Value>(), materialised = new Set<Node>();
  // Each round settles one conflict: a value becomes row-major, or a view becomes a copy.
  for (;;) {
    const result = new Assignment(graph, level, rowMajorOnly, materialised).run();
    if (result) return { graph, ...result };
  }
}

const identity = ops.find((o) => o.name === "Identity")!;

/**
 * Gives every graph output, and every input of a concatenation that could not be computed in place,
 * a node of its own.
 */
function separate(g: Graph): Graph {
  const made = producers(g), uses = consumers(g);
  const taken = new Set<Value>(), copied = new Set<string>();
  for (const n of g.nodes) {
    if (!n.op.place) continue;
    n.ins.forEach((v, i) => {
      if (!v) return;
      const own = made.has(v) && !made.get(v)!.op.view && !made.get(v)!.op.place &&
        !taken.has(v) && !g.outputs.includes(v) && uses.get(v)!.every((u) =>
          u === n || !u.op.place
        );
      taken.add(v);
      if (!own) copied.add(`${n.name}/${i}`);
    });
  }
  if (copied.size === 0) return copyOutputs(g);
  return copyOutputs(rebuild(g, (n, b) => {
    if (!n.op.place) return undefined;
    const ins = n.ins.map((v, i) =>
      copied.has(`${n.name}/${i}`) ? b.node(identity, null, [v])[0] : v
    );
    return b.node(n.op, n.attrs, ins, { ...n, outNames: n.outs.map((v) => v.name) });
  }));
}

/** Outputs that are inputs, constants or other outputs get a copy. */
function copyOutputs(g: Graph): Graph {
  const made = producers(g), seen = new Set<Value>();
  const nodes = [...g.nodes];
  const outputs = g.outputs.map((v, i) => {
    const own = made.has(v) && !seen.has(v);
    seen.add(v);
    if (own) return v;
    const name = `${g.outputNames[i]}_copy${i}`;
    const out: Value = { name, type: v.type };
    nodes.push({ name, op: identity, attrs: null, ins: [v], outs: [out], origin: [], bodies: [] });
    return out;
  });
  return { ...g, nodes, outputs };
}

class Assignment {
  readonly #storage = new Map<Value, Storage>();
  readonly #free = new Set<Node>();
  readonly #made: Map<Value, Node>;
  readonly #channelsLast: Set<Value>;
  /** Values that lie inside a concatenation. */
  readonly #placed: ReadonlySet<Value | null>;

  constructor(
    readonly g: Graph,
    readonly level: number,
    readonly rowMajorOnly: Set<Value>,
    readonly materialised: Set<Node>,
  ) {
    this.#made = producers(g);
    this.#placed = new Set(g.nodes.flatMap((n) => n.op.place ? n.ins : []));
    this.#channelsLast = level >= 2 ? preferChannelsLast(g) : new Set();
  }

  /** Null where a decision had to be taken back. */
  run(): { storage: Map<Value, Storage>; free: Set<Node> } | null {
    for (const v of [...this.g.inputs, ...this.g.outputs]) {
      // A caller's buffer is aligned for its elements, no more.
      const align = bytesOf(v.type.dtype);
      this.#storage.set(v, { ...ownStorage(v, rowMajor(dims(v.type))), align });
    }
    for (const n of this.g.nodes) {
      for (const v of n.ins) {
        if (v?.data) this.#storage.set(v, ownStorage(v, rowMajor(dims(v.type))));
      }
    }
    for (const n of [...this.g.nodes].reverse()) {
      if (!this.#backward(n)) return null;
    }
    for (const n of this.g.nodes) {
      if (!this.#forward(n)) return null;
    }
    return { storage: this.#storage, free: this.#free };
  }

  /** From outputs with a fixed place to the values that are computed straight into them. */
  #backward(n: Node): boolean {
    const out = n.outs[0], place = this.#storage.get(out);
    if (n.op.place) {
      const s = place ?? ownStorage(out, this.#dense(out));
      this.#storage.set(out, s);
      const io = { ins: n.ins.map((v) => v!.type), outs: [out.type] };
      for (const r of n.op.place(n.attrs, io)) {
        const v = n.ins[r.input]!;
        const offset = r.start.reduce((sum, x, i) => sum + x * s.strides[i], s.offset);
        this.#storage.set(v, { ...s, offset });
      }
      this.#free.add(n);
      return true;
    }
    if (!place || !n.op.view || this.materialised.has(n)) return true;
    const source = n.ins[0]!;
    const taken = this.#storage.has(source) || this.#placed.has(source);
    if (taken || !this.#made.has(source) || this.#made.get(source)!.op.view) return true;
    for (const channelsLast of [true, false]) {
      const strides = denseStrides(source.type, channelsLast);
      const v = this.#view(n, strides);
      if (
        v && v.offset === 0 && sizeOf(dims(out.type)) === sizeOf(dims(source.type)) &&
        this.#contiguousIn(place) && sameStrides(dims(out.type), v.strides, place.strides)
      ) {
        this.#storage.set(source, { ...place, strides });
        this.#free.add(n);
        return true;
      }
    }
    return true;
  }

  /** Only memory of its own can be seen through another shape. */
  #contiguousIn(s: Storage): boolean {
    return s.offset === 0 &&
      sameStrides(dims(s.owner.type), s.strides, rowMajor(dims(s.owner.type)));
  }

  #forward(n: Node): boolean {
    if (this.#free.has(n)) return true;
    // A constant lies in flash, where a view of it has no memory to share.
    if (
      n.op.view && !n.ins[0]?.data && !this.materialised.has(n) &&
      !n.outs.some((v) => this.#storage.has(v))
    ) {
      const source = n.ins[0]!, s = this.#storage.get(source)!;
      const v = this.#view(n, s.strides);
      if (v) {
        const offset = s.offset + v.offset;
        this.#storage.set(n.outs[0], { ...s, strides: v.strides, offset });
        this.#free.add(n);
        return true;
      }
      if (this.#channelsLast.has(s.owner) && !this.rowMajorOnly.has(s.owner)) {
        this.rowMajorOnly.add(s.owner);
      } else this.materialised.add(n);
      return false;
    }
    for (const v of n.outs) {
      if (!this.#storage.has(v)) this.#storage.set(v, ownStorage(v, this.#dense(v)));
    }
    return true;
  }

  #dense(v: Value): number[] {
    return denseStrides(v.type, this.#channelsLast.has(v) && !this.rowMajorOnly.has(v));
  }

  #view(n: Node, strides: readonly number[]): StridedView | null {
    const io = { ins: n.ins.map((v) => v && v.type), outs: n.outs.map((v) => v.type) };
    return n.op.view!(n.attrs, io, strides);
  }
}

/** Values that convolutions and pools touch, and those that are computed with them point by point. */
function preferChannelsLast(g: Graph): Set<Value> {
  const marked = new Set<Value>();
  for (const n of g.nodes) {
    if (n.op.channelsLast) [n.ins[0]!, ...n.outs].forEach((v) => marked.add(v));
  }
  const sameShape = (a: Value, b: Value): boolean => dims(a.type).join() === dims(b.type).join();
  for (let size = -1; size !== marked.size;) {
    size = marked.size;
    for (const n of g.nodes) {
      if (n.op.view || n.outs.length !== 1) continue;
      const family = [...n.ins, ...n.outs].filter((v): v is Value =>
        v !== null && !v.data && sameShape(v, n.outs[0])
      );
      if (family.some((v) => marked.has(v))) family.forEach((v) => marked.add(v));
    }
  }
  return marked;
}
