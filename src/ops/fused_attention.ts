/** onnxruntime's attention: projections, masks of its own forms, and the Attention of ONNX. */
import { compute } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { add, cast, type Expr, imm, load, select } from "../te/expr.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { attention, byHeads } from "./attention.ts";
import { axisNames } from "./axes.ts";
import { type Building, building } from "./building.ts";
import { broadcastShapes, operand, type Types } from "./common.ts";
import { product } from "./dynamic_quant.ts";

const microsoft = <A>(type: string, attrs: (r: AttrReader) => A) => [
  { domain: "com.microsoft", type, since: 1, attrs },
];

interface CoreAttrs {
  readonly heads: number;
  readonly causal: boolean;
  /** null: 1/√size. */
  readonly scale: number | null;
  /** What is added to the scores of keys that are masked. */
  readonly filter: number;
}

function readCore(r: AttrReader): CoreAttrs {
  if (r.int("do_rotary", 0) !== 0) {
    throw new OpError("it rotates positions", "export RotaryEmbedding as a node of its own");
  }
  if (r.int("past_present_share_buffer", 0) !== 0) {
    throw new OpError("its past and present share a buffer", "give each its own");
  }
  return {
    heads: r.int("num_heads"),
    causal: r.int("unidirectional", 0) !== 0,
    scale: r.float("scale", 0) || null,
    filter: r.float("mask_filter_value", -10000),
  };
}

interface MaskAttrs {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly filter: number;
}

/**
 * What is added to scores [batch, 1, queries, keys]. Inputs a mask: lengths [batch], ends and starts
 * [2 · batch], ones for the keys that count [batch, keys], [batch, queries, keys] or
 * [batch, 1, longest, longest].
 */
const maskBias: OpDef<MaskAttrs> = {
  name: "MaskBias",
  onnx: [],
  infer({ batch, queries, keys }, ins) {
    const shape = dims(operand(ins, 0, "int"));
    const forms = [[batch], [2 * batch], [batch, keys], [batch, queries, keys]];
    const large = shape.length === 4 && shape[0] === batch && shape[1] === 1 && shape[3] >= keys;
    if (!large && !forms.some((f) => `${f}` === `${shape}`)) {
      throw new OpError(
        `its mask [${shape}] does not fit ${batch} × ${queries} queries of ${keys} keys`,
        "give lengths, or ones for the keys that count",
      );
    }
    return [{ dtype: "float32", shape: [batch, 1, shape.length > 2 ? queries : 1, keys] }];
  },
  body: {
    kind: "compute",
    define(a, [mask], [out]) {
      const rank = mask!.shape.length, past = a.keys - a.queries;
      const counts = (at: readonly Expr[]): Expr => te.gt(cast("int32", load(mask!, at)), 0);
      return [compute("y", "float32", dims(out), (b, _, i, j) => {
        const number = (at: Expr): Expr => cast("int32", load(mask!, [at]));
        const ends = rank === 1 ? te.lt(j, number(b)) : null;
        const both = ends && mask!.shape[0] === 2 * a.batch
          ? te.and(ends, te.ge(j, number(add(b, a.batch))))
          : ends;
        const taken = both ??
          (rank === 2 ? counts([b, j]) : rank === 3 ? counts([b, i, j]) : counts([
            b,
            imm(0),
            add(i, past),
            j,
          ]));
        return select(taken, imm(0, "float32"), imm(a.filter, "float32"));
      }, axisNames(4))];
    },
  },
};

/** Query, key and value as [batch, heads, sequence, size], and what else takes part. */
interface Parts {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly mask?: Value | null;
  /** Added to the scores. */
  readonly bias?: Value | null;
  readonly pastK?: Value | null;
  readonly pastV?: Value | null;
}

