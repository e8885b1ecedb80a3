import { tensor } from "../util/tensor.ts";
import { ops } from "./ml_features.ts";
import { agrees, pattern } from "./testing.ts";

Deno.test("features are scaled, normalised, cut and filled in", () => {
  agrees(ops, {
    type: "Scaler",
    attrs: { offset: [0.5, 0.0, -0.25], scale: [2.0, 1.0, 0.5] },
    ins: [pattern([4, 3])],
    outs: [[[4, 3], [-3.5, 0.5, -0.125, 1.5, 0.25, -0.25, 1, 0, -0.375, 0.5, -0.25, -0.5]]],
  }, 1e-5);
  agrees(ops, {
    type: "Normalizer",
    attrs: { norm: "MAX" },
    ins: [pattern([4, 3])],
    outs: [[[4, 3], [-2.5, 1, -1, 1, 0.2, -0.6, 1, 0, -1, 1, -0.3333333, -1.666667]]],
  }, 1e-5);
  agrees(ops, {
    type: "Normalizer",
    attrs: { norm: "L1" },
    ins: [pattern([4, 3])],
    outs: [[[4, 3], [
      -0.5555556,
      0.2222222,
      -0.2222222,
      0.5555556,
      0.1111111,
      -0.3333333,
      0.5,
      0,
      -0.5,
      0.3333333,
      -0.1111111,
      -0.5555556,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "Normalizer",
    attrs: { norm: "L2" },
    ins: [pattern([4, 3])],
    outs: [[[4, 3], [
      -0.8703883,
      0.3481553,
      -0.3481553,
      0.8451543,
      0.1690308,
      -0.5070926,
      0.7071068,
      0,
      -0.7071068,
      0.5070926,
      -0.1690308,
      -0.8451543,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "Binarizer",
    attrs: { threshold: 0.25 },
    ins: [pattern([4, 3])],
    outs: [[[4, 3], [0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0]]],
  }, 1e-5);
  agrees(ops, {
    type: "Imputer",
    attrs: { imputed_value_floats: [9.0, 8.0, 7.0], replaced_value_float: 0.25 },
    ins: [pattern([4, 3])],
    outs: [[[4, 3], [-1.25, 0.5, -0.5, 1.25, 8, -0.75, 1, 0, -1, 0.75, -0.25, -1.25]]],
  }, 1e-5);
});

Deno.test("columns are chosen and labels changed", () => {
  agrees(ops, {
    type: "ArrayFeatureExtractor",
    ins: [pattern([4, 3]), tensor("int64", [2], [2, 0])],
    outs: [[[4, 2], [-0.5, -1.25, -0.75, 1.25, -1, 1, -1.25, 0.75]]],
  }, 1e-5);
  agrees(ops, {
    type: "LabelEncoder",
    attrs: { keys_int64s: [1, 3, 5], values_int64s: [10, 30, 50], default_int64: -1 },
    ins: [tensor("int64", [4], [1, 5, 7, 3])],
    outs: [[[4], [10, 50, -1, 30]]],
  }, 1e-5);
  agrees(ops, {
    type: "LabelEncoder",
    attrs: { keys_int64s: [1, 3, 5], values_floats: [0.5, 1.5, 2.5], default_float: -1.0 },
    ins: [tensor("int64", [4], [1, 5, 7, 3])],
    outs: [[[4], [0.5, 2.5, -1, 1.5]]],
  }, 1e-5);
});
