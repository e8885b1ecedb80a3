/**
 * Functions of one stored byte. A chain of element-wise operators on a dequantised 8-bit tensor has
 * 256 possible values; they are computed here with the operators' own definitions.
 */
import { numbers, tensor, type TensorData } from "../util/tensor.ts";
import { compute, placeholder, type Tensor } from "../te/compute.ts";
import { type Expr, imm, type Indexable, load, rewrite, type Var, visit } from "../te/expr.ts";
import { evaluate } from "../te/interp.ts";
import { dims, type Node, type Value } from "../ir/graph.ts";
import type { Deq } from "../ir/quant.ts";
import { dequantizeLinear } from "../ops/mod.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { perTensor } from "./params.ts";

/** real = values[byte of q]: what is left of a chain of unary operators. */
export interface Lut {
  readonly k: "lut";
  readonly q: Value;
  /** float32 [256], by unsigned byte. */
  readonly values: TensorData;
  /** Whether a table is worth its kilobyte compared with computing the chain. */
  readonly costly: boolean;
}

/** Every stored value in the order of its unsigned byte. */
const allBytes = (dtype: "int8" | "uint8"): TensorData =>
  tensor(dtype, [256], Array.from({ length: 256 }, (_, i) => dtype === "int8" ? i << 24 >> 24 : i));

/** A dequantised tensor as a function of its byte; null where it is not one. */
export function lutOf(r: Deq): Lut | null {
  const { dtype } = r.q.type;
  if ((dtype !== "int8" && dtype !== "uint8") || !perTensor(r) || r.q.data) return null;
  const attrs = { axis: 0, scale: numbers(r.scale)[0], zero: numbers(r.zero)[0] };
  const [values] = evaluateNode(dequantizeLinear, attrs, [allBytes(dtype)]);
  return { k: "lut", q: r.q, values, costly: false };
}

/**
 * Applies an element-wise node to functions of the same byte and to constants of one element.
 *
 * @returns null where the node is not element-wise in that sense
 */
export function applyLut(n: Node, ins: readonly (Lut | TensorData | null)[]): Lut | null {
  const luts = ins.filter((x): x is Lut => x !== null && "k" in x);
  if (n.op.body.kind !== "compute" || n.outs.length !== 1 || !luts.length) return null;
  const { q } = luts[0], out = n.outs[0].type, shape = dims(q.type);
  if (luts.some((l) => l.q !== q) || out.dtype !== "float32") return null;
  if (dims(out).length !== shape.length || dims(out).some((d, i) => d !== shape[i])) return null;

  const tensors = ins.map((x, i) =>
    x &&
    ("k" in x ? placeholder(`in${i}`, "float32", shape) : placeholder(`c${i}`, x.dtype, x.shape))
  );
  const stages = n.op.body.define(n.attrs, tensors, [out]);
  if (stages.length !== 1 || stages[0].body.k === "reduce") return null;
  const [{ axes, body }] = stages;

  const tables = new Map<Tensor, TensorData>();
  const source = new Map<Indexable, Lut | TensorData>();
  const byLut = new Map<Lut, Tensor>();
  tensors.forEach((t, i) => t && source.set(t, ins[i]!));
  let elementWise = true;
  const stage = compute("y", "float32", [256], (i) =>
    rewrite(body, (e): Expr | undefined => {
      if (e.k !== "load") return undefined;
      const from = source.get(e.src);
      if (!from) return undefined;
      if (!("k" in from)) {
        elementWise &&= from.data.length === 1;
        return imm(from.data[0], from.dtype);
      }
      elementWise &&= e.idx.every((x, d) =>
        x === axes[d] || (shape[d] === 1 && x.k === "imm" && x.value === 0)
      );
      let t = byLut.get(from);
      if (!t) byLut.set(from, t = placeholder(`t${byLut.size}`, "float32", [256]));
      tables.set(t, from.values);
      return load(t, [i]);
    }));
  let costly = luts.some((l) => l.costly);
  visit(stage.body, (e) => {
    elementWise &&= !(e.k === "var" && axes.includes(e as Var));
    costly ||= e.k === "call" || (e.k === "bin" && e.op === "div");
  });
  if (!elementWise) return null;
  const values = evaluate([stage], tables).get(stage.out)!;
  return { k: "lut", q, values, costly };
}
