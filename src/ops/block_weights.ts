/**
 * Products and look-ups whose weights are a few bits each, several to a byte, with a scale for every
 * block: what onnxruntime's 4-bit quantisers write.
 */
import { isFloat } from "../util/dtype.ts";
import { compute } from "../te/compute.ts";
import { bin, cast, floordiv, floormod, imm, load, mul, sub } from "../te/expr.ts";
import { sizeOf, tensor } from "../util/tensor.ts";
import type { Builder } from "../ir/build.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { axisNames } from "./axes.ts";
import { building } from "./building.ts";
import { axisIndex, operand, type Types } from "./common.ts";
import { gather } from "./gather.ts";
import { matmul, PLAIN } from "./matmul.ts";

const MICROSOFT = "com.microsoft";

interface UnpackAttrs {
  readonly bits: number;
  /** Elements of the last axis; the bytes may hold more. */
  readonly count: number;
  /** The first element of a byte is its upper bits. */
  readonly upperFirst: boolean;
}

/** Bytes [rows, bytes] as unsigned integers of a few bits [rows, count]. */
const unpack: OpDef<UnpackAttrs> = {
  name: "UnpackBits",
  onnx: [],
  infer: (a, ins) => [{ dtype: "uint8", shape: [dims(operand(ins, 0, "int"))[0], a.count] }],
  body: {
    kind: "compute",
    define({ bits, upperFirst }, [x], [out]) {
      const each = 8 / bits;
      return [compute("y", "uint8", dims(out), (row, i) => {
        const byte = cast("int32", load(x!, [row, floordiv(i, each)]));
        const place = floormod(i, each), at = upperFirst ? sub(each - 1, place) : place;
        return cast("uint8", bin("and", bin("shr", byte, mul(at, bits)), imm(2 ** bits - 1)));
      }, ["row", "i"])];
    },
  },
};

interface BlockAttrs {
  readonly axis: number;
  readonly block: number;
  /** The zero point where it is no input. */
  readonly zero: number;
}

/** (x − zero) · scale with a scale for every block along an axis. Inputs x, scales, zeros or null. */
const scaled: OpDef<BlockAttrs> = {
  name: "ScaleBlocks",
  onnx: [],
  infer: (_, ins) => [{ dtype: operand(ins, 1, "float").dtype, shape: ins[0]!.shape }],
  body: {
    kind: "compute",
    define(a, [x, scales, zeros], [out]) {
      const { dtype } = out;
      return [compute("y", dtype, dims(out), (...at) => {
        const block = at.map((v, i) => i === a.axis ? floordiv(v, a.block) : v);
        const zero = zeros ? cast(dtype, load(zeros, block)) : imm(a.zero, dtype);
        return mul(sub(cast(dtype, load(x!, at)), zero), load(scales!, block));
      }, axisNames(out.shape.length))];
    },
  },
};

interface ProductAttrs {
  /** Of the weight [n, k]. */
  readonly n: number;
  readonly k: number;
  readonly block: number;
}

/** The product of the input with a weight [n, k], of the types that the node's inputs have. */
function productType(a: ProductAttrs, x: TensorType): TensorType {
  const shape = dims(x);
  if (shape.length < 1 || shape.at(-1) !== a.k) {
    throw new OpError(
      `its input [${shape}] does not end in ${a.k} elements`,
      "it is a row of them",
    );
  }
  return { dtype: x.dtype, shape: shape.with(-1, a.n) };
}

const readProduct = (r: AttrReader): ProductAttrs => {
  const a = { n: r.int("N"), k: r.int("K"), block: r.int("block_size") };
  if (a.n < 1 || a.k < 1 || a.block < 1) {
    throw new OpError(`its K, N and block_size are ${a.k}, ${a.n} and ${a.block}`, "give sizes");
  }
  return a;
};

/** Refuses an operand that has not as many elements as the shape. */
function sized(ins: Types, input: number, shape: readonly number[]): void {
  const t = ins[input];
  if (!t) throw new OpError(`its input ${input} is missing`, "give the node all of its inputs");
  if (sizeOf(dims(t)) !== sizeOf(shape)) {
    throw new OpError(`its input ${input} has the shape [${dims(t)}]`, `it takes [${shape}]`);
  }
}

interface NBitsAttrs extends ProductAttrs {
  readonly bits: number;
}

/** Blocks of a row, and the bytes of its weights and zero points. */
const rowOf = (a: NBitsAttrs) => {
  const blocks = Math.ceil(a.k / a.block);
  return {
    blocks,
    weights: blocks * a.block * a.bits / 8,
    zeros: Math.ceil(blocks * a.bits / 8),
  };
};

