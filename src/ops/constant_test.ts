import assert from "node:assert/strict";
import { floatAttr, model, node, value } from "../../tests/onnx_builder.ts";
import { importModel } from "../onnx/import.ts";

/** The constant that a node of these attributes is. */
function constant(attrs: Record<string, unknown>, dtype: "float32" | "int64", dims: number[]) {
  const file = model({
    inputs: [],
    outputs: [value("c", dtype, dims)],
    nodes: [node("Constant", [], ["c"], attrs as never)],
  });
  return importModel(file, { dims: {} }).graph.outputs[0].data!;
}

Deno.test("Constant: one number or several, of either type", () => {
  assert.deepEqual(constant({ value_ints: [3, -4] }, "int64", [2]).data, BigInt64Array.of(3n, -4n));
  assert.deepEqual(constant({ value_int: 7 }, "int64", []).data, BigInt64Array.of(7n));
  assert.deepEqual(
    constant({ value_floats: floatAttr(0.5) }, "float32", [1]).data,
    Float32Array.of(0.5),
  );
  assert.deepEqual(constant({ value_float: floatAttr(0.25) }, "float32", []).shape, []);
});

Deno.test("Constant: without a value, or of texts, it is refused with the reason", () => {
  assert.throws(() => constant({}, "int64", []), /it has no value/);
  assert.throws(
    () => constant({ value_string: "a" }, "int64", []),
    /its attribute 'value_string' is of a kind that is not supported/,
  );
});
