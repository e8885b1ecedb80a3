import { tensor } from "../util/tensor.ts";
import { ops } from "./ml_linear.ts";
import { agrees, refuses } from "./testing.ts";

// Values of onnxruntime 1.31.1 on round(1.5 · sin(1.7 · i), 2).
const X = tensor(
  "float32",
  [5, 3],
  [0, 1.49, -0.38, -1.39, 0.74, 1.2, -1.05, -0.93, 1.29, 0.6, -1.44, -0.22, 1.5, -0.16, -1.46],
);
const VECTORS = [0.5, -1.0, 0.25, 1.0, 0.0, -0.5, -0.75, 0.5, 1.0, 0.25, 0.25, 0.25];
const RBF = { kernel_type: "RBF", kernel_params: [0.5, 0.0, 3.0], support_vectors: VECTORS };
const TWO_CLASSES = {
  ...RBF,
  coefficients: [1.0, -0.5, -0.25, -0.75],
  rho: [0.25],
  vectors_per_class: [1, 3],
  classlabels_ints: [3, 1],
  prob_a: [-1.5],
  prob_b: [0.125],
};

Deno.test("support vectors: probabilities of two classes", () => {
  agrees(ops, {
    type: "SVMClassifier",
    attrs: TWO_CLASSES,
    ins: [X],
    outs: [[[5], [1, 1, 3, 3, 3]], [[5, 2], [
      ...[0.4175135, 0.58248645, 0.45531738, 0.5446827, 0.55869347, 0.44130647],
      ...[0.7288877, 0.27111238, 0.46880096, 0.53119904],
    ]]],
  }, 1e-6);
});

Deno.test("support vectors: probabilities of several classes by coupling pairs", () => {
  const coefficients = [1.0, -0.5, 0.25, -0.75, 1.0, -0.5, 0.25, -0.75];
  agrees(ops, {
    type: "SVMClassifier",
    attrs: {
      ...RBF,
      coefficients,
      rho: [0.25, -0.5, 0.125],
      vectors_per_class: [1, 2, 1],
      classlabels_ints: [3, 1, 2],
      prob_a: [-1.5, -2.0, -0.75],
      prob_b: [0.125, -0.25, 0.5],
    },
    ins: [X],
    outs: [[[5], [2, 3, 3, 3, 2]], [[5, 3], [
      ...[0.20163214, 0.2413021, 0.55706584, 0.26016563, 0.25056764, 0.48926666],
      ...[0.3061519, 0.23367731, 0.46017087, 0.5379683, 0.15805227, 0.30397934],
      ...[0.2490052, 0.2536388, 0.49735597],
    ]]],
  }, 1e-6);
  agrees(ops, {
    type: "SVMClassifier",
    attrs: {
      ...RBF,
      support_vectors: [...VECTORS, -1, -1, 0.5],
      coefficients: [1, 2, 3].flatMap(() => [1.0, -0.5, 0.25, -0.75, 1.0]),
      rho: [0.25, -0.5, 0.125, 0.3, -0.2, 0.1],
      vectors_per_class: [1, 2, 1, 1],
      classlabels_ints: [3, 1, 2, 7],
      prob_a: [-1.5, -2.0, -0.75, -1, -3, -0.5],
      prob_b: [0.125, -0.25, 0.5, 0, 0.1, -0.1],
    },
    ins: [X],
    outs: [[[5], [3, 3, 3, 3, 2]], [[5, 4], [
      ...[0.16630898, 0.1917137, 0.31415778, 0.32781944, 0.2042285, 0.2621871, 0.28730252],
      ...[0.24628198, 0.26765424, 0.28149828, 0.31060192, 0.14024569, 0.391773, 0.14538892],
      ...[0.22007927, 0.24275863, 0.19506197, 0.16037096, 0.31289813, 0.33166888],
    ]]],
  }, 1e-6);
});

Deno.test("support vectors: a probability for each pair of classes, or it is refused", () => {
  refuses(() =>
    agrees(ops, {
      type: "SVMClassifier",
      attrs: {
        ...TWO_CLASSES,
        prob_a: [-1.5, 1],
      },
      ins: [X],
      outs: [[[5], []], [[5, 2], []]],
    }), /it has 2 and 1 probabilities for 2 classes/);
});