function checkNBits(a: NBitsAttrs, ins: Types): void {
  const row = rowOf(a), [, , , zeros, groups, bias] = ins;
  operand(ins, 1, "int");
  operand(ins, 2, "float");
  sized(ins, 1, [a.n, row.weights]);
  sized(ins, 2, [a.n, row.blocks]);
  if (zeros) sized(ins, 3, [a.n, isFloat(zeros.dtype) ? row.blocks : row.zeros]);
  if (groups) sized(ins, 4, [a.k]);
  if (bias) sized(ins, 5, [a.n]);
}

/** The weight of MatMulNBits as floats [n, k]. */
function weightOf(a: NBitsAttrs, ins: readonly (Value | null)[], b: Builder): Value {
  const g = building(b), [, bytes, scales, zeros, groups] = ins, row = rowOf(a);
  const bits = (v: Value, count: number): Value =>
    g.apply(unpack, { bits: a.bits, count, upperFirst: false }, v);
  const q = bits(g.reshape(bytes!, [a.n, row.weights]), a.k);
  const all = g.reshape(scales!, [a.n, row.blocks]);
  const zero = !zeros
    ? null
    : isFloat(zeros.type.dtype)
    ? g.reshape(zeros, [a.n, row.blocks])
    : bits(g.reshape(zeros, [a.n, row.zeros]), row.blocks);
  // With groups, each column names its block.
  const each = (v: Value | null): Value | null =>
    v && groups ? g.apply(gather, { axis: 1 }, v, groups) : v;
  const attrs = { axis: 1, block: groups ? 1 : a.block, zero: 2 ** (a.bits - 1) };
  return g.apply(scaled, attrs, q, each(all), each(zero));
}

/** Inputs x, packed weights [n, blocks, bytes], scales, zero points, groups, bias. */
const matMulNBits: OpDef<NBitsAttrs> = {
  name: "MatMulNBits",
  onnx: [{
    domain: MICROSOFT,
    type: "MatMulNBits",
    since: 1,
    attrs(r) {
      const bits = r.int("bits", 4);
      r.int("accuracy_level", 0); // how onnxruntime computes it; this is exact
      if (![2, 4, 8].includes(bits)) throw new OpError(`its bits are ${bits}`, "use 2, 4 or 8");
      return { ...readProduct(r), bits };
    },
  }],
  infer(a, ins) {
    checkNBits(a, ins);
    return [productType(a, operand(ins, 0, "float"))];
  },
  body: {
    kind: "expand",
    rewrite(a, ins, _, b) {
      const w = weightOf(a, ins, b);
      return b.node(matmul, { ...PLAIN, transB: true }, [ins[0], w, ins[5] ?? null]);
    },
  },
};

/** What a number of four bits stands for in bitsandbytes' types. */
const FP4 = [0, 1 / 192, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4];
const BNB_VALUES = {
  fp4: [...FP4, ...FP4.map((v) => -v)],
  nf4: [
    -1,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1,
  ],
};

interface Bnb4Attrs extends ProductAttrs {
  readonly type: keyof typeof BNB_VALUES;
  /** The weight is [n, k]; else [k, n] is stored. */
  readonly transposed: boolean;
}

/** Inputs x, packed weights, the largest absolute value of every block. */
const matMulBnb4: OpDef<Bnb4Attrs> = {
  name: "MatMulBnb4",
  onnx: [{
    domain: MICROSOFT,
    type: "MatMulBnb4",
    since: 1,
    attrs: (r) => {
      r.int("training_mode", 0);
      return {
        ...readProduct(r),
        type: r.int("quant_type", 1) === 0 ? "fp4" : "nf4",
        transposed: r.int("transB", 1) !== 0,
      };
    },
  }],
  infer(a, ins) {
    operand(ins, 1, "int");
    operand(ins, 2, "float");
    sized(ins, 1, [Math.ceil(a.n * a.k / 2)]);
    sized(ins, 2, [Math.ceil(a.n * a.k / a.block)]);
    return [productType(a, operand(ins, 0, "float"))];
  },
  body: {
    kind: "expand",
    rewrite(a, [x, bytes, largest], [out], b) {
      const g = building(b), size = a.n * a.k;
      const packed = g.reshape(bytes!, [1, Math.ceil(size / 2)]);
      const q = g.apply(unpack, { bits: 4, count: size, upperFirst: true }, packed);
      const table = b.constant(tensor(out.dtype, [16], BNB_VALUES[a.type]));
      const values = g.apply(gather, { axis: 0 }, table, g.cast(q, "int32"));
      const scales = g.reshape(largest!, [1, Math.ceil(size / a.block)]);
      const flat = g.apply(scaled, { axis: 1, block: a.block, zero: 0 }, values, scales);
      const w = g.reshape(flat, a.transposed ? [a.n, a.k] : [a.k, a.n]);
      return [g.matmul(x!, w, a.transposed)];
    },
  },
};

