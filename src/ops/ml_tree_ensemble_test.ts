import { tensor } from "../util/tensor.ts";
import { ops } from "./ml_tree_ensemble.ts";
import { agrees, floats, named, read, refuses } from "./testing.ts";

const attrs = {
  aggregate_function: 1,
  leaf_targetids: [0, 1, 2, 3],
  leaf_weights: floats([4], [1, 10, 1000, 100]),
  membership_values: floats([8], [1.2, 3.7, 8, 9, NaN, 12, 7, NaN]),
  n_targets: 4,
  nodes_falseleafs: [1, 0, 1],
  nodes_falsenodeids: [2, 2, 3],
  nodes_featureids: [0, 0, 0],
  nodes_modes: tensor("uint8", [3], [0, 6, 6]),
  nodes_splits: floats([3], [11, 232344, NaN]),
  nodes_trueleafs: [0, 1, 1],
  nodes_truenodeids: [1, 0, 1],
  tree_roots: [0],
};

// Both are cases of ONNX's own.
Deno.test("TreeEnsemble asks whether features are in sets", () => {
  agrees(ops, {
    type: "TreeEnsemble",
    attrs,
    ins: [floats([6, 1], [1.2, 3.4, -0.12, NaN, 12, 7])],
    outs: [[[6, 4], [
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      100,
      0,
      0,
      0,
      100,
      0,
      0,
      1000,
      0,
      0,
      0,
      1000,
      0,
      0,
      10,
      0,
      0,
    ]]],
  });
});

Deno.test("TreeEnsemble of float64 gives float64", () => {
  agrees(ops, {
    type: "TreeEnsemble",
    attrs: {
      ...attrs,
      leaf_targetids: [0, 1, 0, 1],
      leaf_weights: tensor("float64", [4], [5.23, 12.12, -12.23, 7.21]),
      n_targets: 2,
      nodes_falseleafs: [0, 1, 1],
      nodes_modes: tensor("uint8", [3], [0, 0, 0]),
      nodes_splits: tensor("float64", [3], [3.14, 1.2, 4.2]),
    },
    ins: [tensor("float64", [3, 2], [1.2, 3.4, -0.12, 1.66, 4.14, 1.77])],
    outs: [[[3, 2], [5.23, 0, 5.23, 0, 0, 12.12]]],
  });
});

Deno.test("trees with leaves, features or modes that are none are refused", () => {
  const op = named(ops, "TreeEnsemble");
  const of = (more: Record<string, unknown>) => () =>
    read(op, "TreeEnsemble", { attrs: { ...attrs, ...more } as typeof attrs });
  refuses(of({ n_targets: 2 }), /a leaf of another target than 2/);
  refuses(of({ nodes_modes: tensor("uint8", [3], [0, 7, 0]) }), /a node of mode 7/);
  refuses(of({ leaf_targetids: [0] }), /lists have several lengths/);
  refuses(of({ nodes_trueleafs: [0, 0, 1] }), /do not form trees/);
  refuses(of({ post_transform: 4 }), /post_transform is 4/);
  const x = { dtype: "float32" as const, shape: [2, 0] };
  refuses(() => op.infer(of({})(), [x], () => undefined), /compares feature 0 of 0/);
});
