import { tensor } from "../util/tensor.ts";
import { ops } from "./top_k.ts";
import { agrees, named, pattern, read, refuses } from "./testing.ts";

Deno.test("TopK in each order and along each axis, of equal ones the first", () => {
  agrees(ops, {
    type: "TopK",
    opset: 13,
    ins: [pattern([2, 6]), tensor("int64", [1], [3])],
    outs: [[[2, 3], [1.25, 0.5, 0.25, 1, 0.75, 0]], [[2, 3], [3, 1, 4, 0, 3, 1]]],
  }, 1e-5);
  agrees(ops, {
    type: "TopK",
    opset: 13,
    attrs: { axis: 0, largest: 0 },
    ins: [pattern([4, 3]), tensor("int64", [1], [2])],
    outs: [[[2, 3], [-1.25, -0.25, -1.25, 0.75, 0, -1]], [[2, 3], [0, 3, 3, 3, 2, 2]]],
  }, 1e-5);
  agrees(ops, {
    type: "TopK",
    opset: 13,
    ins: [tensor("int32", [1, 6], [3, 1, 3, 0, 1, 3]), tensor("int64", [1], [4])],
    outs: [[[1, 4], [3, 3, 3, 1]], [[1, 4], [0, 2, 5, 1]]],
  }, 1e-5);
  agrees(ops, {
    type: "TopK",
    opset: 13,
    attrs: { axis: -1 },
    ins: [pattern([2, 5]), tensor("int64", [1], [5])],
    outs: [[[2, 5], [1.25, 0.5, 0.25, -0.5, -1.25, 1, 0.75, 0, -0.75, -1]], [[2, 5], [
      3,
      1,
      4,
      2,
      0,
      1,
      4,
      2,
      0,
      3,
    ]]],
  }, 1e-5);
});

Deno.test("TopK of more than there are is refused", () => {
  const op = named(ops, "TopK"), inputs = [pattern([2, 3]), tensor("int64", [1], [4])];
  const attrs = () => read(op, "TopK", { inputs });
  const type = { dtype: "float32" as const, shape: [2, 3] };
  refuses(() => op.infer(attrs(), [type], () => undefined), /takes 4 of 3 elements/);
});
