/** Removes what changes nothing: movements that end where they began, clamps of what is clamped. */
import { intRange } from "../util/dtype.ts";
import { roundEven } from "../util/integers.ts";
import { rowMajor } from "../util/tensor.ts";
import { type Builder, type NodeInfo, rebuild } from "../ir/build.ts";
import { dims, type Graph, type Node, type Value } from "../ir/graph.ts";
import type { StridedView } from "../ir/opdef.ts";
import {
  cast,
  clip,
  type ClipAttrs,
  concat,
  pad,
  type PadAttrs,
  type QuantizeAttrs,
  quantizeLinear,
  relu,
  requantizeOp,
  table,
} from "../ops/mod.ts";
import { Producers, Uses } from "./producers.ts";

export function simplify(g: Graph): Graph {
  const made = new Producers();
  const uses = new Uses(g);
  return rebuild(g, (n, b) => {
    if (n.op.view) return sameElements(n, b, made);
    if (doesNothing(n)) return [n.ins[0]!];
    if (n.op === table) return clampInRounding(n, b, made, uses);
    if (n.op === quantizeLinear) return clipInQuantize(n, b, made, uses);
  });
}

/** A conversion to the type that it has, padding with nothing, a concatenation of one. */
function doesNothing(n: Node): boolean {
  if (n.op === pad) return (n.attrs as PadAttrs).pads.every((v) => v === 0);
  if (n.op === cast) return n.ins[0]!.type.dtype === n.outs[0].type.dtype;
  return n.op === concat && n.ins.length === 1;
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

/** A table that only clamps narrows the bounds of the rounding before it (Relu after QDQ). */
function clampInRounding(
  n: Node,
  b: Builder,
  made: Producers,
  uses: Uses,
): readonly Value[] | undefined {
  const p = made.of(b, n.ins[0]), values = n.ins[1]?.data;
  const rounds = p?.op === requantizeOp || (p?.op === quantizeLinear && p.ins.length === 1);
  if (!p || !rounds || !uses.once(n, 0) || !values) return undefined;
  const a = p.attrs as QuantizeAttrs;
  if (values.dtype !== a.dtype) return undefined;
  const { lo, hi } = { lo: intRange(a.dtype).min, hi: intRange(a.dtype).max, ...a };
  const of = (q: number): number => Number(values.data[q & 255]);
  if (of(lo) > of(hi)) return undefined;
  for (let q = lo; q <= hi; q++) {
    if (of(q) !== Math.min(Math.max(q, of(lo)), of(hi))) return undefined;
  }
  return b.node(p.op, { ...a, lo: of(lo), hi: of(hi) }, p.ins, joined(p, n));
}

/** Relu and Clip before a rounding are bounds of its result, as rounding is monotone. */
function clipInQuantize(
  n: Node,
  b: Builder,
  made: Producers,
  uses: Uses,
): readonly Value[] | undefined {
  const p = made.of(b, n.ins[0]), a = n.attrs as QuantizeAttrs;
  if (!p || (p.op !== relu && p.op !== clip) || n.ins.length !== 1 || !uses.once(n, 0)) {
    return undefined;
  }
  if (a.scale === null || p.ins[0]!.type.dtype !== "float32") return undefined;
  const range = intRange(a.dtype), { lo: min, hi: max } = { lo: range.min, hi: range.max, ...a };
  const stored = (v: number | null, fallback: number): number => {
    if (v === null) return fallback;
    const q = roundEven(Math.fround(Math.fround(v) / a.scale!)) + (a.zero ?? 0);
    return Math.min(Math.max(q, min), max);
  };
  const real = p.op === relu ? { lo: 0, hi: null } : p.attrs as ClipAttrs;
  if (Number.isNaN(real.lo) || Number.isNaN(real.hi)) return undefined;
  const hi = stored(real.hi, max), lo = Math.min(stored(real.lo, min), hi);
  return b.node(n.op, { ...a, lo, hi }, p.ins, joined(p, n));
}

const joined = (p: Node, n: Node): NodeInfo => ({
  name: n.name,
  origin: [...p.origin, ...n.origin],
  outNames: n.outs.map((v) => v.name),
});
