/** What the operators of ai.onnx.ml share: bindings, labels, and what becomes of scores. */
import { tensor } from "../util/tensor.ts";
import type { Builder } from "../ir/build.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { type AttrReader, type OnnxBinding, OpError } from "../ir/opdef.ts";
import { sigmoid } from "./activation.ts";
import { argMax } from "./arg.ts";
import { cast } from "./cast.ts";
import { gather } from "./gather.ts";
import { softmax } from "./softmax.ts";

/** A binding of ai.onnx.ml. */
export const ml = <A>(
  type: string,
  attrs: (r: AttrReader) => A,
  since = 1,
): OnnxBinding<A> => ({ domain: "ai.onnx.ml", type, since, attrs });

/** [N, C] of an input of [N, C] or [C]. */
export function rows(t: TensorType | null): [number, number] {
  if (!t) throw new OpError("its input is missing", "give the node its input");
  const shape = dims(t);
  if (shape.length === 1) return [1, shape[0]];
  if (shape.length !== 2) throw new OpError(`its input has ${shape.length} axes`, "it takes rows");
  return [shape[0], shape[1]];
}

const TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"] as const;
export type Transform = typeof TRANSFORMS[number];

/** What is done to the scores at the end. */
export function readTransform(r: AttrReader): Transform {
  const name = r.string("post_transform", "NONE");
  const found = TRANSFORMS.find((t) => t === name);
  // With no score of exactly 0, SOFTMAX_ZERO is SOFTMAX; telling them apart is not supported.
  if (found && found !== "SOFTMAX_ZERO") return found;
  throw new OpError(`its post_transform is ${name}`, "use NONE, SOFTMAX or LOGISTIC");
}

export function transformed(v: Value, how: Transform, b: Builder): Value {
  if (how === "SOFTMAX") return b.node(softmax, { axis: -1, flatten: false }, [v])[0];
  return how === "LOGISTIC" ? b.node(sigmoid, null, [v])[0] : v;
}

/** The integer labels of the classes, by either name; texts are refused. */
export function readLabels(r: AttrReader, ints: string, texts: string): readonly number[] {
  const labels = r.ints(ints, []);
  if (labels.length > 0) return labels;
  if (r.strings(texts, []).length > 0) {
    throw new OpError("its labels are texts", "train with integer labels");
  }
  throw new OpError("it has no labels");
}

/** The label of the greatest score of each row. */
export function bestLabel(scores: Value, labels: readonly number[], b: Builder): Value {
  const [best] = b.node(argMax, { axis: 1, keepDims: false, last: false }, [scores]);
  if (labels.every((l, i) => l === i)) return best;
  const table = b.constant(tensor("int64", [labels.length], labels));
  return b.node(gather, { axis: 0 }, [table, best])[0];
}

/** The input as float32. */
export const asFloat = (v: Value, b: Builder): Value =>
  v.type.dtype === "float32" ? v : b.node(cast, { to: "float32" }, [v])[0];
