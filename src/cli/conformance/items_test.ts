import assert from "node:assert/strict";
import { datumOf, elementsOf, tensorsIn } from "./items.ts";

/** A field with a length. */
const field = (number: number, bytes: number[]) => [number * 8 + 2, bytes.length, ...bytes];
const kind = (n: number) => [2 * 8, n];
/** TensorProto of int32 numbers along one axis. */
const tensor = (...xs: number[]) => [8, xs.length, 16, 6, ...xs.flatMap((x) => [5 * 8, x])];
const data = (bytes: number[], of: string) =>
  tensorsIn(datumOf(Uint8Array.from(bytes), of)).map((t) => [...t.data].map(Number));

Deno.test("sequences and optionals of test data are read as ONNX writes them", () => {
  const two = [...field(1, [115]), ...kind(1), ...field(3, tensor(1, 2)), ...field(3, tensor(3))];
  assert.deepEqual(data(two, "sequence"), [[1, 2], [3]]);
  assert.deepEqual(elementsOf(datumOf(Uint8Array.from(two), "sequence")), [
    { dtype: "int32", shape: [2] },
    { dtype: "int32", shape: [1] },
  ]);
  assert.deepEqual(data([...kind(3), ...field(5, two)], "optional"), [[1, 2], [3]]);
  assert.deepEqual(data([...kind(1), ...field(3, tensor(7))], "optional"), [[7]]);
  assert.equal(datumOf(Uint8Array.from([...field(1, [111]), ...kind(0)]), "optional"), null);
  assert.deepEqual(data(tensor(4, 5), "tensor"), [[4, 5]]);
});

Deno.test("test data that ends within a field is refused", () => {
  const cut = [...kind(1), 26, 40, 8];
  assert.throws(() => datumOf(Uint8Array.from(cut), "sequence"), /longer than the file/);
  assert.throws(() => datumOf(Uint8Array.from([128]), "sequence"), /a number in its data ends/);
});
