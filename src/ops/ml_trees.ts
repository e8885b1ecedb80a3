/**
 * Tree ensembles of ai.onnx.ml. The nodes of all trees lie in arrays; a row walks from each root to a
 * leaf, whose weights are added up, or compared, per target.
 */
import { tensor, type TensorData } from "../util/tensor.ts";
import { compute } from "../te/compute.ts";
import {
  add,
  and,
  bin,
  cast,
  eq,
  type Expr,
  f32,
  ge,
  gt,
  imm,
  load,
  max,
  min,
  mul,
  select,
  sub,
} from "../te/expr.ts";
import { dims } from "../ir/graph.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { axisNames } from "./axes.ts";
import { fn } from "./common.ts";
import { block, cell, loop, store, when } from "./loops.ts";
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

export const MODES = ["LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER"] as const;
export type Aggregate = "SUM" | "AVERAGE" | "MIN" | "MAX";

export interface Node {
  /** Feature that is compared; −1 in a leaf. */
  readonly feature: number;
  readonly value: number;
  /** Index into MODES. */
  readonly mode: number;
  readonly yes: number;
  readonly no: number;
  readonly missingIsTrue: boolean;
  /** Targets and weights of a leaf. */
  readonly leaf: readonly (readonly [number, number])[];
}

export interface TreesAttrs {
  readonly nodes: readonly Node[];
  readonly roots: readonly number[];
  readonly depth: number;
  readonly targets: number;
  readonly base: readonly number[];
  readonly aggregate: Aggregate;
}

/** The most nodes on a way from a root. */
export function depthOf(nodes: readonly Node[], roots: readonly number[]): number {
  const depths = new Map<number, number>();
  let deepest = 0;
  const stack = roots.map((r): [number, number] => [r, 0]);
  for (let steps = 0; stack.length > 0; steps++) {
    const [i, d] = stack.pop()!, n = nodes[i];
    if (!n || d > nodes.length) {
      throw new OpError("its nodes do not form trees", "check the model with onnx.checker");
    }
    if ((depths.get(i) ?? -1) >= d) continue;
    depths.set(i, d);
    deepest = Math.max(deepest, d);
    if (n.feature >= 0) stack.push([n.yes, d + 1], [n.no, d + 1]);
  }
  return deepest;
}

/** The attributes of versions 1 to 4, whose lists start with `class` or `target`. */
function readNodes(
  r: AttrReader,
  leaves: "class" | "target",
): Pick<TreesAttrs, "nodes" | "roots" | "depth"> & { ids: number[] } {
  const trees = r.ints("nodes_treeids"), ids = r.ints("nodes_nodeids");
  const features = r.ints("nodes_featureids"), modes = r.strings("nodes_modes");
  const values = r.floats("nodes_values"), yes = r.ints("nodes_truenodeids");
  const no = r.ints("nodes_falsenodeids"), missing = r.ints("nodes_missing_value_tracks_true", []);
  r.floats("nodes_hitrates", []);
  const key = (tree: number, id: number): string => `${tree}:${id}`;
  const at = new Map(trees.map((t, i) => [key(t, ids[i]), i]));
  const weights: [number, number][][] = trees.map(() => []);
  const leafTrees = r.ints(`${leaves}_treeids`), leafNodes = r.ints(`${leaves}_nodeids`);
  const targets = r.ints(`${leaves}_ids`), leafWeights = r.floats(`${leaves}_weights`);
  leafTrees.forEach((t, i) => {
    const n = at.get(key(t, leafNodes[i]));
    if (n === undefined) {
      throw new OpError(
        "it has a weight for a node that does not exist",
        "check the model with onnx.checker",
      );
    }
    weights[n].push([targets[i], leafWeights[i]]);
  });
  const nodes = trees.map((t, i): Node => {
    const leaf = modes[i] === "LEAF", mode = MODES.findIndex((m) => `BRANCH_${m}` === modes[i]);
    if (!leaf && mode < 0) throw new OpError(`it has a node of mode ${modes[i]}`);
    return {
      feature: leaf ? -1 : features[i],
      value: values[i],
      mode: Math.max(mode, 0),
      yes: at.get(key(t, yes[i])) ?? -1,
      no: at.get(key(t, no[i])) ?? -1,
      missingIsTrue: (missing[i] ?? 0) !== 0,
      leaf: weights[i],
    };
  });
  const children = new Set(nodes.flatMap((n) => n.feature >= 0 ? [n.yes, n.no] : []));
  const roots = nodes.flatMap((_, i) => children.has(i) ? [] : [i]);
  return { nodes, roots, depth: depthOf(nodes, roots), ids: [...new Set(targets)] };
}

const ints = (values: readonly number[]): TensorData => {
  const small = values.every((v) => v >= -32768 && v < 32768);
  return tensor(small ? "int16" : "int32", [values.length], values);
};

