/**
 * QDQ graphs to integer graphs: an abstract interpretation that knows every float value by how it
 * came about (ir/quant.ts), and computes it as a float only where somebody needs the float.
 */
import { BurinError } from "../util/errors.ts";
import { intRange, isFloat } from "../util/dtype.ts";
import { roundEven } from "../util/integers.ts";
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import { type NodeInfo, prune } from "../ir/build.ts";
import { dims, type Graph, type Node, type Value } from "../ir/graph.ts";
import type { Acc, Deq, QParams, QuantContext, Rep } from "../ir/quant.ts";
import {
  dequantizeAcc,
  dequantizeLinear,
  quantizeLinear,
  relu,
  requantizeOp,
  table,
} from "../ops/mod.ts";
import { Producers } from "./producers.ts";
import { FoldingBuilder } from "./folding_builder.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { applyLut, type Lut, lutOf } from "./lut.ts";
import { moveAxis, moves } from "./move.ts";
import { paramsOf, perTensor, sameParams } from "./params.ts";

type Known = Rep | Lut;
type MovedParams = Pick<QParams, "scale" | "axis"> & Partial<Pick<QParams, "zero">>;

/** Folding what quantised weights go through on their way to an operator may not grow beyond this. */
const FOLD_LIMIT = 16 << 20;
/** A float table costs a kilobyte, which pays off from so many elements on. */
const TABLE_MIN = 64;

/** Rewrites a QDQ graph; a graph without quantisation comes back as it is. */
export function integerize(g: Graph): Graph {
  if (!g.nodes.some((n) => n.op === quantizeLinear || n.op === dequantizeLinear)) return g;
  return new Integerizer(g).run();
}

class Integerizer {
  readonly #g: Graph;
  readonly #b: FoldingBuilder;
  /** Values of the old graph that exist in the new one. */
  readonly #values = new Map<Value, Value>();
  /** Values of the old graph that are known by more than their elements. */
  readonly #reps = new Map<Value, Known>();
  readonly #floats = new Map<Known, Value>();
  readonly #info = new Map<Known, NodeInfo>();
  readonly #ctx: QuantContext;
  readonly #made = new Producers();
  readonly #luts = new Map<Deq, Lut>();
  /** Chains that are computed rather than looked up where their float is needed. */
  readonly #chains = new Map<Lut, Node>();

  constructor(g: Graph) {
    this.#g = g;
    this.#b = new FoldingBuilder(FOLD_LIMIT);
    this.#b.reserve(g.inputs.map((v) => v.name));
    this.#ctx = { b: this.#b, float: (r) => this.#float(r) };
  }

  run(): Graph {
    for (const n of this.#g.nodes) {
      const info: NodeInfo = {
        name: n.name,
        origin: n.origin,
        outNames: n.outs.map((v) => v.name),
        bodies: n.bodies,
      };
      this.#b.at(info);
      if (n.op === dequantizeLinear) this.#dequantize(n, info);
      else if (n.op === quantizeLinear) this.#quantize(n, info);
      else this.#node(n, info);
    }
    const outputs = this.#g.outputs.map((v) => this.#plain(v));
    return prune({ ...this.#g, outputs, nodes: this.#b.nodes });
  }

  /** The value itself, computed as a float where that is what it is. */
  #plain(v: Value): Value {
    const r = this.#reps.get(v);
    return this.#values.get(v) ?? (r ? this.#float(r) : v);
  }

  /** What is known of a value; operators see a plain value of any type as `flt`. */
  #rep(v: Value): Known {
    return this.#reps.get(v) ?? { k: "flt", x: this.#plain(v) };
  }

  #know(v: Value, r: Known, info: NodeInfo): void {
    this.#reps.set(v, r);
    if (!this.#info.has(r)) this.#info.set(r, info);
  }

