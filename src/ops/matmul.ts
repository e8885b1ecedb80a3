/** Matrix products: MatMul with numpy's broadcasting is the one definition, for floats and integers. */
import { type DType, isFloat } from "../util/dtype.ts";
import { axis, type Compute, compute, sum, type Tensor } from "../te/compute.ts";
import { add, cast, type Expr, imm, load, mul, type Var } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import type { Acc, QuantRule } from "../ir/quant.ts";
import { cast as castOp } from "./cast.ts";
import { accumulate, constantZeros, type IntegerAttrs, zeroPoint } from "./integer.ts";

/**
 * Inputs a [batch…, M, K], b [batch…, K, N], bias (broadcast to the output) or null, and, where they
 * are only known at run time, the zero points of a ([] or [M]) and b ([] or [N]). One operand may be
 * a vector, as in numpy.
 */
export interface MatMulAttrs extends IntegerAttrs {
  /** The last two axes of a, of b are exchanged. */
  readonly transA: boolean;
  readonly transB: boolean;
}

/** Attributes of a plain product. */
export const PLAIN: MatMulAttrs = {
  transA: false,
  transB: false,
  xZero: 0,
  wZero: 0,
  acc: "int32",
};

interface Extents {
  readonly batch: readonly number[];
  /** null where the operand is a vector. */
  readonly m: number | null;
  readonly n: number | null;
  readonly k: number;
}

function extents(at: MatMulAttrs, a: readonly number[], b: readonly number[]): Extents {
  if (!a.length || !b.length) throw new OpError("one of its operands is a scalar");
  const m = a.length === 1 ? null : a[a.length - (at.transA ? 1 : 2)];
  const n = b.length === 1 ? null : b[b.length - (at.transB ? 2 : 1)];
  const k = a[a.length - (at.transA && m !== null ? 2 : 1)];
  const kb = b[b.length - (n === null || at.transB ? 1 : 2)];
  const ba = a.slice(0, -2), bb = b.slice(0, -2);
  const rank = Math.max(ba.length, bb.length);
  const batch = Array.from({ length: rank }, (_, i) => {
    const x = ba[i - rank + ba.length] ?? 1, y = bb[i - rank + bb.length] ?? 1;
    return x === y || y === 1 ? x : x === 1 ? y : -1;
  });
  if (k !== kb || batch.includes(-1)) {
    throw new OpError(`its operands [${a}] and [${b}] do not fit each other`);
  }
  return { batch, m, n, k };
}

const present = (...xs: readonly (number | null)[]): number[] => xs.filter((x) => x !== null);

function infer(at: MatMulAttrs, ins: readonly (TensorType | null)[]): readonly TensorType[] {
  const [a, b, bias] = ins;
  if (!a || !b) throw new OpError("one of its operands is missing");
  const e = extents(at, dims(a), dims(b));
  if (isFloat(a.dtype) && b.dtype !== a.dtype) {
    throw new OpError(`its operands are ${a.dtype} and ${b.dtype}`);
  }
  const shape = [...e.batch, ...present(e.m, e.n)];
  const fits = (s: readonly number[]): boolean =>
    s.length <= shape.length && s.every((d, i) => d === 1 || d === shape.at(i - s.length));
  if (bias && !fits(dims(bias))) {
    throw new OpError(`its bias [${dims(bias)}] does not fit the product [${shape}]`);
  }
  const dtype: DType = isFloat(a.dtype) ? a.dtype : at.acc;
  return [{ dtype, shape }];
}

/** The element of a tensor that broadcasts to the axes `at`. */
const broadcast = (t: Tensor, at: readonly Var[]): Expr =>
  load(t, t.shape.map((n, i) => n === 1 ? 0 : at[at.length - t.shape.length + i]));

function define(
  at: MatMulAttrs,
  ins: readonly (Tensor | null)[],
  [out]: readonly TensorType[],
): readonly Compute[] {
  const [a, b, bias] = ins as readonly [Tensor, Tensor, Tensor | null];
  const e = extents(at, a.shape, b.shape);
  const k = axis("k", e.k), dtype = out.dtype;
  const operand = (t: Tensor, batch: readonly Var[], row: Var[], col: Var[], swap: boolean) => {
    const last = swap && t.shape.length > 1 ? [...col, ...row] : [...row, ...col];
    const outer = t.shape.slice(0, -last.length).map((n, i, s) =>
      n === 1 ? imm(0) : batch[batch.length - s.length + i]
    );
    return cast(dtype, load(t, [...outer, ...last]));
  };
  const names = [...e.batch.map((_, i) => `b${i}`), ...(e.m === null ? [] : ["m"]), "n"];
  return [compute("y", dtype, dims(out), (...o) => {
    const batch = o.slice(0, e.batch.length), rest = o.slice(e.batch.length);
    const m = e.m === null ? [] : [rest[0]], n = e.n === null ? [] : [rest[rest.length - 1]];
    const x = zeroPoint(operand(a, batch, m, [k.v], at.transA), at.xZero, ins[3], m);
    const w = zeroPoint(operand(b, batch, [k.v], n, at.transB), at.wZero, ins[4], n);
    const init = bias ? cast(dtype, broadcast(bias, o)) : imm(0, dtype);
    return sum([k], mul(x, w), { init });
  }, names)];
}