/** The result [batch, sequence, hidden], and all keys and values. */
function attend(g: Building, a: CoreAttrs, p: Parts): [Value, Value, Value] {
  const [batch, heads, queries, size] = dims(p.q.type);
  const keys = dims(p.k.type)[2] + (p.pastK ? dims(p.pastK.type)[2] : 0);
  const own = p.mask ? g.apply(maskBias, { batch, queries, keys, filter: a.filter }, p.mask) : null;
  const bias = own && p.bias ? g.add(own, p.bias) : own ?? p.bias ?? null;
  const attrs = {
    causal: a.causal,
    heads: null,
    scale: a.scale ?? 1 / Math.sqrt(size),
    softcap: 0,
    scores: "raw" as const,
    precision: null,
    left: -1,
    right: -1,
  };
  const past = p.pastK && p.pastV ? [p.pastK, p.pastV] : [];
  const [y, k, v] = g.b.node(attention, attrs, [p.q, p.k, p.v, bias, ...past]);
  const rows = g.transpose(y, [0, 2, 1, 3]);
  return [g.reshape(rows, [batch, queries, heads * dims(y.type)[3]]), k, v];
}

function checkHeads(heads: number, ...hidden: readonly number[]): void {
  if (heads >= 1 && hidden.every((n) => n % heads === 0)) return;
  throw new OpError(
    `its sizes ${hidden.join(", ")} do not divide into ${heads} heads`,
    "set num_heads",
  );
}

interface SelfAttrs extends CoreAttrs {
  /** Of query, key and value together; empty: alike. */
  readonly hidden: readonly number[];
  readonly outputs: number;
}

const readSelf = (r: AttrReader): SelfAttrs => ({
  ...readCore(r),
  hidden: r.ints("qkv_hidden_sizes", []),
  outputs: r.outputCount,
});

/** Where the operands of an attention that projects its input stand. */
interface Places {
  readonly mask: number;
  readonly past: number;
  /** −1: there is none. */
  readonly bias: number;
  /** Behind the last of them. */
  readonly end: number;
}

function selfExtents(a: SelfAttrs, ins: Types, at: Places) {
  const [x, w] = ins;
  if (!x || !w) {
    throw new OpError("one of its inputs is missing", "give the node all of its inputs");
  }
  const shape = dims(x), all = dims(w)[1];
  const hidden = a.hidden.length === 3 ? a.hidden : [all / 3, all / 3, all / 3];
  const fits = shape.length === 3 && w.shape.length === 2 && dims(w)[0] === shape[2];
  if (!fits || hidden[0] + hidden[1] + hidden[2] !== all || hidden[0] !== hidden[1]) {
    throw new OpError(
      `its weights [${dims(w)}] do not fit its input [${shape}]`,
      "they make query, key and value of [batch, sequence, size]",
    );
  }
  checkHeads(a.heads, ...hidden);
  const past = ins[at.past] ? dims(ins[at.past]!) : null;
  const size = hidden[0] / a.heads;
  if (past && (past.length !== 5 || past[0] !== 2 || past[4] !== size || hidden[2] !== hidden[0])) {
    throw new OpError(`its past has the shape [${past}]`, "it is [2, batch, heads, length, size]");
  }
  return { batch: shape[0], queries: shape[1], hidden, size, past: past?.[3] ?? 0 };
}

/** Whatever of the past lies in a buffer that the present one fills up is not read. */
function noBuffer(ins: Types, from: number): void {
  const i = ins.findIndex((t, at) => at >= from && t !== null);
  if (i < 0) return;
  throw new OpError(
    `its input ${i} tells how much of a shared buffer is the past`,
    "export the model with a past and a present of their own",
  );
}

