/**
 * Element types that are storage only: what merely moves elements takes them as they are, any other
 * operator is given float32 (or 8-bit integers) and its result is converted back, rounded once.
 */
import { type DType, DTYPES, isStored } from "../util/dtype.ts";
import type { Builder } from "../ir/build.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import type { Value } from "../ir/graph.ts";
import { cast } from "../ops/mod.ts";

/** Makes a node from its inputs; throws where the operator does not take them. */
export type Make = (ins: readonly (Value | null)[], outNames: readonly string[]) => Value[];

/** Where conversions go, and what the file says of the outputs. */
export interface WidenContext {
  readonly b: Builder;
  /** Declared element type of a value. */
  declared(name: string): DType | null;
}

const wide = (d: DType): DType => DTYPES[d].kind === "float" ? "float32" : DTYPES[d].carrier!;

/** A conversion, computed where the value is known. */
function converted(v: Value, to: DType, b: Builder): Value {
  if (v.type.dtype === to) return v;
  if (!v.data) return b.node(cast, { to }, [v])[0];
  return b.constant(evaluateNode(cast, { to }, [v.data])[0], `${v.name}_${to}`);
}

/** The outputs of a node whose inputs may be of types that are storage only. */
export function widened(
  ins: readonly (Value | null)[],
  outNames: readonly string[],
  make: Make,
  { b, declared }: WidenContext,
): Value[] {
  const stored = ins.flatMap((v) => v && isStored(v.type.dtype) ? [v.type.dtype] : []);
  if (stored.length === 0) return make(ins, outNames);
  const float = stored.find((d) => DTYPES[d].kind === "float");
  try {
    return make(ins, outNames);
  } catch { // What the operator says of wider types is what counts.
  }
  const narrow = (v: Value, name: string): Value => {
    const want = declared(name);
    const to = v.type.dtype !== "float32" || (want !== null && !isStored(want)) ? want : float;
    return to && isStored(to) && !isStored(v.type.dtype) ? converted(v, to, b) : v;
  };
  return make(
    ins.map((v) => v && isStored(v.type.dtype) ? converted(v, wide(v.type.dtype), b) : v),
    outNames.map((x) => x && `${x}_wide`),
  )
    .map((v, i) => outNames[i] ? narrow(v, outNames[i]) : v);
}
