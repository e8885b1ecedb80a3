/**
 * TreeEnsemble of ai.onnx.ml 5, whose leaves have lists of their own. It becomes the nodes that the
 * older operators have.
 */
import { numbers } from "../util/tensor.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { building } from "./building.ts";
import { operand } from "./common.ts";
import { asFloat, ml, rows, type Transform, transformed } from "./ml_common.ts";
import {
  type Aggregate,
  depthOf,
  MODES,
  type Node,
  totals,
  type TreesAttrs,
  treeScores,
  treeTotals,
} from "./ml_trees.ts";

const AGGREGATES: readonly Aggregate[] = ["AVERAGE", "SUM", "MIN", "MAX"];
const TRANSFORMS: readonly Transform[] = ["NONE", "SOFTMAX", "LOGISTIC"];
const EQUAL = MODES.indexOf("EQ"), MEMBER = MODES.indexOf("MEMBER");

interface EnsembleAttrs extends TreesAttrs {
  readonly transform: Transform;
}

function choice<T>(r: AttrReader, name: string, values: readonly T[], fallback: number): T {
  const found = values[r.int(name, fallback)];
  if (found !== undefined) return found;
  throw new OpError(`its ${name} is ${r.int(name, fallback)}`, `it is one of ${values.join(", ")}`);
}

/** The members of each set, which NaN divides. */
function memberSets(values: readonly number[]): number[][] {
  const sets: number[][] = [[]];
  for (const v of values) {
    if (Number.isNaN(v)) sets.push([]);
    else sets[sets.length - 1].push(v);
  }
  return sets;
}

/** The nodes of all trees: inner ones, leaves, and the further comparisons that sets take. */
function readTrees(r: AttrReader): Pick<TreesAttrs, "nodes" | "roots" | "depth"> {
  const list = (name: string): readonly number[] => r.ints(`nodes_${name}`);
  const features = list("featureids"), yes = list("truenodeids"), no = list("falsenodeids");
  const yesLeaf = list("trueleafs"), noLeaf = list("falseleafs");
  const modes = numbers(r.tensor("nodes_modes")), splits = numbers(r.tensor("nodes_splits"));
  const missing = r.ints("nodes_missing_value_tracks_true", []);
  if (r.has("nodes_hitrates")) r.tensor("nodes_hitrates");
  const targets = r.ints("leaf_targetids"), weights = numbers(r.tensor("leaf_weights"));
  const lists = [features, yes, no, yesLeaf, noLeaf, modes, splits];
  if (lists.some((l) => l.length !== features.length) || targets.length !== weights.length) {
    throw new OpError("its lists have several lengths", "give one entry for every node and leaf");
  }
  const sets = r.has("membership_values") ? memberSets(numbers(r.tensor("membership_values"))) : [];
  const count = features.length;
  const place = (to: number, leaf: number): number => leaf !== 0 ? count + to : to;
  const inner = features.map((feature, i): Node => ({
    feature,
    value: splits[i],
    mode: modes[i],
    yes: place(yes[i], yesLeaf[i]),
    no: place(no[i], noLeaf[i]),
    missingIsTrue: (missing[i] ?? 0) !== 0,
    leaf: [],
  }));
  const leaves = targets.map((t, i): Node => ({
    ...inner[0],
    feature: -1,
    value: 0,
    mode: 0,
    missingIsTrue: false,
    leaf: [[t, weights[i]]],
  }));
  const nodes = [...inner, ...leaves];
  let set = 0;
  for (let i = 0; i < count; i++) {
    const n = inner[i];
    if (!(n.mode in MODES)) throw new OpError(`it has a node of mode ${n.mode}`, "use 0 to 6");
    if (n.mode === MEMBER) asComparisons(nodes, i, sets[set++] ?? []);
  }
  const roots = r.ints("tree_roots");
  return { nodes, roots, depth: depthOf(nodes, roots) };
}

/** A question whether a feature is in a set becomes one for each member, one behind the other. */
function asComparisons(nodes: Node[], at: number, members: readonly number[]): void {
  const n = nodes[at], values = members.length > 0 ? members : [NaN];
  let next = n.no;
  for (const value of values.slice(1).reverse()) {
    nodes.push({ ...n, mode: EQUAL, value, no: next });
    next = nodes.length - 1;
  }
  nodes[at] = { ...n, mode: EQUAL, value: values[0], no: next };
}

const treeEnsemble: OpDef<EnsembleAttrs> = {
  name: "TreeEnsemble",
  onnx: [ml("TreeEnsemble", (r) => {
    const trees = readTrees(r), targets = r.int("n_targets", 1);
    if (trees.nodes.some((n) => n.leaf.some(([t]) => t < 0 || t >= targets))) {
      throw new OpError(`it has a leaf of another target than ${targets}`, "count them from 0");
    }
    return {
      ...trees,
      targets,
      base: [],
      aggregate: choice(r, "aggregate_function", AGGREGATES, 1),
      transform: choice(r, "post_transform", TRANSFORMS, 0),
    };
  }, 5)],
  infer(a, ins) {
    const x = operand(ins, 0, "float"), [n, features] = rows(x);
    const far = a.nodes.find((m) => m.feature >= features);
    if (far) throw new OpError(`it compares feature ${far.feature} of ${features}`, "give it more");
    return [{ dtype: x.dtype, shape: [n, a.targets] }];
  },
  body: {
    kind: "expand",
    rewrite(a, [x], [out], b) {
      const [scores] = b.node(treeScores, a, [asFloat(x!, b)]);
      const [y] = b.node(treeTotals, totals(a), [scores]);
      return [building(b).cast(transformed(y, a.transform, b), out.dtype)];
    },
  },
};

export const ops = [treeEnsemble] as OpDef<unknown>[];