function selfTypes(a: SelfAttrs, ins: Types, at: Places): readonly TensorType[] {
  noBuffer(ins, at.end);
  const e = selfExtents(a, ins, at), keys = e.past + e.queries;
  const mask = ins[at.mask];
  if (mask) {
    const attrs = { batch: e.batch, queries: e.queries, keys, filter: a.filter };
    maskBias.infer(attrs, [mask], () => undefined);
  }
  const bias = ins[at.bias];
  if (bias) broadcastShapes([dims(bias), [e.batch, a.heads, e.queries, keys]]);
  return [
    { dtype: "float32" as const, shape: [e.batch, e.queries, e.hidden[2]] },
    { dtype: "float32" as const, shape: [2, e.batch, a.heads, keys, e.size] },
  ].slice(0, a.outputs);
}

/** Attention of query, key and value that lie side by side in rows. */
function selfAttention(
  a: SelfAttrs,
  rows: Value,
  ins: readonly (Value | null)[],
  at: Places,
  g: Building,
): Value[] {
  const e = selfExtents(a, ins.map((v) => v?.type ?? null), at), [hq, hk] = e.hidden;
  const part = (from: number, to: number): Value => byHeads(g, g.slice(rows, 2, from, to), a.heads);
  const past = ins[at.past];
  const half = (i: number): Value | null =>
    past ? g.reshape(g.slice(past, 0, i, i + 1), dims(past.type).slice(1)) : null;
  const [y, k, v] = attend(g, a, {
    q: part(0, hq),
    k: part(hq, hq + hk),
    v: part(hq + hk, dims(rows.type)[2]),
    mask: ins[at.mask],
    bias: ins[at.bias],
    pastK: half(0),
    pastV: half(1),
  });
  const wide = (x: Value): Value => g.reshape(x, [1, ...dims(x.type)]);
  return a.outputs === 1 ? [y] : [y, g.concat([wide(k), wide(v)], 0)];
}

const SELF: Places = { mask: 3, past: 4, bias: 5, end: 6 };

/** Inputs x, weights of query, key and value, their bias, mask, past, what is added to scores. */
const projected: OpDef<SelfAttrs> = {
  name: "ProjectedAttention",
  onnx: microsoft("Attention", readSelf),
  infer(a, ins) {
    operand(ins, 0, "float32");
    return selfTypes(a, ins, SELF);
  },
  body: {
    kind: "expand",
    rewrite(a, ins, _, b) {
      const g = building(b), [x, w, bias] = ins, rows = g.matmul(x!, w!);
      return selfAttention(a, bias ? g.add(rows, bias) : rows, ins, SELF, g);
    },
  },
};

const QUANTIZED: Places = { mask: 5, past: 8, bias: -1, end: 9 };

/** The same of stored integers: x, weights, bias, their scales, mask, their zero points, past. */
const quantizedAttention: OpDef<SelfAttrs> = {
  name: "QAttention",
  postTraining: { integers: true },
  onnx: microsoft("QAttention", readSelf),
  infer(a, ins) {
    [0, 1].forEach((i) => operand(ins, i, "int"));
    [2, 3, 4].forEach((i) => operand(ins, i, "float32"));
    return selfTypes(a, ins, QUANTIZED);
  },
  body: {
    kind: "expand",
    rewrite(a, ins, _, b) {
      const [x, w, bias, sx, sw, , zx, zw] = ins;
      const [rows] = product(b, [x, w, sx, sw, zx, zw, bias]);
      return selfAttention(a, rows, ins, QUANTIZED, building(b));
    },
  },
};

interface MultiAttrs extends CoreAttrs {
  readonly outputs: number;
}

