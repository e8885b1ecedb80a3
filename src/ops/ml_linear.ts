/** LinearRegressor, LinearClassifier, SVMRegressor and SVMClassifier of ai.onnx.ml. */
import { axis as reduceAxis, compute, sum } from "../te/compute.ts";
import { add, eq, type Expr, f32, gt, imm, load, mul, select, sub, un } from "../te/expr.ts";
import { dims } from "../ir/graph.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { tensor } from "../util/tensor.ts";
import { fn } from "./common.ts";
import { coupled } from "./ml_coupling.ts";
import {
  asFloat,
  bestLabel,
  ml,
  readLabels,
  readTransform,
  rows,
  type Transform,
  transformed,
} from "./ml_common.ts";

/** Rows times weights [targets, features], plus one number a target. */
const affine: OpDef<null> = {
  name: "AffineRows",
  onnx: [],
  infer: (_, [x, w]) => [{ dtype: "float32", shape: [rows(x)[0], dims(w!)[0]] }],
  body: {
    kind: "compute",
    define(_, [x, w, start], [out]) {
      const [n, targets] = dims(out), k = reduceAxis("ci", w!.shape[1]);
      const flat = x!.shape.length === 1;
      return [
        compute(
          "y",
          "float32",
          [n, targets],
          (i, t) =>
            sum([k], mul(load(x!, flat ? [k.v] : [i, k.v]), load(w!, [t, k.v])), {
              init: load(start!, [t]),
            }),
          ["n", "co"],
        ),
      ];
    },
  },
  cost: (_, { ins: [x, w] }) => ({ macs: rows(x)[0] * dims(w!)[0] * dims(w!)[1] }),
};

interface LinearAttrs {
  readonly weights: readonly number[];
  readonly intercepts: readonly number[];
  readonly transform: Transform;
}

function readLinear(r: AttrReader, targets: number): LinearAttrs {
  const weights = r.floats("coefficients"), given = r.floats("intercepts", []);
  return {
    weights,
    intercepts: given.length ? given : new Array(targets).fill(0),
    transform: readTransform(r),
  };
}

const linearRegressor: OpDef<LinearAttrs> = {
  name: "LinearRegressor",
  onnx: [ml("LinearRegressor", (r) => readLinear(r, r.int("targets", 1)))],
  infer: (a, [x]) => [{ dtype: "float32", shape: [rows(x)[0], a.intercepts.length] }],
  body: {
    kind: "expand",
    rewrite(a, [x], _, b) {
      const n = a.intercepts.length, [, features] = rows(x!.type);
      const w = b.constant(tensor("float32", [n, features], a.weights));
      const start = b.constant(tensor("float32", [n], a.intercepts));
      return [transformed(b.node(affine, null, [asFloat(x!, b), w, start])[0], a.transform, b)];
    },
  },
};

interface LinearClassifierAttrs extends LinearAttrs {
  readonly labels: readonly number[];
}

/** Two columns of one score: of the class that it speaks against, and of the one it speaks for. */
const twoClasses: OpDef<{ how: Transform }> = {
  name: "TwoClasses",
  onnx: [],
  infer: (_, [x]) => [{ dtype: "float32", shape: [dims(x!)[0], 2] }],
  body: {
    kind: "compute",
    define: ({ how }, [x], [out]) => [
      compute("y", "float32", dims(out), (i, c) => {
        const s = load(x!, [i, 0]);
        const score = select(eq(c, 1), s, un("neg", s));
        return how === "LOGISTIC" ? fn("sigmoid", score) : score;
      }, ["n", "co"]),
    ],
  },
};

const linearClassifier: OpDef<LinearClassifierAttrs> = {
  name: "LinearClassifier",
  onnx: [ml("LinearClassifier", (r) => {
    r.int("multi_class", 0); // Says how it was trained, not what it computes.
    const labels = readLabels(r, "classlabels_ints", "classlabels_strings");
    return { ...readLinear(r, labels.length), labels };
  })],
  infer({ labels }, [x]) {
    const [n] = rows(x);
    return [{ dtype: "int64", shape: [n] }, { dtype: "float32", shape: [n, labels.length] }];
  },
  body: {
    kind: "expand",
    rewrite(a, [x], _, b) {
      const n = a.intercepts.length, [, features] = rows(x!.type);
      const w = b.constant(tensor("float32", [n, features], a.weights));
      const start = b.constant(tensor("float32", [n], a.intercepts));
      const [scores] = b.node(affine, null, [asFloat(x!, b), w, start]);
      if (n === 1 && a.labels.length === 2) {
        const [both] = b.node(twoClasses, { how: a.transform }, [scores]);
        return [bestLabel(both, a.labels, b), both];
      }
      return [bestLabel(scores, a.labels, b), transformed(scores, a.transform, b)];
    },
  },
};

