import assert from "node:assert/strict";
import { BurinError } from "../util/errors.ts";
import { model, node, value } from "../../tests/onnx_builder.ts";
import { foreignFormat } from "./foreign.ts";
import { readModel } from "./reader.ts";

const bytes = (text: string) => Uint8Array.from(text.padEnd(64, "\0"), (c) => c.charCodeAt(0));

Deno.test("foreign: files of other formats are named, with the way to an ONNX file", () => {
  const cases: [string, RegExp, RegExp][] = [
    ["\x1c\0\0\0TFL3", /as it is a TensorFlow Lite model$/, /tf2onnx\.convert --tflite/],
    ["\x18\0\0\0ORTM", /onnxruntime's own format$/, /the ONNX file/],
    ["\x89HDF\r\n\x1a\n", /an HDF5 file, as Keras writes$/, /from_keras/],
    ["PK\x03\x04\x14\0", /a zip archive, as PyTorch and Keras write$/, /torch\.onnx\.export/],
    ["\x1f\x8b\x08", /compressed by gzip$/, /unpack/],
    ["version https://git-lfs.github.com/spec/v1\noid", /a pointer of Git LFS$/, /git lfs pull/],
    ["<!DOCTYPE html><html>", /a page of text/, /download/],
    ["\x01something else", /as /, /complete ONNX model/],
  ];
  for (const [text, why, hint] of cases) {
    assert.throws(() => readModel(bytes(text)), (e) => {
      assert(e instanceof BurinError);
      assert.equal(e.code, "model/malformed");
      assert.match(e.message, why);
      assert.match(e.hint!, hint);
      return true;
    });
  }
});

Deno.test("foreign: a model whose producer is called like a format stays a model", () => {
  const file = model({
    inputs: [value("x", "float32", [1])],
    outputs: [value("y", "float32", [1])],
    nodes: [node("Relu", ["x"], ["y"])],
  });
  // ir_version 8, then producer_name "TFL3", which lies where the other format has its mark.
  const named = Uint8Array.from([8, 8, 0x12, 4, ...bytes("TFL3").subarray(0, 4), ...file]);
  assert.notEqual(foreignFormat(named), null);
  assert.equal(readModel(named).graph.nodes.length, 1);
});
