import { ops } from "./ml_trees.ts";
import { agrees, named, pattern, read, refuses } from "./testing.ts";

Deno.test("trees give sums, means, extremes of their leaves", () => {
  agrees(ops, {
    type: "TreeEnsembleRegressor",
    attrs: {
      nodes_treeids: [0, 0, 0, 1, 1, 1, 1, 1],
      nodes_nodeids: [0, 1, 2, 0, 1, 2, 3, 4],
      nodes_featureids: [0, 0, 0, 1, 2, 0, 0, 0],
      nodes_modes: ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LT", "BRANCH_GT", "LEAF", "LEAF", "LEAF"],
      nodes_values: [0.25, 0.0, 0.0, 0.5, -0.5, 0.0, 0.0, 0.0],
      nodes_truenodeids: [1, 0, 0, 1, 3, 0, 0, 0],
      nodes_falsenodeids: [2, 0, 0, 2, 4, 0, 0, 0],
      target_treeids: [0, 0, 1, 1, 1],
      target_nodeids: [1, 2, 2, 3, 4],
      target_ids: [0, 1, 0, 1, 0],
      target_weights: [1.0, 2.0, 0.5, 0.25, 4.0],
      n_targets: 2,
    },
    ins: [pattern([4, 3])],
    outs: [[[4, 2], [1.5, 0, 4, 2, 4, 2, 4, 2]]],
  }, 1e-5);
  agrees(ops, {
    type: "TreeEnsembleRegressor",
    attrs: {
      nodes_treeids: [0, 0, 0, 1, 1, 1, 1, 1],
      nodes_nodeids: [0, 1, 2, 0, 1, 2, 3, 4],
      nodes_featureids: [0, 0, 0, 1, 2, 0, 0, 0],
      nodes_modes: ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LT", "BRANCH_GT", "LEAF", "LEAF", "LEAF"],
      nodes_values: [0.25, 0.0, 0.0, 0.5, -0.5, 0.0, 0.0, 0.0],
      nodes_truenodeids: [1, 0, 0, 1, 3, 0, 0, 0],
      nodes_falsenodeids: [2, 0, 0, 2, 4, 0, 0, 0],
      target_treeids: [0, 0, 0, 1, 1, 1],
      target_nodeids: [1, 1, 2, 2, 3, 4],
      target_ids: [0, 1, 1, 0, 1, 0],
      target_weights: [1.0, -3.0, 2.0, 0.5, 0.25, 4.0],
      n_targets: 2,
      aggregate_function: "AVERAGE",
      base_values: [0.5, -1.0],
    },
    ins: [pattern([4, 3])],
    outs: [[[4, 2], [1.25, -2.5, 2.5, 0, 2.5, 0, 2.5, 0]]],
  }, 1e-5);
  agrees(ops, {
    type: "TreeEnsembleRegressor",
    attrs: {
      nodes_treeids: [0, 0, 0, 1, 1, 1, 1, 1],
      nodes_nodeids: [0, 1, 2, 0, 1, 2, 3, 4],
      nodes_featureids: [0, 0, 0, 1, 2, 0, 0, 0],
      nodes_modes: ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LT", "BRANCH_GT", "LEAF", "LEAF", "LEAF"],
      nodes_values: [0.25, 0.0, 0.0, 0.5, -0.5, 0.0, 0.0, 0.0],
      nodes_truenodeids: [1, 0, 0, 1, 3, 0, 0, 0],
      nodes_falsenodeids: [2, 0, 0, 2, 4, 0, 0, 0],
      target_treeids: [0, 0, 1, 1, 1],
      target_nodeids: [1, 2, 2, 3, 4],
      target_ids: [0, 1, 0, 1, 0],
      target_weights: [1.0, 2.0, 0.5, 0.25, 4.0],
      n_targets: 2,
      aggregate_function: "MIN",
    },
    ins: [pattern([4, 3])],
    outs: [[[4, 2], [0.5, 0, 4, 2, 4, 2, 4, 2]]],
  }, 1e-5);
  agrees(ops, {
    type: "TreeEnsembleRegressor",
    attrs: {
      nodes_treeids: [0, 0, 0, 1, 1, 1, 1, 1],
      nodes_nodeids: [0, 1, 2, 0, 1, 2, 3, 4],
      nodes_featureids: [0, 0, 0, 1, 2, 0, 0, 0],
      nodes_modes: ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LT", "BRANCH_GT", "LEAF", "LEAF", "LEAF"],
      nodes_values: [0.25, 0.0, 0.0, 0.5, -0.5, 0.0, 0.0, 0.0],
      nodes_truenodeids: [1, 0, 0, 1, 3, 0, 0, 0],
      nodes_falsenodeids: [2, 0, 0, 2, 4, 0, 0, 0],
      target_treeids: [0, 0, 0, 1, 1, 1],
      target_nodeids: [1, 1, 2, 2, 3, 4],
      target_ids: [0, 1, 1, 0, 1, 0],
      target_weights: [1.0, -3.0, 2.0, 0.5, 0.25, 4.0],
      n_targets: 2,
      aggregate_function: "MAX",
      post_transform: "SOFTMAX",
    },
    ins: [pattern([4, 3])],
    outs: [[[4, 2], [
      0.9820138,
      0.01798621,
      0.880797,
      0.1192029,
      0.880797,
      0.1192029,
      0.880797,
      0.1192029,
    ]]],
  }, 1e-5);
});

