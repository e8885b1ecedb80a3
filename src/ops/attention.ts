/** Scaled dot-product attention, by matrix products, a bias that masks, and Softmax. */
import type { DType } from "../util/dtype.ts";
import { compute, type Tensor } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { add, cast, type Expr, imm, load, select, sub } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { type Building, building } from "./building.ts";
import { typeNumbered } from "./cast.ts";
import { broadcastLoad, broadcastShapes, onnx, operand, type Types } from "./common.ts";
import { reduceMax } from "./reduce.ts";
import { softmax } from "./softmax.ts";
import { hyperbolicTangent } from "./activation.ts";
import { compare } from "./elementwise.ts";

/** What the optional output of scores shows. */
const SCORES = ["raw", "capped", "biased", "softmax"] as const;

interface AttentionAttrs {
  readonly causal: boolean;
  /** Of operands [batch, sequence, hidden]; null where they are [batch, heads, sequence, size]. */
  readonly heads: { readonly q: number; readonly kv: number } | null;
  /** null: 1/√size. */
  readonly scale: number | null;
  /** 0: none. */
  readonly softcap: number;
  readonly scores: typeof SCORES[number];
  readonly precision: DType | null;
  /** How many keys before and behind the query's position take part; −1: all. */
  readonly left: number;
  readonly right: number;
}

function readAttention(r: AttrReader): AttentionAttrs {
  const scores = SCORES[r.int("qk_matmul_output_mode", 0)];
  if (!scores) {
    throw new OpError(
      `its qk_matmul_output_mode is ${r.int("qk_matmul_output_mode")}`,
      "use 0 to 3",
    );
  }
  const heads = r.has("q_num_heads") || r.has("kv_num_heads")
    ? { q: r.int("q_num_heads"), kv: r.int("kv_num_heads") }
    : null;
  return {
    causal: r.int("is_causal", 0) !== 0,
    heads,
    scale: r.has("scale") ? r.float("scale") : null,
    softcap: r.float("softcap", 0),
    scores,
    precision: r.has("softmax_precision") ? typeNumbered(r.int("softmax_precision")) : null,
    left: r.int("left_window_size", -1),
    right: r.int("right_window_size", -1),
  };
}

/** Extents of an attention, whatever the rank of its operands. */
interface Extents {
  readonly batch: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly queries: number;
  /** Keys that this run brings, and those of before. */
  readonly keys: number;
  readonly past: number;
  readonly size: number;
  readonly vSize: number;
}

function extents(a: AttentionAttrs, ins: Types): Extents {
  const [q, k, v] = [0, 1, 2].map((i) => dims(operand(ins, i, "float")));
  const rank = q.length;
  const fits = (rank === 3 || rank === 4) && k.length === rank && v.length === rank;
  if (!fits) {
    throw new OpError(
      `its operands [${q}], [${k}], [${v}] have not 3 or 4 axes each`,
      "give query, key and value the same number of axes",
    );
  }
  if (rank === 3 && !a.heads) {
    throw new OpError("it has no number of heads", "set q_num_heads and kv_num_heads");
  }
  const { q: qHeads, kv: kvHeads } = rank === 3 ? a.heads! : { q: q[1], kv: k[1] };
  const size = rank === 3 ? q[2] / qHeads : q[3];
  const kSize = rank === 3 ? k[2] / kvHeads : k[3];
  const vSize = rank === 3 ? v[2] / kvHeads : v[3];
  const axis = rank - 2, past = ins[4] ? dims(ins[4])[2] : 0;
  const bad = qHeads % kvHeads !== 0 || size !== kSize || !Number.isInteger(size) ||
    !Number.isInteger(vSize) || k[axis] !== v[axis] || q[0] !== k[0] || k[0] !== v[0] ||
    (rank === 4 && v[1] !== kvHeads) || !ins[4] !== !ins[5];
  if (bad) {
    throw new OpError(
      `its operands [${q}], [${k}], [${v}] do not fit each other`,
      "the query's heads must be a multiple of the key's, and sizes must be equal",
    );
  }
  return { batch: q[0], qHeads, kvHeads, queries: q[axis], keys: k[axis], past, size, vSize };
}

interface BiasAttrs {
  readonly causal: boolean;
  readonly left: number;
  readonly right: number;
  readonly queries: number;
  readonly keys: number;
  /** How many keys lie before the first query; null: the number of valid keys less the queries. */
  readonly offset: number | null;
  readonly dtype: DType;
}

/**
 * What is added to the scores: the mask, and −∞ where a key takes no part. Inputs a mask that
 * broadcasts to [batch, heads, queries, keys] and the number of valid keys [batch], or null.
 */
const attentionBias: OpDef<BiasAttrs> = {
  name: "AttentionBias",
  onnx: [],
  infer(a, [mask, valid]) {
    const shapes = [[a.queries, a.keys]];
    if (mask) {
      const shape = dims(mask);
      if (shape.length === 0 || shape.length > 4 || shape.at(-1)! > a.keys) {
        throw new OpError(
          `its mask [${shape}] does not fit ${a.keys} keys`,
          "a mask broadcasts to [batch, heads, queries, keys]",
        );
      }
      shapes.push(shape.at(-1) === 1 ? shape : shape.with(-1, a.keys));
    }
    if (valid) shapes.push([dims(valid)[0], 1, a.queries, a.keys]);
    return [{ dtype: a.dtype, shape: broadcastShapes(shapes) }];
  },
  body: {
    kind: "compute",
    define(a, [mask, valid], [out]) {
      const shape = dims(out), none = imm(-Infinity, a.dtype);
      return [compute("y", a.dtype, shape, (...at) => {
        const i = at[at.length - 2], j = at[at.length - 1];
        const count = valid ? cast("int32", load(valid, [at[0]])) : null;
        const offset = a.offset === null ? sub(count!, a.queries) : imm(a.offset);
        const allowed: Expr[] = [];
        if (count) allowed.push(te.lt(j, count));
        if (a.causal) allowed.push(te.le(j, add(i, offset)));
        if (a.left >= 0) allowed.push(te.ge(j, sub(add(i, offset), a.left)));
        if (a.right >= 0) allowed.push(te.le(j, add(add(i, offset), a.right)));
        const bias = mask ? maskBias(mask, at, a) : imm(0, a.dtype);
        return allowed.length ? select(te.and(...allowed), bias, none) : bias;
      }, axisNames(shape.length))];
    },
  },
};

