import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { type DType, DTYPES, packedBits } from "../util/dtype.ts";
import { tensor as dense } from "../util/tensor.ts";
import { model, rawTensor, tensor, value } from "../../tests/onnx_builder.ts";
import { readModel, type TensorView } from "./reader.ts";
import { tensorData } from "./tensors.ts";
import type proto from "onnx-proto";

const stored = (t: proto.onnx.ITensorProto): TensorView =>
  readModel(model({ initializers: [t], outputs: [value("y", "float32", [1])] })).graph
    .initializers[0];
const read = (t: proto.onnx.ITensorProto) => tensorData(stored(t));
const bytesOf = (a: ArrayBufferView): Uint8Array =>
  new Uint8Array(a.buffer as ArrayBuffer, a.byteOffset, a.byteLength);

/** Values that show the sign, the width and the order of the bytes. */
const VALUES: Readonly<Record<DType, readonly (number | bigint)[]>> = {
  bool: [0, 1, 1, 0],
  int8: [-128, -1, 0, 127],
  uint8: [0, 1, 128, 255],
  int16: [-32768, -2, 258, 32767],
  uint16: [0, 258, 32768, 65535],
  int32: [-2147483648, -2, 66051, 2147483647],
  uint32: [0, 66051, 2147483648, 4294967295],
  int64: [-(2n ** 63n), -2n, 72623859790382856n, 2n ** 63n - 1n],
  uint64: [0n, 72623859790382856n, 2n ** 63n, 2n ** 64n - 1n],
  float16: [0x3c00, 0xbc00, 0x7bff, 0x0001],
  bfloat16: [0x3f80, 0xbf80, 0x7f7f, 0x0001],
  float32: [-0.10000000149011612, 3.4028234663852886e38, 1.401298464324817e-45, Infinity],
  float64: [-0.1, 1.7976931348623157e308, 5e-324, -Infinity],
  float8e4m3fn: [0, 127, 128, 255],
  float8e4m3fnuz: [0, 127, 128, 255],
  float8e5m2: [0, 127, 128, 255],
  float8e5m2fnuz: [0, 127, 128, 255],
  float8e8m0: [0, 127, 128, 255],
  float4e2m1: [0, 7, 8, 15],
  int4: [-8, -1, 0, 7],
  uint4: [0, 7, 8, 15],
  int2: [-2, -1, 0, 1],
  uint2: [0, 1, 2, 3],
};

/** Types whose elements fill whole bytes. */
const WHOLE = (Object.keys(DTYPES) as DType[]).filter((d) => packedBits(d) >= 8);

Deno.test("elements of 4 and 2 bits lie in bytes from the lowest on, whatever list holds them", () => {
  const cases: [DType, number[], number[]][] = [
    ["int4", [0x87, 0x0f], [7, -8, -1]],
    ["uint4", [0x87, 0x0f], [7, 8, 15]],
    ["float4e2m1", [0x87, 0x0f], [7, 8, 15]],
    ["int2", [0b00011011], [-1, -2, 1]],
    ["uint2", [0b00011011], [3, 2, 1]],
  ];
  for (const [dtype, packed, values] of cases) {
    const expected = dense(dtype, [3], values);
    assert.deepEqual(read(rawTensor("w", dtype, [3], new Uint8Array(packed))), expected, dtype);
    assert.deepEqual(read(tensor("w", dtype, [3], packed)), expected, dtype);
  }
});

Deno.test("every element type is read from raw bytes, at any alignment", () => {
  for (const dtype of WHOLE) {
    const expected = dense(dtype, [2, 2], VALUES[dtype]);
    // A longer name moves the bytes within the file.
    for (const name of ["w", "ww", "www", "wwww"]) {
      const got = read(rawTensor(name, dtype, [2, 2], bytesOf(expected.data)));
      assert.deepEqual(got, expected, dtype);
    }
  }
});

Deno.test("every element type is read from its list", () => {
  for (const dtype of WHOLE) {
    // protobufjs writes int64 through doubles, which hold these exactly.
    const big = dtype === "int64" || dtype === "uint64";
    const values = big ? [0, 5, 4294967296, 2 ** 52 + 1] : VALUES[dtype].map(Number);
    assert.deepEqual(read(tensor("w", dtype, [4], values)), dense(dtype, [4], values), dtype);
  }
  assert.deepEqual(
    read(tensor("w", "int64", [2], [-1, -(2 ** 40)])),
    dense("int64", [2], [-1, -(2 ** 40)]),
  );
});

Deno.test("scalars and tensors without elements", () => {
  assert.deepEqual(read(tensor("w", "float32", [], [2])), dense("float32", [], [2]));
  assert.deepEqual(read(tensor("w", "float32", [0, 3], [])), dense("float32", [0, 3], []));
  assert.deepEqual(
    read(rawTensor("w", "int8", [0], new Uint8Array())),
    dense("int8", [0], []),
  );
});

Deno.test("a bool of any non-zero byte is 1", () => {
  assert.deepEqual(
    read(rawTensor("w", "bool", [3], Uint8Array.from([0, 2, 255]))),
    dense("bool", [3], [0, 1, 1]),
  );
});

Deno.test("the elements are a copy", () => {
  const view = stored(rawTensor("w", "uint8", [2], Uint8Array.from([1, 2])));
  const data = tensorData(view);
  view.raw![0] = 9;
  assert.deepEqual([...data.data], [1, 2]);
});

Deno.test("what cannot be read is refused by name", () => {
  const cases: [proto.onnx.ITensorProto, string, RegExp][] = [
    [{ ...tensor("w", "float32", [1], [1]), dataType: 14 }, "model/unsupported-type", /complex64/],
    [
      { ...tensor("w", "float32", [1], [1]), segment: { begin: 0, end: 1 } },
      "model/malformed",
      /'w'/,
    ],
    [tensor("w", "float32", [2 ** 31], []), "model/malformed", /2147483648 elements/],
    [tensor("", "float32", [2], [1]), "model/malformed", /a tensor holds 1 elements/],
  ];
  for (const [t, code, text] of cases) {
    assert.throws(() => read(t), (e) => {
      assert(e instanceof BurinError);
      assert.equal(e.code, code);
      assert.match(e.message, text);
      return true;
    });
  }
});