Deno.test("trees vote for classes, of two perhaps by one weight", () => {
  agrees(ops, {
    type: "TreeEnsembleClassifier",
    attrs: {
      nodes_treeids: [0, 0, 0, 1, 1, 1, 1, 1],
      nodes_nodeids: [0, 1, 2, 0, 1, 2, 3, 4],
      nodes_featureids: [0, 0, 0, 1, 2, 0, 0, 0],
      nodes_modes: ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LT", "BRANCH_GT", "LEAF", "LEAF", "LEAF"],
      nodes_values: [0.25, 0.0, 0.0, 0.5, -0.5, 0.0, 0.0, 0.0],
      nodes_truenodeids: [1, 0, 0, 1, 3, 0, 0, 0],
      nodes_falsenodeids: [2, 0, 0, 2, 4, 0, 0, 0],
      class_treeids: [0, 0, 1, 1, 1],
      class_nodeids: [1, 2, 2, 3, 4],
      class_ids: [0, 1, 2, 1, 0],
      class_weights: [1.0, 2.0, 0.5, 0.25, 4.0],
      classlabels_int64s: [7, 3, 5],
    },
    ins: [pattern([4, 3])],
    outs: [[[4], [7, 7, 7, 7]], [[4, 3], [1, 0, 0.5, 4, 2, 0, 4, 2, 0, 4, 2, 0]]],
  }, 1e-5);
  agrees(ops, {
    type: "TreeEnsembleClassifier",
    attrs: {
      nodes_treeids: [0, 0, 0, 1, 1, 1, 1, 1],
      nodes_nodeids: [0, 1, 2, 0, 1, 2, 3, 4],
      nodes_featureids: [0, 0, 0, 1, 2, 0, 0, 0],
      nodes_modes: ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LT", "BRANCH_GT", "LEAF", "LEAF", "LEAF"],
      nodes_values: [0.25, 0.0, 0.0, 0.5, -0.5, 0.0, 0.0, 0.0],
      nodes_truenodeids: [1, 0, 0, 1, 3, 0, 0, 0],
      nodes_falsenodeids: [2, 0, 0, 2, 4, 0, 0, 0],
      class_treeids: [0, 0, 1, 1, 1],
      class_nodeids: [1, 2, 2, 3, 4],
      class_ids: [0, 0, 0, 0, 0],
      class_weights: [-1.0, 2.0, 0.5, -0.25, -4.0],
      classlabels_int64s: [3, 9],
      post_transform: "LOGISTIC",
    },
    ins: [pattern([4, 3])],
    outs: [[[4], [3, 3, 3, 3]], [[4, 2], [
      0.6224594,
      0.3775406,
      0.880797,
      0.119203,
      0.880797,
      0.119203,
      0.880797,
      0.119203,
    ]]],
  }, 1e-5);
});

Deno.test("nodes that form no tree are refused", () => {
  const op = named(ops, "TreeEnsembleRegressor");
  const attrs = {
    nodes_treeids: [0],
    nodes_nodeids: [0],
    nodes_featureids: [0],
    nodes_modes: ["BRANCH_LEQ"],
    nodes_values: [0],
    nodes_truenodeids: [1],
    nodes_falsenodeids: [2],
    target_treeids: [0],
    target_nodeids: [0],
    target_ids: [0],
    target_weights: [1],
  };
  refuses(() => read(op, "TreeEnsembleRegressor", { attrs }), /do not form trees/);
  const wrong = { ...attrs, target_nodeids: [5] };
  refuses(() => read(op, "TreeEnsembleRegressor", { attrs: wrong }), /a node that does not exist/);
});