interface GatherBlocksAttrs {
  readonly gatherAxis: number;
  readonly axis: number;
  readonly block: number;
  /** Of elements in bytes; the other types have their own. */
  readonly bits: number;
}

/** The elements of a tensor, those of bytes unpacked along the last axis. */
function elements(v: TensorType, bits: number): number[] {
  const shape = dims(v);
  return v.dtype === "uint8" ? shape.with(-1, shape.at(-1)! * 8 / bits) : shape;
}

function gatherShapes(a: GatherBlocksAttrs, ins: Types) {
  const x = ins[0], indices = operand(ins, 1, "int");
  if (!x) throw new OpError("its input is missing", "give the node all of its inputs");
  const shape = elements(x, a.bits), rank = shape.length;
  const at = axisIndex(a.gatherAxis, rank), axis = axisIndex(a.axis, rank);
  const scales = dims(operand(ins, 2, "float"));
  const fit = shape.map((n, i) => i === axis ? Math.ceil(n / a.block) : n);
  if (at === axis || `${fit}` !== `${scales}`) {
    throw new OpError(
      `its scales [${scales}] do not fit blocks of ${a.block} along axis ${axis} of [${shape}]`,
      "give one for every block, along another axis than is looked up",
    );
  }
  if (ins[3]) {
    const zeros = elements(ins[3], a.bits);
    const last = ins[3].dtype === "uint8"
      ? Math.ceil(scales.at(-1)! * a.bits / 8) * 8 / a.bits
      : scales.at(-1)!;
    if (`${zeros}` !== `${scales.with(-1, last)}`) {
      throw new OpError(
        `its zero points [${zeros}] do not fit its scales [${scales}]`,
        "give one for every block",
      );
    }
  }
  const y = [...shape.slice(0, at), ...dims(indices), ...shape.slice(at + 1)];
  const moved = axis > at ? axis + indices.shape.length - 1 : axis;
  return { at, moved, y, scales };
}

/** Inputs x (of 4 bits, or packed in bytes), indices, scales, zero points. */
const gatherBlockQuantized: OpDef<GatherBlocksAttrs> = {
  name: "GatherBlockQuantized",
  onnx: [{
    domain: MICROSOFT,
    type: "GatherBlockQuantized",
    since: 1,
    attrs: (r) => ({
      gatherAxis: r.int("gather_axis", 0),
      axis: r.int("quantize_axis", 1),
      block: r.int("block_size", 128),
      bits: r.int("bits", 4),
    }),
  }],
  infer: (a, ins) => [{ dtype: ins[2]!.dtype, shape: gatherShapes(a, ins).y }],
  body: {
    kind: "expand",
    rewrite(a, ins, _, b) {
      const g = building(b), [x, indices, scales, zeros] = ins;
      const s = gatherShapes(a, ins.map((v) => v?.type ?? null));
      const packed = x!.type.dtype === "uint8" && a.bits < 8;
      const whole = (v: Value, shape: readonly number[]): Value => {
        if (!packed) return v;
        const rows = dims(v.type).slice(0, -1).reduce((p, n) => p * n, 1), count = shape.at(-1)!;
        const bytes = g.reshape(v, [rows, dims(v.type).at(-1)!]);
        const attrs = { bits: a.bits, count, upperFirst: false };
        return g.reshape(g.apply(unpack, attrs, bytes), shape);
      };
      const looked = (v: Value): Value => g.apply(gather, { axis: s.at }, v, indices!);
      const q = looked(whole(x!, elements(x!.type, a.bits)));
      const zero = zeros ? looked(whole(zeros, s.scales)) : null;
      const middle = x!.type.dtype === "uint8" ? 2 ** (a.bits - 1) : 0;
      const attrs = { axis: s.moved, block: a.block, zero: middle };
      return [g.apply(scaled, attrs, q, looked(scales!), zero)];
    },
  },
};

export const ops = [
  unpack,
  scaled,
  matMulNBits,
  matMulBnb4,
  gatherBlockQuantized,
] as OpDef<unknown>[];