interface SvmAttrs {
  readonly kernel: "LINEAR" | "POLY" | "RBF" | "SIGMOID";
  readonly gamma: number;
  readonly coef0: number;
  readonly degree: number;
}

function readKernel(r: AttrReader): SvmAttrs {
  const kernel = r.string("kernel_type", "LINEAR");
  if (!["LINEAR", "POLY", "RBF", "SIGMOID"].includes(kernel)) {
    throw new OpError(`its kernel is ${kernel}`);
  }
  const [gamma = 0, coef0 = 0, degree = 0] = r.floats("kernel_params", []);
  return { kernel: kernel as SvmAttrs["kernel"], gamma, coef0, degree };
}

/** The kernel function of every row and every support vector. */
const svmKernel: OpDef<SvmAttrs> = {
  name: "SvmKernel",
  onnx: [],
  infer: (_, [x, v]) => [{ dtype: "float32", shape: [rows(x)[0], dims(v!)[0]] }],
  body: {
    kind: "compute",
    define(a, [x, v], [out]) {
      const shape = dims(out), k = reduceAxis("ci", v!.shape[1]), names = ["n", "co"];
      const flat = x!.shape.length === 1;
      const acc = compute("acc", "float32", shape, (i, j) => {
        const p = load(x!, flat ? [k.v] : [i, k.v]), q = load(v!, [j, k.v]);
        const d = sub(p, q);
        return sum([k], a.kernel === "RBF" ? mul(d, d) : mul(p, q));
      }, names);
      return [
        acc,
        compute("y", "float32", shape, (i, j) => {
          const s = load(acc.out, [i, j]), scaled = add(mul(s, f32(a.gamma)), f32(a.coef0));
          const value: Readonly<Record<SvmAttrs["kernel"], () => Expr>> = {
            LINEAR: () => s,
            RBF: () => fn("exp", mul(s, f32(-a.gamma))),
            POLY: () => fn("pow", scaled, f32(a.degree)),
            SIGMOID: () => fn("tanh", scaled),
          };
          return value[a.kernel]();
        }, names),
      ];
    },
  },
};

interface SvmRegressorAttrs extends SvmAttrs {
  readonly vectors: readonly number[];
  readonly coefficients: readonly number[];
  /** Number of support vectors; 0: the coefficients are those of a linear function. */
  readonly supports: number;
  readonly rho: number;
  readonly oneClass: boolean;
}

/** 1 where positive, else −1. */
const side: OpDef<null> = {
  name: "Side",
  onnx: [],
  infer: (_, [x]) => [x!],
  body: {
    kind: "compute",
    define: (_, [x], [out]) => [
      compute(
        "y",
        "float32",
        dims(out),
        (...at) => select(gt(load(x!, at), f32(0)), f32(1), f32(-1)),
        ["n", "co"],
      ),
    ],
  },
};

const svmRegressor: OpDef<SvmRegressorAttrs> = {
  name: "SVMRegressor",
  onnx: [ml("SVMRegressor", (r) => {
    if (readTransform(r) !== "NONE") throw new OpError("it has a post_transform");
    return {
      ...readKernel(r),
      vectors: r.floats("support_vectors", []),
      coefficients: r.floats("coefficients"),
      supports: r.int("n_supports", 0),
      rho: r.floats("rho", [0])[0],
      oneClass: r.int("one_class", 0) !== 0,
    };
  })],
  infer: (_, [x]) => [{ dtype: "float32", shape: [rows(x)[0], 1] }],
  body: {
    kind: "expand",
    rewrite(a, [x], _, b) {
      const [, features] = rows(x!.type), from = asFloat(x!, b);
      const rho = b.constant(tensor("float32", [1], [a.rho]));
      const n = a.supports || features;
      const w = b.constant(tensor("float32", [1, n], a.coefficients));
      const vectors = a.supports
        ? b.constant(tensor("float32", [a.supports, features], a.vectors))
        : null;
      const values = vectors ? b.node(svmKernel, a, [from, vectors])[0] : from;
      const y = b.node(affine, null, [values, w, rho]);
      return a.oneClass ? b.node(side, null, y) : y;
    },
  },
};

interface SvmClassifierAttrs extends SvmAttrs {
  readonly vectors: readonly number[];
  readonly coefficients: readonly number[];
  readonly perClass: readonly number[];
  readonly rho: readonly number[];
  readonly labels: readonly number[];
  /** Factor and term of every pair's logistic function; null: scores are given. */
  readonly probabilities: readonly [readonly number[], readonly number[]] | null;
}