/** Deq × Deq gives an accumulator with scale float32(sa·sb), one for every column or one in all. */
const quantized: QuantRule<MatMulAttrs> = (at, [x, w, bias], ctx): Acc | null => {
  if (x?.k !== "deq" || w?.k !== "deq") return null;
  const rank = w.q.type.shape.length;
  if (rank < 2 || (bias && biasRows(bias) > 1)) return null;
  const e = extents(at, dims(x.q.type), dims(w.q.type));
  const channelAxis = rank - (at.transB ? 2 : 1);
  const r = accumulate({ x, w, bias: bias ?? null, terms: e.k, channelAxis }, ctx);
  if (!r) return null;
  const [acc] = ctx.b.node(matmul, { ...at, ...r.attrs }, [r.x, r.w, r.bias]);
  return { k: "acc", acc, scale: r.scale, axis: acc.type.shape.length - 1, lo: null, hi: null };
};

/** Elements of a bias that are not along the columns. */
function biasRows(r: Parameters<QuantRule<MatMulAttrs>>[1][number]): number {
  const v = r?.k === "deq" ? r.q : r?.k === "flt" ? r.x : null;
  return v ? dims(v.type).slice(0, -1).reduce((a, b) => a * b, 1) : 2;
}

export const matmul: OpDef<MatMulAttrs> = {
  name: "MatMul",
  postTraining: {
    range: "own",
    operands: 2,
    weight: { channelAxis: (_, rank) => rank - 1, reads: "rows", bias: null, computed: true },
    takesClamp: true,
  },
  onnx: [{ domain: "", type: "MatMul", since: 1, attrs: () => PLAIN }],
  infer,
  body: { kind: "compute", define },
  quantized,
  cost: (at, { ins, outs }) => ({
    macs: dims(outs[0]).reduce((p, n) => p * n, 1) * extents(at, dims(ins[0]!), dims(ins[1]!)).k,
  }),
};

/** Products of stored integers; zero points are inputs 2 and 3. */
export const matmulInteger: OpDef<MatMulAttrs> = {
  name: "MatMulInteger",
  postTraining: { integers: true },
  onnx: [{ domain: "", type: "MatMulInteger", since: 10, attrs: () => PLAIN }],
  infer: (at, [a, b]) => infer(at, [a, b]),
  body: {
    kind: "expand",
    rewrite(at, [a, b, aZero = null, bZero = null], _, bld) {
      const z = constantZeros(bld, b!, [aZero, bZero], b!.type.shape.length - 1);
      return bld.node(matmul, { ...at, ...z.attrs }, [a, z.w, null, ...z.inputs]);
    },
  },
};

/** Products of int16, whose sums are those of int64 cut to int32. */
const matmulInteger16: OpDef<MatMulAttrs> = {
  name: "MatMulInteger16",
  onnx: [{ domain: "com.microsoft", type: "MatMulInteger16", since: 1, attrs: () => PLAIN }],
  infer: (at, [a, b]) => infer(at, [a, b]),
  body: {
    kind: "expand",
    rewrite(at, [a, b], _, bld) {
      const wide = bld.node(matmul, { ...at, acc: "int64" as const }, [a, b]);
      return bld.node(castOp, { to: "int32" }, wide);
    },
  },
};

export interface GemmAttrs {
  readonly alpha: number;
  readonly beta: number;
  readonly transA: boolean;
  readonly transB: boolean;
}

/** y = alpha · a' · b' + beta · c. */
export const gemm: OpDef<GemmAttrs> = {
  name: "Gemm",
  postTraining: {
    range: "own",
    operands: 2,
    weight: {
      channelAxis: (attrs) => attrs.int("transB", 0) ? 0 : 1,
      reads: "rows",
      bias: 2,
      factors: [{ attribute: "alpha", input: 1 }, { attribute: "beta", input: 2 }],
      plain: (attrs) => attrs.int("transA", 0) === 0,
    },
    takesClamp: true,
  },
  onnx: [{
    domain: "",
    type: "Gemm",
    since: 1,
    attrs: (r: AttrReader) => ({
      alpha: r.float("alpha", 1),
      beta: r.float("beta", 1),
      transA: r.int("transA", 0) !== 0,
      transB: r.int("transB", 0) !== 0,
    }),
  }],
  infer({ transA, transB }, ins) {
    const ranks = ins.slice(0, 2).map((t) => t?.shape.length ?? 2);
    if (ranks.some((rank) => rank !== 2)) {
      throw new OpError(`its inputs have ${ranks.join(" and ")} axes`, "it takes matrices");
    }
    return infer({ ...PLAIN, transA, transB }, ins);
  },
  body: {
    kind: "expand",
    rewrite(at, [a, b, c = null], _, bld) {
      const plain = { ...PLAIN, transA: at.transA, transB: at.transB };
      if (at.alpha === 1 && (!c || at.beta === 1)) return bld.node(matmul, plain, [a, b, c]);
      const [product] = bld.node(matmul, plain, [a, b]);
      return bld.node(gemmScale, { alpha: at.alpha, beta: at.beta }, [product, c]);
    },
  },
};

/** The element-wise tail of a Gemm whose factors are not 1: alpha · product + beta · c. */
const gemmScale: OpDef<{ alpha: number; beta: number }> = {
  name: "GemmScale",
  onnx: [],
  infer: (_, [product]) => [product!],
  body: {
    kind: "compute",
    define({ alpha, beta }, [product, c], [out]) {
      return [compute("y", out.dtype, dims(out), (...at) => {
        const scaled = mul(load(product!, at), imm(alpha, out.dtype));
        return c ? add(scaled, mul(broadcast(c, at), imm(beta, out.dtype))) : scaled;
      }, ["m", "n"])];
    },
  },
};

export const ops: readonly OpDef<unknown>[] = [
  matmul,
  matmulInteger,
  matmulInteger16,
  gemm,
  gemmScale,
] as OpDef<unknown>[];
