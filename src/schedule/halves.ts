/** Constants that exceed a byte as the sum of two that do not, for cores whose products are of bytes. */
import { intRange } from "../util/dtype.ts";
import { tensor } from "../util/tensor.ts";
import { placeholder } from "../te/compute.ts";
import { cast, type Expr, load, mul, type ReduceAxis, variable } from "../te/expr.ts";
import { type Product, productOf } from "./product.ts";
import { plainStage, refuse, replaceStage, type Stage, stageOf, type State } from "./state.ts";

/**
 *     acc[…] = b + Σ k: x[…, k]·w[…, k]
 *   →
 *     acc[…] = b + Σ half, k: x[…, k]·w′[half, …, k],   w = w′[0] + w′[1]
 *
 * uint8 weights less their zero point are such constants.
 */
export interface HalvesStep {
  readonly do: "halves";
  readonly stage: string;
}

const { min, max } = intRange("int8");

const clamped = (v: number): number => Math.max(min, Math.min(max, v));

/** The product, where its constant becomes two halves; a text says why it does not. */
function halved(s: State, st: Stage): string | {
  readonly product: Product;
  readonly weights: Extract<Expr, { k: "load" }>;
  readonly values: readonly number[];
} {
  const product = productOf(s, st);
  if (typeof product === "string") return product;
  const { weights: e } = product;
  if (e.k !== "cast" || e.a.k !== "load" || e.a.dtype !== "int16") {
    return "its constant is no int16";
  }
  const values = Array.from(s.consts.get(e.a.src)!.data, Number);
  if (values.every((v) => v === clamped(v))) return "its constant is one of bytes";
  const rest = values.map((v) => v - clamped(v));
  if (rest.some((v) => v !== clamped(v))) return "two bytes do not hold its constant";
  return { product, weights: e.a, values };
}

/** Whether the step fits. */
export const canHalve = (s: State, st: Stage): boolean => typeof halved(s, st) !== "string";

export function halves(s: State, step: HalvesStep): State {
  const st = stageOf(s, step.stage), found = halved(s, st);
  if (typeof found === "string") {
    refuse(`halve the constant of ${step.stage}`, found, "leave it as it is");
  }
  const { product: { reduce, activation }, weights, values } = found;
  const half: ReduceAxis = { v: variable("half", "int32", [0, 1]), extent: 2 };
  const shape = [2, ...weights.src.shape!];
  const two = placeholder(`${weights.src.name}_halves`, "int8", shape);
  const bytes = values.map(clamped);
  const data = tensor("int8", shape, [...bytes, ...values.map((v, i) => v - bytes[i])]);
  const body = {
    ...reduce,
    axes: [half, ...reduce.axes],
    body: mul(activation, cast("int32", load(two, [half.v, ...weights.idx]))),
  };
  return {
    ...replaceStage(s, st.name, plainStage({ ...st.compute, body })),
    consts: new Map([...s.consts, [two, data]]),
  };
}