function readProbabilities(r: AttrReader): SvmClassifierAttrs["probabilities"] {
  const a = r.floats("prob_a", []), b = r.floats("prob_b", []);
  return a.length > 0 ? [a, b] : null;
}

/** Votes of every pair of classes: [N, pairs] to [N, classes]. */
const votes: OpDef<{ classes: number }> = {
  name: "PairVotes",
  onnx: [],
  infer: ({ classes }, [x]) => [{ dtype: "float32", shape: [dims(x!)[0], classes] }],
  body: {
    kind: "compute",
    define: ({ classes }, [x], [out]) => [
      compute("y", "float32", dims(out), (n, c) => {
        let total: Expr = f32(0), pair = 0;
        for (let i = 0; i < classes; i++) {
          for (let j = i + 1; j < classes; j++, pair++) {
            const first = gt(load(x!, [n, pair]), f32(0));
            const winner = select(first, imm(i), imm(j));
            total = add(total, select(eq(winner, c), f32(1), f32(0)));
          }
        }
        return total;
      }, ["n", "co"]),
    ],
  },
};

/** The decision function of each pair of classes as one row of weights over all support vectors. */
function pairWeights(a: SvmClassifierAttrs): number[] {
  const classes = a.perClass.length, all = a.perClass.reduce((x, y) => x + y, 0);
  const start = a.perClass.map((_, i) => a.perClass.slice(0, i).reduce((x, y) => x + y, 0));
  const weights: number[] = [];
  for (let i = 0; i < classes; i++) {
    for (let j = i + 1; j < classes; j++) {
      const row = new Array<number>(all).fill(0);
      for (let k = 0; k < a.perClass[i]; k++) {
        row[start[i] + k] = a.coefficients[(j - 1) * all + start[i] + k];
      }
      for (let k = 0; k < a.perClass[j]; k++) {
        row[start[j] + k] = a.coefficients[i * all + start[j] + k];
      }
      weights.push(...row);
    }
  }
  return weights;
}

const svmClassifier: OpDef<SvmClassifierAttrs> = {
  name: "SVMClassifier",
  onnx: [ml("SVMClassifier", (r) => {
    if (readTransform(r) !== "NONE") throw new OpError("it has a post_transform");
    const perClass = r.ints("vectors_per_class", []);
    if (perClass.length === 0) throw new OpError("it has no support vectors");
    return {
      ...readKernel(r),
      vectors: r.floats("support_vectors"),
      coefficients: r.floats("coefficients"),
      perClass,
      rho: r.floats("rho"),
      labels: readLabels(r, "classlabels_ints", "classlabels_strings"),
      probabilities: readProbabilities(r),
    };
  })],
  infer(a, [x]) {
    const [n] = rows(x), pairs = a.rho.length, classes = a.perClass.length;
    if (a.probabilities) {
      const given = a.probabilities.map((list) => list.length);
      if (given.some((count) => count !== classes * (classes - 1) / 2)) {
        throw new OpError(
          `it has ${given.join(" and ")} probabilities for ${classes} classes`,
          "give it a prob_a and a prob_b for each pair of classes",
        );
      }
      return [{ dtype: "int64", shape: [n] }, { dtype: "float32", shape: [n, classes] }];
    }
    // Of two classes the second column is the score of the other class.
    return [{ dtype: "int64", shape: [n] }, { dtype: "float32", shape: [n, Math.max(pairs, 2)] }];
  },
  body: {
    kind: "expand",
    rewrite(a, [x], _, b) {
      const [, features] = rows(x!.type), all = a.perClass.reduce((p, q) => p + q, 0);
      const vectors = b.constant(tensor("float32", [all, features], a.vectors));
      const [values] = b.node(svmKernel, a, [asFloat(x!, b), vectors]);
      const w = b.constant(tensor("float32", [a.rho.length, all], pairWeights(a)));
      const rho = b.constant(tensor("float32", [a.rho.length], a.rho));
      const [scores] = b.node(affine, null, [values, w, rho]);
      const [counts] = b.node(votes, { classes: a.perClass.length }, [scores]);
      const label = bestLabel(counts, a.labels, b);
      if (a.probabilities) {
        const [pa, pb] = a.probabilities;
        return [label, ...b.node(coupled, { classes: a.perClass.length, a: pa, b: pb }, [scores])];
      }
      if (a.rho.length > 1) return [label, scores];
      return [label, b.node(twoClasses, { how: "NONE" as const }, [scores])[0]];
    },
  },
};

export const ops = [
  linearRegressor,
  linearClassifier,
  svmRegressor,
  svmClassifier,
  affine,
  twoClasses,
  svmKernel,
  side,
  votes,
  coupled,
] as OpDef<unknown>[];
