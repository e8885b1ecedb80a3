import { tensor } from "../util/tensor.ts";
import { ops } from "./ml_columns.ts";
import { agrees, named, pattern, read, refuses } from "./testing.ts";

Deno.test("OneHotEncoder has a column for each category", () => {
  agrees(ops, {
    type: "OneHotEncoder",
    attrs: { cats_int64s: [1, 5] },
    ins: [tensor("int64", [2, 2], [1, 5, 7, 1])],
    outs: [[[2, 2, 2], [1, 0, 0, 1, 0, 0, 1, 0]]],
  }, 1e-5);
  agrees(ops, {
    type: "OneHotEncoder",
    attrs: { cats_int64s: [2, 0] },
    ins: [tensor("float32", [3], [2.75, 0, 1])],
    outs: [[[3, 2], [1, 0, 0, 1, 0, 0]]],
  }, 1e-5);
});

Deno.test("FeatureVectorizer puts tables side by side", () => {
  agrees(ops, {
    type: "FeatureVectorizer",
    attrs: { inputdimensions: [2, 3] },
    ins: [pattern([2, 2]), pattern([2, 3])],
    outs: [[[2, 5], [-1.25, 0.5, -1.25, 0.5, -0.5, -0.5, 1.25, 1.25, 0.25, -0.75]]],
  }, 1e-5);
});

Deno.test("categories that are texts, and tables that do not fit, are refused", () => {
  const encoder = named(ops, "OneHotEncoder");
  refuses(() => read(encoder, "OneHotEncoder", { attrs: { cats_strings: ["a"] } }), /are texts/);
  const type = (...shape: number[]) => ({ dtype: "float32" as const, shape });
  const infer = (sizes: number[], ...shapes: number[][]) => () =>
    named(ops, "FeatureVectorizer")
      .infer({ sizes }, shapes.map((s) => type(...s)), () => undefined);
  refuses(infer([], [2, 1], [3, 1]), /2, 3 rows/);
  refuses(infer([2], [2, 1]), /1 columns where 2 are said/);
});
