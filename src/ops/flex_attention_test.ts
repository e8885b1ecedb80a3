/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { ops } from "./flex_attention.ts";
import { agrees, pattern, refuses } from "./testing.ts";

Deno.test("FlexAttention without graphs", () => {
  agrees(ops, {
    type: "FlexAttention",
    opset: 1,
    ins: [pattern([1, 2, 2, 2]), pattern([1, 1, 3, 2]), pattern([1, 1, 3, 4])],
    outs: [[[1, 2, 2, 4], [
      -0.67990506,
      0.067385934,
      0.070094958,
      0.56259549,
      -0.39979333,
      -0.17521301,
      0.35020667,
      0.37503171,
      -0.83502555,
      0.4240261,
      -0.085025571,
      -0.44500265,
      -0.66455913,
      0.24904172,
      0.085440874,
      -0.42241293,
    ]]],
  });
  agrees(ops, {
    type: "FlexAttention",
    opset: 1,
    attrs: { scale: 0.25 },
    ins: [pattern([1, 2, 2, 2]), pattern([1, 1, 3, 2]), pattern([1, 1, 3, 4])],
    outs: [[[1, 2, 2, 4], [
      -0.65224946,
      0.10392129,
      0.097750522,
      0.2416409,
      -0.56166422,
      0.02119042,
      0.18833575,
      0.20236915,
      -0.7307753,
      0.26020676,
      0.019224674,
      -0.14715727,
      -0.65645683,
      0.18752511,
      0.093543179,
      -0.15534139,
    ]]],
  });
});

Deno.test("operands that do not fit each other are refused", () => {
  const ins = [pattern([1, 3, 2, 2]), pattern([1, 2, 3, 2]), pattern([1, 2, 3, 2])];
  refuses(() => agrees(ops, { type: "FlexAttention", ins, outs: [] }), /do not fit each other/);
});