  #float(r: Known): Value {
    if (r.k === "flt") return r.x;
    const done = this.#floats.get(r);
    if (done) return done;
    const info = this.#info.get(r) ?? { name: "float", origin: [] };
    const x = this.#emitFloat(r, { ...info, bodies: [] });
    // Every reader of stored integers dequantises for itself, in its own loop: the float would take
    // four times the memory.
    if (r.k !== "deq" || r.q.data) this.#floats.set(r, x);
    return x;
  }

  #emitFloat(r: Deq | Acc | Lut, info: NodeInfo): Value {
    const b = this.#b;
    if (r.k === "lut") {
      const n = this.#chains.get(r);
      if (!n) return b.node(table, null, [r.q, b.constant(r.values)], info)[0];
      return b.node(n.op, n.attrs, n.ins.map((v) => v && this.#plain(v)), info)[0];
    }
    if (r.k === "acc") {
      const { axis, lo, hi } = r;
      return b.node(dequantizeAcc, { axis, lo, hi }, [r.acc, b.constant(r.scale)], info)[0];
    }
    const number = (t: TensorData): number | null => t.data.length === 1 ? numbers(t)[0] : null;
    const attrs = { axis: r.axis, scale: number(r.scale), zero: number(r.zero) };
    const scale = attrs.scale === null ? b.constant(r.scale) : null;
    const zero = attrs.zero === null ? b.constant(r.zero) : null;
    const ins = zero ? [r.q, scale, zero] : scale ? [r.q, scale] : [r.q];
    // Weights stay as stored here: whether they may grow to floats is up to constant folding.
    return b.keep(dequantizeLinear, attrs, ins, info)[0];
  }

  #dequantize(n: Node, info: NodeInfo): void {
    const p = paramsOf(n);
    if (p) this.#know(n.outs[0], { k: "deq", q: this.#plain(n.ins[0]!), ...p }, info);
    else this.#keep(n, info);
  }

  #quantize(n: Node, info: NodeInfo): void {
    const p = paramsOf(n);
    const x = this.#rep(n.ins[0]!);
    const y = p && this.#quantizeRep(n, x, p, info);
    if (y) this.#values.set(n.outs[0], y);
    else if (p && perTensor(p)) {
      const attrs = {
        ...n.attrs as object,
        dtype: n.outs[0].type.dtype,
        axis: 0,
        scale: numbers(p.scale)[0],
        zero: numbers(p.zero)[0],
      };
      const [q] = this.#b.node(quantizeLinear, attrs, [this.#plain(n.ins[0]!)], info);
      this.#values.set(n.outs[0], q);
    } else this.#keep(n, info);
  }

  /** The stored integers of a representation; null where they have to be computed from the float. */
  #quantizeRep(n: Node, x: Known, p: QParams, info: NodeInfo): Value | null {
    const { dtype } = n.outs[0].type;
    if (x.k === "flt") return null;
    if (x.k === "acc") return perTensor(p) ? this.#requantize(n, x, p, info) : null;
    if (x.k === "deq" && x.q.type.dtype === dtype && dtype !== "int32" && sameParams(x, p)) {
      return x.q;
    }
    const lut = x.k === "deq" ? lutOf(x) : x;
    if (!lut || !perTensor(p)) return null;
    const attrs = { dtype, axis: 0, scale: numbers(p.scale)[0], zero: numbers(p.zero)[0] };
    const [values] = evaluateNode(quantizeLinear, attrs, [lut.values]);
    const origin = distinct(this.#info.get(lut)?.origin ?? [], info.origin);
    return this.#b.node(table, null, [lut.q, this.#b.constant(values)], { ...info, origin })[0];
  }

  #requantize(n: Node, x: Acc, p: QParams, info: NodeInfo): Value {
    const { dtype } = n.outs[0].type, sy = numbers(p.scale)[0], zero = numbers(p.zero)[0];
    const m = numbers(x.scale).map((s) => Math.fround(s / sy));
    const bad = m.find((v) => !Number.isFinite(v));
    if (bad !== undefined) {
      throw new BurinError(
        "model/bad-scale",
        `Cannot quantise in '${n.name}' as its scale ${sy} is too small for its input's`,
        "scales of neighbouring tensors differ by a few powers of ten; quantise the model again",
      );
    }
    const range = intRange(dtype);
    const stored = (v: number | null, fallback: number): number =>
      v === null ? fallback : Math.min(
        Math.max(roundEven(Math.fround(Math.fround(v) / sy)) + zero, range.min),
        range.max,
      );
    // A maximum with 0 on the accumulator is a bound of the result, as rounding is monotone.
    const before = this.#made.of(this.#b, x.acc);
    const positive = before?.op === relu && before.ins[0];
    const lowest = stored(x.lo, range.min);
    const lo = positive ? Math.max(lowest, stored(0, 0)) : lowest,
      hi = Math.max(stored(x.hi, range.max), lo);
    const bounded = positive || x.lo !== null || x.hi !== null;
    const pending = bounded ? this.#info.get(x)?.origin ?? [] : [];
    const origin = distinct(pending, info.origin);
    const scale = tensor("float32", x.scale.shape, m);
    const attrs = { dtype, zero, lo, hi, axis: x.axis };
    return this.#b.node(requantizeOp, attrs, [positive || x.acc, this.#b.constant(scale)], {
      ...info,
      origin,
    })[0];
  }

  #node(n: Node, info: NodeInfo): void {
    const known = n.ins.map((v) => v && this.#rep(v));
    if (n.bodies.length || !known.some((r) => r && r.k !== "flt")) return this.#keep(n, info);
    const out = this.#rule(n, known) ?? null;
    if (out) return this.#know(n.outs[0], out, info);
    const moved = moves(n.op) && this.#move(n, known);
    if (moved) return moved.forEach((r, i) => this.#know(n.outs[i], r, info));
    const lut = this.#lut(n, known);
    if (!lut) return this.#keep(n, info);
    const before = known.flatMap((r) => r?.k === "lut" ? this.#info.get(r)?.origin ?? [] : []);
    this.#know(n.outs[0], lut, { ...info, origin: distinct(before, info.origin) });
    const size = dims(lut.q.type).reduce((a, b) => a * b, 1);
    if (!lut.costly || size < TABLE_MIN) this.#chains.set(lut, n);
  }

  #rule(n: Node, known: readonly (Known | null)[]): Rep | null {
    if (!n.op.quantized || known.some((r) => r?.k === "lut")) return null;
    return n.op.quantized(n.attrs, known as (Rep | null)[], this.#ctx);
  }

  /** Movement operators act on the integers: all operands have the same parameters, or there is one. */
  #move(n: Node, known: readonly (Known | null)[]): Known[] | null {
    const data = known.flatMap((r, i) => r && isFloat(n.ins[i]!.type.dtype) ? [{ r, i }] : []);
    if (!data.length || data[0].r.k === "flt") return null;
    const [{ r: first, i: at }] = data;
    let params: MovedParams | null = null;
    if (data.length > 1) {
      if (data.some(({ r }) => r.k !== "deq" || first.k !== "deq" || !perTensor(r))) return null;
      const dtype = (first as Deq).q.type.dtype;
      if (data.some(({ r }) => !sameParams(r as Deq, first as Deq))) return null;
      if (data.some(({ r }) => (r as Deq).q.type.dtype !== dtype)) return null;
    } else if (first.k !== "lut") {
      params = this.#movedParams(n, at, first);
      if (!params) return null;
    }
    const stored = (r: Known): Value => r.k === "acc" ? r.acc : r.k === "flt" ? r.x : r.q;
    const isData = new Set(data.map(({ i }) => i));
    const ins = known.map((r, i) => r && (isData.has(i) ? stored(r) : this.#plain(n.ins[i]!)));
    return this.#b.node(n.op, n.attrs, ins).map((v): Known =>
      first.k === "acc"
        ? { ...first, ...params, acc: v }
        : first.k === "lut"
        ? { ...first, q: v }
        : { ...first, ...params, q: v }
    );
  }

  #movedParams(n: Node, at: number, r: Deq | Acc): MovedParams | null {
    const zero = r.k === "deq" ? r.zero : null;
    if (r.scale.data.length === 1 && (zero?.data.length ?? 1) === 1) {
      return { scale: r.scale, axis: r.axis };
    }
    const to = n.outs.length === 1 ? moveAxis(n, at, r.axis) : null;
    if (!to) return null;
    const pick = (t: TensorData): TensorData =>
      t.data.length === 1
        ? t
        : tensor(t.dtype, [to.channels.length], to.channels.map((c) => t.data[c]));
    return { scale: pick(r.scale), axis: to.axis, ...zero && { zero: pick(zero) } };
  }

  #lut(n: Node, known: readonly (Known | null)[]): Lut | null {
    const ins: (Lut | TensorData | null)[] = [];
    for (const r of known) {
      const x = r === null ? null : this.#lutOperand(r);
      if (x === undefined) return null;
      ins.push(x);
    }
    return applyLut(n, ins);
  }

  /** A function of a byte, a constant, or undefined where it is neither. */
  #lutOperand(r: Known): Lut | TensorData | undefined {
    if (r.k === "lut") return r;
    if (r.k === "flt") return r.x.data;
    if (r.k === "acc") return undefined;
    if (!r.q.data) return this.#luts.get(r) ?? this.#remember(r);
    if (r.q.data.data.length !== 1) return undefined;
    const attrs = { axis: 0, scale: numbers(r.scale)[0], zero: numbers(r.zero)[0] };
    return evaluateNode(dequantizeLinear, attrs, [r.q.data])[0];
  }
  #remember(r: Deq): Lut | undefined {
    const lut = lutOf(r);
    if (lut) this.#luts.set(r, lut);
    return lut ?? undefined;
  }

  #keep(n: Node, info: NodeInfo): void {
    const outs = this.#b.keep(n.op, n.attrs, n.ins.map((v) => v && this.#plain(v)), info);
    n.outs.forEach((v, i) => this.#values.set(v, outs[i]));
  }
}

const distinct = (
  a: readonly string[],
  b: readonly string[],
): string[] => [...new Set([...a, ...b])];
