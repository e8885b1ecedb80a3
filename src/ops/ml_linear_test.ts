import { ops } from "./ml_linear.ts";
import { agrees, pattern } from "./testing.ts";

Deno.test("linear models", () => {
  agrees(ops, {
    type: "LinearRegressor",
    attrs: {
      coefficients: [0.5, -0.25, 1.0, -1.0, 0.75, 0.5],
      intercepts: [0.5, -1.0],
      targets: 2,
    },
    ins: [pattern([4, 3])],
    outs: [[[4, 2], [-0.75, 0.375, 0.3125, -2.4375, 0, -2.5, -0.3125, -2.5625]]],
  }, 1e-5);
  agrees(ops, {
    type: "LinearRegressor",
    attrs: {
      coefficients: [0.5, -0.25, 1.0, -1.0, 0.75, 0.5],
      intercepts: [0.5, -1.0],
      targets: 2,
      post_transform: "SOFTMAX",
    },
    ins: [pattern([4, 3])],
    outs: [[[4, 2], [
      0.245085,
      0.754915,
      0.9399133,
      0.06008665,
      0.9241418,
      0.07585818,
      0.9046505,
      0.09534946,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "LinearClassifier",
    attrs: {
      coefficients: [0.5, -0.25, 1.0, -1.0, 0.75, 0.5, 0.25, 0.125, -0.5],
      intercepts: [0.5, -1.0, 0.0],
      classlabels_ints: [4, 2, 9],
      post_transform: "SOFTMAX",
    },
    ins: [pattern([4, 3])],
    outs: [[[4], [2, 9, 9, 9]], [[4, 3], [
      0.1613628,
      0.4970323,
      0.341605,
      0.3898475,
      0.02492211,
      0.5852304,
      0.3125893,
      0.0256589,
      0.6617517,
      0.2444481,
      0.02576464,
      0.7297872,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "LinearClassifier",
    attrs: {
      coefficients: [0.5, -0.25, 1.0, -0.5, 0.25, -1.0],
      intercepts: [0.5, -0.5],
      classlabels_ints: [0, 1],
      post_transform: "LOGISTIC",
    },
    ins: [pattern([4, 3])],
    outs: [[[4], [1, 0, 0, 1]], [[4, 2], [
      0.3208213,
      0.6791787,
      0.5774953,
      0.4225046,
      0.5,
      0.5,
      0.4225046,
      0.5774953,
    ]]],
  }, 1e-5);
});

Deno.test("support vectors by each kernel", () => {
  agrees(ops, {
    type: "SVMRegressor",
    attrs: {
      kernel_type: "LINEAR",
      kernel_params: [0.5, 1.0, 2.0],
      support_vectors: [0.5, -1.0, 0.25, 1.0, 0.0, -0.5, -0.75, 0.5, 1.0],
      coefficients: [1.0, -0.5, 0.25],
      rho: [0.75],
      n_supports: 3,
    },
    ins: [pattern([4, 3])],
    outs: [[[4, 1], [0.171875, -0.265625, -0.1875, -0.109375]]],
  }, 1e-5);
  agrees(ops, {
    type: "SVMRegressor",
    attrs: {
      kernel_type: "POLY",
      kernel_params: [0.5, 1.0, 2.0],
      support_vectors: [0.5, -1.0, 0.25, 1.0, 0.0, -0.5, -0.75, 0.5, 1.0],
      coefficients: [1.0, -0.5, 0.25],
      rho: [0.75],
      n_supports: 3,
    },
    ins: [pattern([4, 3])],
    outs: [[[4, 1], [1.217041, 0.3156738, 0.4882812, 0.6633301]]],
  }, 1e-5);
  agrees(ops, {
    type: "SVMRegressor",
    attrs: {
      kernel_type: "RBF",
      kernel_params: [0.5, 1.0, 2.0],
      support_vectors: [0.5, -1.0, 0.25, 1.0, 0.0, -0.5, -0.75, 0.5, 1.0],
      coefficients: [1.0, -0.5, 0.25],
      rho: [0.75],
      n_supports: 3,
    },
    ins: [pattern([4, 3])],
    outs: [[[4, 1], [0.8395187, 0.5114481, 0.5602694, 0.6378419]]],
  }, 1e-5);
  agrees(ops, {
    type: "SVMRegressor",
    attrs: {
      kernel_type: "SIGMOID",
      kernel_params: [0.5, 1.0, 2.0],
      support_vectors: [0.5, -1.0, 0.25, 1.0, 0.0, -0.5, -0.75, 0.5, 1.0],
      coefficients: [1.0, -0.5, 0.25],
      rho: [0.75],
      n_supports: 3,
    },
    ins: [pattern([4, 3])],
    outs: [[[4, 1], [1.095441, 1.128032, 1.119702, 1.11071]]],
  }, 1e-5);
});

Deno.test("support vectors vote for classes", () => {
  agrees(ops, {
    type: "SVMClassifier",
    attrs: {
      kernel_type: "RBF",
      kernel_params: [0.5, 0.0, 3.0],
      support_vectors: [0.5, -1.0, 0.25, 1.0, 0.0, -0.5, -0.75, 0.5, 1.0, 0.25, 0.25, 0.25],
      coefficients: [1.0, -0.5, 0.25, -0.75, 1.0, -0.5, 0.25, -0.75],
      rho: [0.25, -0.5, 0.125],
      vectors_per_class: [1, 2, 1],
      classlabels_ints: [3, 1, 2],
    },
    ins: [pattern([4, 3])],
    outs: [[[4], [2, 2, 2, 2]], [[4, 3], [
      0.3395188,
      -0.6251426,
      -0.01661992,
      0.01144816,
      -0.5662982,
      -0.5990728,
      0.06026939,
      -0.506158,
      -0.5610097,
      0.1378419,
      -0.4521089,
      -0.4143086,
    ]]],
  }, 1e-5);
});
