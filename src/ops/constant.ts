/** Constant: a node that is a tensor. */
import { tensor, type TensorData } from "../util/tensor.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { onnx } from "./common.ts";

/** The largest int64 is not a number of its own in doubles; saturating restores it. */
const integer = (x: number): bigint => BigInt.asIntN(64, x >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(x));

const list = (dtype: "float32" | "int64", values: readonly (number | bigint)[]): TensorData =>
  tensor(dtype, [values.length], values);

/** The forms of the value. */
const FORMS: Readonly<Record<string, (r: AttrReader, name: string) => TensorData>> = {
  value: (r, name) => r.tensor(name),
  value_float: (r, name) => tensor("float32", [], [r.float(name)]),
  value_floats: (r, name) => list("float32", r.floats(name)),
  value_int: (r, name) => tensor("int64", [], [integer(r.int(name))]),
  value_ints: (r, name) => list("int64", r.ints(name).map(integer)),
};
const UNREADABLE = ["value_string", "value_strings", "sparse_value"];

function read(r: AttrReader): TensorData {
  const form = Object.entries(FORMS).find(([name]) => r.has(name));
  if (form) return form[1](r, form[0]);
  const other = UNREADABLE.find((name) => r.has(name));
  if (!other) throw new OpError("it has no value");
  throw new OpError(`its attribute '${other}' is of a kind that is not supported`);
}

const constant: OpDef<TensorData> = {
  name: "Constant",
  onnx: [onnx("Constant", 1, read)],
  infer: (t) => [{ dtype: t.dtype, shape: t.shape }],
  literal: (t) => t,
  body: { kind: "expand", rewrite: (t, _, __, b) => [b.constant(t)] },
};

export const ops = [constant] as OpDef<unknown>[];