/** A short mask ends in −∞. */
function maskBias(mask: Tensor, at: readonly Expr[], a: BiasAttrs): Expr {
  const none = imm(-Infinity, a.dtype);
  const n = mask.shape.at(-1)!, j = at[at.length - 1];
  const m = broadcastLoad(mask, at);
  const value = mask.dtype === "bool" ? select(m, imm(0, a.dtype), none) : cast(a.dtype, m);
  return n === 1 || n === a.keys ? value : select(te.lt(j, n), value, none);
}

/** [batch, sequence, heads · size] as [batch, heads, sequence, size]. */
export function byHeads(g: Building, x: Value, heads: number): Value {
  const [batch, sequence, hidden] = dims(x.type);
  if (x.type.shape.length === 4) return x;
  return g.transpose(g.reshape(x, [batch, sequence, heads, hidden / heads]), [0, 2, 1, 3]);
}

function rewrite(
  a: AttentionAttrs,
  ins: readonly (Value | null)[],
  g: Building,
): Value[] {
  const [query, key, value, mask, pastKey, pastValue, valid] = ins;
  const e = extents(a, ins.map((v) => v?.type ?? null)), { dtype } = query!.type;
  const { batch, qHeads, kvHeads, queries, size, vSize } = e, keys = e.past + e.keys;
  const cached = (x: Value, past: Value | null | undefined): Value => {
    const own = byHeads(g, x, kvHeads);
    return past ? g.concat([past, own], 2) : own;
  };
  const k = cached(key!, pastKey), v = cached(value!, pastValue);
  const root = g.scalar(Math.sqrt(a.scale ?? 1 / Math.sqrt(size)), dtype);
  // The query heads that share a key head lie one behind the other, as further rows.
  const rows = qHeads / kvHeads * queries;
  const q = g.reshape(byHeads(g, query!, qHeads), [batch, kvHeads, rows, size]);
  const products = g.matmul(g.mul(q, root), g.mul(k, root), true);
  const raw = g.reshape(products, [batch, qHeads, queries, keys]);
  const cap = g.scalar(a.softcap, dtype);
  const capped = a.softcap === 0
    ? raw
    : g.mul(cap, g.apply(hyperbolicTangent, null, g.div(raw, cap)));
  const offset = valid && !pastKey ? null : e.past;
  const masked = mask || valid || a.causal || a.left >= 0 || a.right >= 0;
  const { causal, left, right } = a;
  const bias = masked
    ? g.apply(attentionBias, { causal, left, right, queries, keys, offset, dtype }, mask, valid)
    : null;
  const biased = bias ? g.add(capped, bias) : capped;
  const weights = g.apply(
    softmax,
    { axis: -1, flatten: false },
    g.cast(biased, a.precision ?? dtype),
  );
  const p = g.cast(bias ? unlessAllMasked(g, weights, bias) : weights, dtype);
  const y = g.matmul(g.reshape(p, [batch, kvHeads, rows, keys]), v);
  const heads = g.reshape(y, [batch, qHeads, queries, vSize]);
  const out = query!.type.shape.length === 4
    ? heads
    : g.reshape(g.transpose(heads, [0, 2, 1, 3]), [batch, queries, qHeads * vSize]);
  return [out, k, v, { raw, capped, biased, softmax: p }[a.scores]];
}

/** Zeros for a query that no key takes part in. */
function unlessAllMasked(g: Building, p: Value, bias: Value): Value {
  const top = g.apply(reduceMax, { axes: [-1], keepDims: true }, bias);
  const none = g.apply(compare.equal, null, top, g.scalar(-Infinity, bias.type.dtype));
  return g.where(none, g.scalar(0, p.type.dtype), p);
}

/**
 * Inputs query, key, value, mask, past key, past value, number of valid keys; outputs the result,
 * the keys and values to remember, and scores.
 */
export const attention: OpDef<AttentionAttrs> = {
  name: "Attention",
  onnx: [onnx("Attention", 23, readAttention)],
  infer(a, ins): readonly TensorType[] {
    const e = extents(a, ins), { dtype } = ins[0]!, total = e.past + e.keys;
    const y = dims(ins[0]!).length === 4
      ? [e.batch, e.qHeads, e.queries, e.vSize]
      : [e.batch, e.queries, e.qHeads * e.vSize];
    return [
      { dtype, shape: y },
      { dtype: ins[1]!.dtype, shape: [e.batch, e.kvHeads, total, e.size] },
      { dtype: ins[2]!.dtype, shape: [e.batch, e.kvHeads, total, e.vSize] },
      { dtype, shape: [e.batch, e.qHeads, e.queries, total] },
    ];
  },
  body: { kind: "expand", rewrite: (a, ins, _, b) => rewrite(a, ins, building(b)) },
};

export const ops = [attentionBias, attention] as OpDef<unknown>[];