/** [N, targets]: what the leaves of all trees give, before the base values. */
export const treeScores: OpDef<TreesAttrs> = {
  name: "TreeScores",
  onnx: [],
  infer: (a, [x]) => [{ dtype: "float32", shape: [rows(x)[0], a.targets] }],
  body: {
    kind: "kernel",
    constants({ nodes, roots }) {
      const leaves = nodes.map((n) => n.leaf);
      const first = leaves.map((_, i) => leaves.slice(0, i).reduce((s, l) => s + l.length, 0));
      const all = leaves.flat();
      return [
        ints(roots),
        ints(nodes.map((n) => n.feature)),
        tensor("float32", [nodes.length], nodes.map((n) => n.value)),
        ints(nodes.map((n) => n.feature < 0 ? 0 : n.yes)),
        ints(nodes.map((n) => n.feature < 0 ? 0 : n.no)),
        ints([...first, all.length]),
        ints(all.map(([t]) => t)),
        tensor("float32", [all.length], all.map(([, w]) => w)),
        ints(nodes.map((n) => n.mode + (n.missingIsTrue ? 8 : 0))),
      ];
    },
    program(a, { ins: [x], outs: [y], constants }) {
      const [roots, features, values, yes, no, first, targets, weights, modes] = constants;
      const i32 = (e: Expr): Expr => cast("int32", e);
      const flat = x!.shape.length === 1, n = y.shape[0];
      const used = new Set(a.nodes.flatMap((m) => m.feature >= 0 ? [m.mode] : []));
      const missing = a.nodes.some((m) => m.missingIsTrue);
      const compare = (mode: number, e: Expr, v: Expr): Expr => {
        const ops = ["le", "lt", "ge", "gt", "eq", "ne"] as const;
        return bin(ops[mode], e, v);
      };
      const goes = (row: Expr, node: Expr): Expr => {
        const e = load(
          x!,
          flat ? [i32(load(features, [node]))] : [row, i32(load(features, [node]))],
        );
        const v = load(values, [node]), flags = i32(load(modes, [node]));
        const kinds = [...used].sort((p, q) => p - q);
        const chosen = kinds.slice(1).reduce(
          (rest, m) => select(eq(bin("and", flags, imm(7)), imm(m)), compare(m, e, v), rest),
          compare(kinds[0] ?? 0, e, v),
        );
        if (!missing) return chosen;
        return bin("or", chosen, and(bin("ne", e, e), ge(flags, imm(8))));
      };
      const start = a.aggregate === "MIN"
        ? f32(Infinity)
        : a.aggregate === "MAX"
        ? f32(-Infinity)
        : f32(0);
      return loop("n", n, (row) =>
        block(
          loop("t", a.targets, (t) => store(y, [row, t], start)),
          loop("tree", a.roots.length, (tree) =>
            cell("node", i32(load(roots, [tree])), (node) =>
              block(
                loop("d", a.depth, () =>
                  when(
                    ge(load(features, [node.get]), imm(0, features.dtype)),
                    when(
                      goes(row, node.get),
                      node.set(i32(load(yes, [node.get]))),
                      node.set(i32(load(no, [node.get]))),
                    ),
                  )),
                loop("w", i32(load(first, [add(node.get, 1)])), (w) => {
                  const t = i32(load(targets, [w])),
                    old = load(y, [row, t]),
                    e = load(weights, [w]);
                  const next = a.aggregate === "MIN"
                    ? min(old, e)
                    : a.aggregate === "MAX"
                    ? max(old, e)
                    : add(old, e);
                  return store(y, [row, t], next);
                }, i32(load(first, [node.get]))),
              ))),
        ));
    },
  },
  cost: (a, { ins: [x] }) => ({ macs: rows(x)[0] * a.roots.length }),
};

/** Sums to means, plus the base values. */
interface TotalAttrs {
  readonly divisor: number;
  readonly base: readonly number[];
  /** What a target has that no leaf speaks of; it becomes 0. */
  readonly none: number | null;
}

/** How the scores of the trees become one: a divisor, and what stands where there is none. */
export const totals = (a: TreesAttrs): TotalAttrs => ({
  divisor: a.aggregate === "AVERAGE" ? a.roots.length : 1,
  base: a.base,
  none: a.aggregate === "MIN" ? Infinity : a.aggregate === "MAX" ? -Infinity : null,
});

