/**
 * How quantised graphs become integer graphs: every float value of a QDQ graph is known by one of
 * these representations, and each operator says what it makes of them (DESIGN: arithmetic).
 */
import type { TensorData } from "../util/tensor.ts";
import type { Value } from "./graph.ts";
import type { Builder } from "./build.ts";

/** scale (float32, [] or [n] along `axis`) and zero point (an integer type, the same shape). */
export interface QParams {
  readonly scale: TensorData;
  readonly zero: TensorData;
  readonly axis: number;
}

/** real = float32(float32(q − zero) × scale): a stored integer tensor that was dequantised. */
export interface Deq extends QParams {
  readonly k: "deq";
  readonly q: Value;
}

/** real = acc × scale exactly; clip bounds (real numbers) wait for the quantisation. */
export interface Acc {
  readonly k: "acc";
  /** Integer accumulators, int32 or int64. */
  readonly acc: Value;
  /** float32, [] or [n] along `axis`. */
  readonly scale: TensorData;
  readonly axis: number;
  readonly lo: number | null;
  readonly hi: number | null;
}

/** A float32 value computed in float. */
export interface Flt {
  readonly k: "flt";
  readonly x: Value;
}

export type Rep = Deq | Acc | Flt;

/** Access to representations while a node is rewritten. */
export interface QuantContext {
  readonly b: Builder;
  /** Materialises a representation as a float32 value. */
  float(r: Rep): Value;
}

/** Returns the output's representation, or null to compute on floats instead. */
export type QuantRule<A> = (
  a: A,
  ins: readonly (Rep | null)[],
  ctx: QuantContext,
) => Rep | null;