/** Sizes of query, key and value in whichever of their forms. */
function multiExtents(a: MultiAttrs, ins: Types) {
  const q = dims(operand(ins, 0, "float32")),
    k = ins[1] && dims(ins[1]),
    v = ins[2] && dims(ins[2]);
  const bad = (): OpError =>
    new OpError(
      `its operands [${q}], [${k ?? ""}], [${v ?? ""}] have none of its forms`,
      "use [batch, sequence, hidden] for each, or packed ones of five axes",
    );
  const [batch, queries] = q, { heads } = a;
  if (q.length === 5 && !k && !v && q[2] === heads && q[3] === 3) {
    return { batch, queries, keys: queries, size: q[4], vSize: q[4] };
  }
  if (q.length !== 3 || !k) throw bad();
  checkHeads(heads, q[2]);
  const size = q[2] / heads;
  if (k.length === 5 && !v && k[2] === heads && k[3] === 2 && k[4] === size) {
    return { batch, queries, keys: k[1], size, vSize: size };
  }
  if (!v || k.length !== v.length) throw bad();
  if (k.length === 4 && k[1] === heads && v[1] === heads && k[3] === size && k[2] === v[2]) {
    return { batch, queries, keys: k[2], size, vSize: v[3] };
  }
  if (k.length !== 3 || k[2] !== q[2] || k[1] !== v[1]) throw bad();
  checkHeads(heads, v[2]);
  return { batch, queries, keys: k[1], size, vSize: v[2] / heads };
}

/** Inputs query, key, value, their bias, mask of keys, what is added to scores, past key and value. */
const multiHeadAttention: OpDef<MultiAttrs> = {
  name: "MultiHeadAttention",
  onnx: microsoft("MultiHeadAttention", (r) => ({ ...readCore(r), outputs: r.outputCount })),
  infer(a, ins) {
    const e = multiExtents(a, ins), { dtype } = ins[0]!, past = ins[6] ? dims(ins[6])[2] : 0;
    const keys = e.keys + past, all = a.heads * (2 * e.size + e.vSize);
    if (ins[3] && `${dims(ins[3])}` !== `${[all]}`) {
      throw new OpError(`its bias is [${dims(ins[3])}]`, `it takes [${all}]`);
    }
    noBuffer(ins, 8);
    if (!ins[6] !== !ins[7]) throw new OpError("it has one past of two", "give keys and values");
    if (ins[4]) {
      const attrs = { batch: e.batch, queries: e.queries, keys, filter: a.filter };
      maskBias.infer(attrs, [ins[4]], () => undefined);
    }
    if (ins[5]) broadcastShapes([dims(ins[5]), [e.batch, a.heads, e.queries, keys]]);
    return [
      { dtype, shape: [e.batch, e.queries, a.heads * e.vSize] },
      { dtype, shape: [e.batch, a.heads, keys, e.size] },
      { dtype, shape: [e.batch, a.heads, keys, e.vSize] },
    ].slice(0, a.outputs);
  },
  body: {
    kind: "expand",
    rewrite(a, ins, _, b) {
      const g = building(b), [query, key, value, bias] = ins;
      const e = multiExtents(a, ins.map((v) => v?.type ?? null)), hidden = a.heads * e.size;
      // Packed operands hold each head's query, key and value behind one another.
      const packed = (x: Value, i: number): Value => {
        const [batch, length, heads, , size] = dims(x.type);
        const one = g.reshape(g.slice(x, 3, i, i + 1), [batch, length, heads, size]);
        return g.transpose(one, [0, 2, 1, 3]);
      };
      const part = (x: Value, from: number, to: number): Value =>
        byHeads(
          g,
          bias && x.type.shape.length === 3 ? g.add(x, g.slice(bias, 0, from, to)) : x,
          a.heads,
        );
      const alone = !key, pair = key && !value;
      const q = alone ? packed(query!, 0) : part(query!, 0, hidden);
      const k = alone ? packed(query!, 1) : pair ? packed(key, 0) : part(key!, hidden, 2 * hidden);
      const v = alone
        ? packed(query!, 2)
        : pair
        ? packed(key, 1)
        : part(value!, 2 * hidden, 2 * hidden + a.heads * e.vSize);
      return attend(g, a, {
        q,
        k,
        v,
        mask: ins[4],
        bias: ins[5],
        pastK: ins[6],
        pastV: ins[7],
      }).slice(0, a.outputs);
    },
  },
};

export const ops = [
  maskBias,
  projected,
  quantizedAttention,
  multiHeadAttention,
] as OpDef<unknown>[];
