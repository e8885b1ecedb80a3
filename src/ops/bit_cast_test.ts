import { tensor } from "../util/tensor.ts";
import { ops } from "./bit_cast.ts";
import { floats, named, read, refuses } from "./testing.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import assert from "node:assert/strict";
import type { DType } from "../util/dtype.ts";

const bitCast = named(ops, "BitCast");

Deno.test("BitCast keeps the bits, there and back", () => {
  const there = [
    [floats([3], [1, -0, 1.5]), "int32", [0x3f800000, -(2 ** 31), 0x3fc00000]],
    [tensor("int32", [1], [-1]), "uint32", [0xffffffff]],
    [tensor("int8", [2], [-1, 5]), "uint8", [255, 5]],
    [tensor("float64", [2], [-2, 0.1]), "int64", [-(2n ** 62n), 0x3fb999999999999an]],
    [tensor("float16", [1], [0xbc00]), "int16", [-0x4400]],
    [tensor("bool", [2], [1, 0]), "uint8", [1, 0]],
  ] as const;
  for (const [x, to, want] of there) {
    const [y] = evaluateNode(bitCast, { to }, [x]);
    assert.deepEqual(Array.from(y.data as ArrayLike<number | bigint>), [...want]);
    if (x.dtype === "bool") continue;
    assert.deepEqual(evaluateNode(bitCast, { to: x.dtype }, [y])[0], x);
  }
  assert.deepEqual(read(bitCast, "BitCast", { opset: 26, attrs: { to: 6 } }), { to: "int32" });
});

Deno.test("types of other widths are refused", () => {
  const to = (dtype: DType) => () => evaluateNode(bitCast, { to: dtype }, [floats([1], [1])]);
  refuses(to("int64"), /as int64/);
  refuses(() => evaluateNode(bitCast, { to: "bool" }, [tensor("uint8", [1], [2])]), /as bool/);
});