/** Sums to means, plus the base values. */
export const treeTotals: OpDef<TotalAttrs> = {
  name: "TreeTotals",
  onnx: [],
  infer: (_, [x]) => [x!],
  body: {
    kind: "compute",
    define({ divisor, base, none }, [x], [out]) {
      const shape = dims(out);
      return [compute("y", "float32", shape, (...at) => {
        const e = load(x!, at), scaled = divisor === 1 ? e : mul(e, f32(1 / divisor));
        const mine = base.length === 0 ? null : base.reduceRight<Expr>(
          (rest, v, i) => i === base.length - 1 ? f32(v) : select(eq(at[1], i), f32(v), rest),
          f32(0),
        );
        const total = mine ? add(scaled, mine) : scaled;
        return none === null ? total : select(eq(e, f32(none)), f32(0), total);
      }, axisNames(shape.length))];
    },
  },
};

interface RegressorAttrs extends TreesAttrs {
  readonly transform: Transform;
}

const treeRegressor: OpDef<RegressorAttrs> = {
  name: "TreeEnsembleRegressor",
  onnx: [ml("TreeEnsembleRegressor", (r) => ({
    ...readNodes(r, "target"),
    targets: r.int("n_targets", 1),
    base: r.floats("base_values", []),
    aggregate: r.string("aggregate_function", "SUM") as Aggregate,
    transform: readTransform(r),
  }))],
  infer: (a, [x]) => [{ dtype: "float32", shape: [rows(x)[0], a.targets] }],
  body: {
    kind: "expand",
    rewrite(a, [x], _, b) {
      const [scores] = b.node(treeScores, a, [asFloat(x!, b)]);
      const [y] = b.node(treeTotals, totals(a), [scores]);
      return [transformed(y, a.transform, b)];
    },
  },
};

interface ClassifierAttrs extends TreesAttrs {
  readonly labels: readonly number[];
  readonly transform: Transform;
  /** Two classes of which the trees weigh one. */
  readonly single: boolean;
  readonly positive: boolean;
}

/** Scores of both classes of one weight: it is a probability, or speaks for or against. */
const bothClasses: OpDef<{ how: Transform; probability: boolean }> = {
  name: "BothClasses",
  onnx: [],
  infer: (_, [x]) => [{ dtype: "float32", shape: [dims(x!)[0], 2] }],
  body: {
    kind: "compute",
    define: ({ how, probability }, [x], [out]) => [
      compute("y", "float32", dims(out), (i, c) => {
        const s = load(x!, [i, 0]);
        const other = probability ? sub(f32(1), s) : sub(f32(0), s);
        const e = select(eq(c, 1), s, other);
        return how === "LOGISTIC" ? fn("sigmoid", e) : e;
      }, ["n", "co"]),
    ],
  },
};

/** 1 where the one weight is beyond the threshold. */
const isPositive: OpDef<{ threshold: number; labels: readonly number[] }> = {
  name: "IsPositive",
  onnx: [],
  infer: (_, [x]) => [{ dtype: "int64", shape: [dims(x!)[0]] }],
  body: {
    kind: "compute",
    define: ({ threshold, labels }, [x], [out]) => [
      compute("y", "int64", dims(out), (i) =>
        select(
          gt(load(x!, [i, 0]), f32(threshold)),
          imm(labels[1], "int64"),
          imm(labels[0], "int64"),
        )),
    ],
  },
};

const treeClassifier: OpDef<ClassifierAttrs> = {
  name: "TreeEnsembleClassifier",
  onnx: [ml("TreeEnsembleClassifier", (r) => {
    const labels = readLabels(r, "classlabels_int64s", "classlabels_strings");
    const trees = readNodes(r, "class");
    const single = labels.length === 2 && trees.ids.length === 1;
    const nodes = single
      ? trees.nodes.map((n) => ({ ...n, leaf: n.leaf.map(([, w]) => [0, w] as const) }))
      : trees.nodes;
    return {
      ...trees,
      nodes,
      targets: single ? 1 : labels.length,
      base: r.floats("base_values", []),
      aggregate: "SUM" as const,
      labels,
      transform: readTransform(r),
      single,
      positive: nodes.every((n) => n.leaf.every(([, w]) => w >= 0)),
    };
  })],
  infer({ labels }, [x]) {
    const [n] = rows(x);
    return [{ dtype: "int64", shape: [n] }, { dtype: "float32", shape: [n, labels.length] }];
  },
  body: {
    kind: "expand",
    rewrite(a, [x], _, b) {
      const [scores] = b.node(treeScores, a, [asFloat(x!, b)]);
      const [y] = b.node(treeTotals, totals(a), [scores]);
      if (!a.single) return [bestLabel(y, a.labels, b), transformed(y, a.transform, b)];
      const threshold = a.positive ? 0.5 : 0;
      const label = b.node(isPositive, { threshold, labels: a.labels }, [y])[0];
      return [label, b.node(bothClasses, { how: a.transform, probability: a.positive }, [y])[0]];
    },
  },
};

export const ops = [
  treeRegressor,
  treeClassifier,
  treeScores,
  treeTotals,
  bothClasses,
  isPositive,
] as OpDef<unknown>[];
