/** Values of numpy, as operator sets before 7 place the axes. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./old_broadcast.ts";
import { agrees, counting, floats, refuses } from "./testing.ts";

const x = counting([2, 3, 2]), b = floats([3], [10, 20, 30]);

Deno.test("before operator set 7 an axis says where the second operand's axes begin", () => {
  const attrs = { broadcast: 1, axis: 1 };
  const sums = [10, 11, 22, 23, 34, 35, 16, 17, 28, 29, 40, 41];
  agrees(ops, { type: "Add", opset: 6, attrs, ins: [x, b], outs: [[[2, 3, 2], sums]] });
  agrees(ops, {
    type: "Sub",
    opset: 6,
    attrs: { broadcast: 1, axis: 0 },
    ins: [x, floats([2, 3], [1, 2, 3, 4, 5, 6])],
    outs: [[[2, 3, 2], [-1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]]],
  });
  agrees(ops, {
    type: "Less",
    opset: 6,
    attrs: { broadcast: 1, axis: -3 },
    ins: [x, floats([2], [3, 9])],
    outs: [[[2, 3, 2], [1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0]]],
  });
});

Deno.test("without an axis they end with the first's, and a scalar fits everywhere", () => {
  const twos = tensor("float32", [], [2]), pairs = floats([2], [1, 2]);
  const ins = [counting([2, 2]), pairs];
  agrees(ops, { type: "Mul", opset: 6, ins, outs: [[[2, 2], [0, 2, 2, 6]]] });
  agrees(ops, { type: "Pow", opset: 1, ins: [pairs, twos], outs: [[[2], [1, 4]]] });
});

Deno.test("PRelu's slopes belong to channels", () => {
  const y = [-0, 1, -4, 3];
  const at = floats([1, 2, 2], [-0, 1, -2, 3]), slope = floats([2], [5, 2]);
  agrees(ops, { type: "PRelu", opset: 6, ins: [at, slope], outs: [[[1, 2, 2], y]] });
  const one = floats([1], [2]);
  agrees(ops, { type: "PRelu", opset: 6, ins: [at, one], outs: [[[1, 2, 2], y]] });
});

Deno.test("the second operand neither reaches behind the first nor widens it", () => {
  const wide = { broadcast: 1, axis: 2 };
  refuses(
    () => agrees(ops, { type: "Add", opset: 6, attrs: wide, ins: [x, x], outs: [] }),
    /from axis 2 on/,
  );
  refuses(
    () => agrees(ops, { type: "Add", opset: 6, ins: [b, counting([2, 3])], outs: [] }),
    /does not fit/,
  );
});
