/** FlexAttention: attention with graphs that change its scores and its weights. */
import type { DType } from "../util/dtype.ts";
import { dtypeByNumber, isFloat, isStored } from "../util/dtype.ts";
import { captures, dims, type Graph, type TensorType, typeText, type Value } from "../ir/graph.ts";
import { inline } from "../ir/inline.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { building } from "./building.ts";
import { operand, sameType, type Types } from "./common.ts";
import { softmax } from "./softmax.ts";

interface FlexAttrs {
  /** null: 1/√size. */
  readonly scale: number | null;
  readonly precision: DType | null;
  readonly scoreMod: Graph | null;
  readonly probMod: Graph | null;
}

/** Shape of the scores: [batch, query heads, queries, keys]. */
function scores(ins: Types): number[] {
  const [q, k, v] = [0, 1, 2].map((i) => operand(ins, i, "float")),
    [qs, ks, vs] = [q, k, v].map(dims);
  sameType([q, k, v]);
  const fits = [qs, ks, vs].every((s) => s.length === 4 && s[0] === qs[0]) && ks[1] === vs[1] &&
    ks[2] === vs[2] && qs[3] === ks[3] && qs[1] % ks[1] === 0;
  if (!fits) {
    throw new OpError(
      `its operands [${qs}], [${ks}], [${vs}] do not fit each other`,
      "use [batch, heads, sequence, size]",
    );
  }
  return [qs[0], qs[1], qs[2], ks[2]];
}

/** What the softmax is computed in. */
const within = (x: DType, precision: DType | null): DType =>
  precision ?? (isStored(x) ? "float32" : x);

function readFlex(r: AttrReader): FlexAttrs {
  const number = r.int("softmax_precision", 0);
  const precision = number ? dtypeByNumber(number) : null;
  if (precision === undefined || (precision && !isFloat(precision))) {
    throw new OpError(`its softmax_precision is ${number}`, "use the number of a float type");
  }
  // Less than float32 is not computed with: more precise than asked for.
  const wide = precision && isStored(precision) ? "float32" : precision;
  const [q, k] = [r.type(0), r.type(1)];
  const graph = (name: string): Graph | null => {
    if (!r.has(name) || !q || !k || q.shape.length !== 4 || k.shape.length !== 4) return null;
    const shape = [...q.shape.slice(0, 3), k.shape[2]];
    const type: TensorType = { dtype: within(q.dtype, wide), shape };
    const g = r.graph(name, [{ type }]);
    const [y] = g.outputs;
    if (g.outputs.length !== 1 || typeText(y.type) !== typeText(type) || captures(g).length) {
      throw new OpError(
        `its graph '${name}' does not make ${typeText(type)} of its input alone`,
        "it has one input and one output of one type",
      );
    }
    return g;
  };
  return {
    scale: r.has("scale") ? r.float("scale") : null,
    precision: wide,
    scoreMod: graph("score_mod"),
    probMod: graph("prob_mod"),
  };
}

/** Inputs query, key, value. */
const flexAttention: OpDef<FlexAttrs> = {
  name: "FlexAttention",
  onnx: [{ domain: "ai.onnx.preview", type: "FlexAttention", since: 1, attrs: readFlex }],
  infer(_, ins) {
    const [batch, heads, queries] = scores(ins), v = ins[2]!;
    return [{ dtype: v.dtype, shape: [batch, heads, queries, dims(v)[3]] }];
  },
  body: {
    kind: "expand",
    rewrite(a, ins, _, b) {
      const [q, k, v] = ins as readonly Value[], g = building(b);
      const [batch, heads, queries, keys] = scores([q, k, v].map((x) => x.type));
      const kvHeads = dims(k.type)[1], size = dims(q.type)[3], vSize = dims(v.type)[3];
      const { dtype } = q.type, wide = within(dtype, a.precision);
      const root = g.scalar(Math.sqrt(a.scale ?? 1 / Math.sqrt(size)), dtype);
      // The query heads that share a key head lie one behind the other, as further rows.
      const rows = heads / kvHeads * queries;
      const query = g.mul(g.reshape(q, [batch, kvHeads, rows, size]), root);
      const products = g.matmul(query, g.mul(k, root), true);
      const changed = (graph: Graph | null, x: Value): Value =>
        graph ? inline(graph, [x], new Map(), b)[0] : x;
      const raw = g.cast(g.reshape(products, [batch, heads, queries, keys]), wide);
      const weights = g.apply(softmax, { axis: -1, flatten: false }, changed(a.scoreMod, raw));
      const p = g.reshape(changed(a.probMod, weights), [batch, kvHeads, rows, keys]);
      const y = g.matmul(p, g.cast(v, wide));
      return [g.cast(g.reshape(y, [batch, heads, queries, vSize]), v.type.dtype)];
    },
  },
};

export const ops = [flexAttention] as OpDef<unknown>[];
