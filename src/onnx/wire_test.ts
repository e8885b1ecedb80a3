import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { model, node, value } from "../../tests/onnx_builder.ts";
import { importModel } from "./import.ts";
import { checkWire } from "./wire.ts";

const GOOD = model({
  inputs: [value("x", "float32", ["n", 2, null])],
  outputs: [value("y", "float32", null)],
  nodes: [node("Clip", ["x"], ["y"], { axes: [1, 2], mode: "up", k: 3 })],
});
const bytes = (...b: (number | number[])[]): Uint8Array => Uint8Array.from(b.flat());
const refused = (b: Uint8Array, text: RegExp): void =>
  assert.throws(() => checkWire(b), (e) => {
    assert(e instanceof BurinError && e.code === "model/malformed");
    assert.match(e.message, text);
    return true;
  });

Deno.test("a model of today's fields has no unknown ones", () => {
  assert.deepEqual(checkWire(GOOD), []);
});

Deno.test("fields of a newer ONNX are named, metadata passed over", () => {
  // ModelProto 26 (configuration), GraphProto 16 (metadata_props) and 99, all length-delimited.
  const graph = [0x82, 0x01, 0x00, 0x9a, 0x06, 0x01, 0x00];
  const file = bytes(0x3a, graph.length, graph, 0xd2, 0x01, 0x00);
  assert.deepEqual(checkWire(file), ["Graph.99", "Model.26"]);
  const notes = importModel(bytes([...GOOD], 0xd2, 0x01, 0x00), { dims: { n: 1, "x.2": 1 } }).notes;
  assert.deepEqual(notes.slice(0, 1), ["fields of a newer ONNX are not read: Model.26"]);
});

Deno.test("packed and unpacked lists are both in order", () => {
  // TensorProto.dims, field 1: packed 2 bytes, then one alone.
  const tensor = [0x0a, 0x02, 0x02, 0x03, 0x08, 0x04];
  const graph = [0x2a, tensor.length, ...tensor];
  assert.deepEqual(checkWire(bytes(0x3a, graph.length, graph)), []);
});

Deno.test("broken structure is refused with its place", () => {
  refused(bytes(0x3a, 0x05, 0x00), /ends too early: something at byte 2 reaches beyond its 3/);
  refused(bytes(0x3a, 0x03, 0x12, 0x7f, 0x00, 0x00), /byte 4 reaches beyond the message/);
  refused(bytes(0x38, 0x01), /field 7 of Model at byte 1 has the wire type 0/);
  refused(bytes(0x0b, 0x0c), /wire type 3/);
  refused(bytes(0x02, 0x00), /has the number 0/);
  refused(bytes(0x08, new Array(10).fill(0xff), 0x01), /does not end/);
  refused(bytes(0x08), /ends too early/);
});
