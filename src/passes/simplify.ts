/** Removes what changes nothing: movements that end where they began, clamps of what is clamped. */
import { numbers, rowMajor } from "../util/tensor.ts";
import { type Builder, rebuild } from "../ir/build.ts";
import { dims, type Graph, type Node, type Value } from "../ir/graph.ts";
import type { StridedView } from "../ir/opdef.ts";
import { type RequantizeAttrs, requantizeOp, table } from "../ops/mod.ts";
import { Producers, Uses } from "./producers.ts";

export function simplify(g: Graph): Graph {
  const made = new Producers();
  const uses = new Uses(g);
  return rebuild(g, (n, b) => {
    if (n.op.view) return sameElements(n, b, made);
    if (n.op === table) return clampInRequantize(n, b, made, uses);
  });
}

const dataInput = (n: Node): Value | null => n.ins.find((v) => v && !v.data) ?? null;

/**
 * Looks back over the movements before a node for a value that has the same elements in the same
 * places: identities, transposes that cancel, slices that take everything.
 */
function sameElements(n: Node, b: Builder, made: Producers): readonly Value[] | undefined {
  const chain: Node[] = [];
  let found: Value | undefined;
  for (let at: Node | undefined = n; at?.op.view && at.outs.length === 1;) {
    chain.unshift(at);
    const from: Value | null = dataInput(at);
    if (!from || from !== at.ins[0]) break;
    if (leadsBack(chain, from, n)) found = from;
    at = made.of(b, from);
  }
  return found && [found];
}

/** Whether a chain of views, starting at `from`, gives the elements of `from` in their order. */
function leadsBack(chain: readonly Node[], from: Value, last: Node): boolean {
  const shape = dims(from.type), out = dims(last.outs[0].type);
  if (from.type.dtype !== last.outs[0].type.dtype) return false;
  if (shape.length !== out.length || shape.some((d, i) => d !== out[i])) return false;
  let strides: readonly number[] = rowMajor(shape);
  for (const n of chain) {
    const io = { ins: n.ins.map((v) => v && v.type), outs: n.outs.map((v) => v.type) };
    const view: StridedView | null = n.op.view!(n.attrs, io, strides);
    if (!view || view.offset !== 0) return false;
    strides = view.strides;
  }
  const wanted = rowMajor(shape);
  return shape.every((d, i) => d === 1 || strides[i] === wanted[i]);
}

/** A table that only clamps narrows the bounds of the requantisation before it (Relu after QDQ). */
function clampInRequantize(
  n: Node,
  b: Builder,
  made: Producers,
  uses: Uses,
): readonly Value[] | undefined {
  const p = made.of(b, n.ins[0]), values = n.ins[1]?.data;
  if (p?.op !== requantizeOp || !uses.once(n, 0) || !values) return undefined;
  const a = p.attrs as RequantizeAttrs;
  if (values.dtype !== a.dtype) return undefined;
  const of = (q: number): number => numbers(values)[q & 255];
  const lo = of(a.lo), hi = of(a.hi);
  if (lo > hi) return undefined;
  for (let q = a.lo; q <= a.hi; q++) {
    if (of(q) !== Math.min(Math.max(q, lo), hi)) return undefined;
  }
  const origin = [...p.origin, ...n.origin];
  return b.node(requantizeOp, { ...a, lo, hi }, p.ins, {
    name: n.name,
    origin,
    outNames: n.outs.map((v) => v.name),
  });
}
