/** Constant nodes: the attribute in one of its forms is the value. */
import { tensor, type TensorData } from "../util/tensor.ts";
import { OpError } from "../ir/opdef.ts";
import type { NodeView, TensorView } from "./reader.ts";
import { tensorData } from "./tensors.ts";

/** The value of a Constant node. */
export function constantNode(n: NodeView, name: string): TensorData {
  const a = n.attributes.find((a) => a.name.startsWith("value") || a.name === "sparse_value");
  if (!a) throw new OpError("it has no value");
  switch (`${a.name} ${a.kind}`) {
    case "value tensor": {
      const t = a.value as TensorView;
      return tensorData(t.name ? t : { ...t, name });
    }
    case "value_float float":
      return tensor("float32", [], [a.value as number]);
    case "value_floats floats":
      return list("float32", a.value as number[]);
    case "value_int int":
      return tensor("int64", [], [integer(a.value as number)]);
    case "value_ints ints":
      return list("int64", (a.value as number[]).map(integer));
  }
  throw new OpError(`its attribute '${a.name}' is of a kind that is not supported`);
}

const list = (dtype: "float32" | "int64", values: readonly (number | bigint)[]): TensorData =>
  tensor(dtype, [values.length], values);

/** The largest int64 is not a number of its own in doubles; saturating restores it. */
const integer = (x: number): bigint => BigInt.asIntN(64, x >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(x));
