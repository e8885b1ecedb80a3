/** onnxruntime's operators for transformers beside attention, by operators that there are. */
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { gelu, swish } from "./activation.ts";
import { type Building, building } from "./building.ts";
import { broadcastShapes, operand, type Types } from "./common.ts";
import { gather } from "./gather.ts";
import { inverseRoot, rmsNormalization } from "./group_norm.ts";
import { layerNormalization } from "./normalization.ts";
import { reduceMean, reduceSum } from "./reduce.ts";

const microsoft = <A>(type: string, attrs: (r: AttrReader) => A) => [
  { domain: "com.microsoft", type, since: 1, attrs },
];

/** An activation of the sum of both inputs, the second of which may be missing. */
function ofSum<A>(name: string, attrs: (r: AttrReader) => A, op: OpDef<A>): OpDef<A> {
  return {
    name,
    onnx: microsoft(name, attrs),
    infer(_, ins) {
      const x = operand(ins, 0, "float");
      const shapes = [x, ...ins[1] ? [operand(ins, 1, "float")] : []].map(dims);
      if (broadcastShapes(shapes).length !== x.shape.length) {
        throw new OpError(`its bias [${shapes[1]}] has more axes than its input`, "use a vector");
      }
      return [x];
    },
    body: {
      kind: "expand",
      rewrite(a, [x, bias], _, b) {
        const g = building(b);
        return [g.apply(op, a, bias ? g.add(x!, bias) : x!)];
      },
    },
  };
}

interface SkipAttrs {
  readonly epsilon: number;
  /** By the mean of squares alone; inputs then are x, skip, scale, bias. */
  readonly simplified: boolean;
  readonly outputs: number;
}

function skipTypes(a: SkipAttrs, ins: Types): readonly TensorType[] {
  const x = operand(ins, 0, "float"), shape = dims(x);
  operand(ins, 1, "float");
  operand(ins, 2, "float");
  for (let i = 1; i < ins.length; i++) {
    if (!ins[i]) continue;
    const other = dims(operand(ins, i, "float"));
    if (`${broadcastShapes([shape, other])}` !== `${shape}`) {
      throw new OpError(`its input ${i} of shape [${other}] does not fit [${shape}]`, "reshape it");
    }
  }
  const moment = { dtype: x.dtype, shape: shape.with(-1, 1) };
  return [x, moment, moment, x].slice(0, a.outputs);
}

const meanSquare = (g: Building, x: Value): Value =>
  g.apply(reduceMean, { axes: [-1], keepDims: true }, g.mul(x, x));

/** Layer normalisation of x + skip + bias; the fourth output is that sum. */
const skipNormalization = (name: string, simplified: boolean): OpDef<SkipAttrs> => ({
  name,
  onnx: microsoft(name, (r) => ({
    epsilon: r.float("epsilon", simplified ? 1e-5 : 1e-12),
    simplified,
    outputs: r.outputCount,
  })),
  infer: skipTypes,
  body: {
    kind: "expand",
    rewrite(a, [x, skip, scale, ...rest], _, b) {
      const g = building(b), [shift, bias] = a.simplified ? [null, rest[0]] : rest;
      const both = g.add(x!, skip!), total = bias ? g.add(both, bias) : both;
      if (a.simplified) {
        const [y] = b.node(rmsNormalization, { axis: -1, epsilon: a.epsilon }, [total, scale!]);
        if (a.outputs === 1) return [y];
        const unused = g.fill(0, y.type.dtype, dims(y.type).with(-1, 1));
        const inverse = a.outputs < 3 ? [] : [inverseRoot(g, meanSquare(g, total), a.epsilon)];
        return [y, unused, ...inverse, total].slice(0, a.outputs);
      }
      const outputs = Math.min(a.outputs, 3);
      const attrs = { axis: -1, epsilon: a.epsilon, outputs };
      const normal = b.node(layerNormalization, attrs, [total, scale!, ...shift ? [shift] : []]);
      return [...normal, ...a.outputs > 3 ? [total] : []];
    },
  },
});

interface EmbedAttrs {
  readonly epsilon: number;
  readonly outputs: number;
  /** The second output is the number of words that the mask leaves, else zeros. */
  readonly count: boolean;
}

/** The rows of the tables that words, places and segments choose, added up. */
function embedding(g: Building, ins: readonly (Value | null)[]): Value {
  const [ids, segments, words, places, kinds] = ins, positions = ins[8];
  const [batch, length] = dims(ids!.type), row = { axis: 0 };
  const place = positions
    ? g.apply(gather, row, places!, positions)
    : g.reshape(g.slice(places!, 0, 0, length), [1, length, dims(places!.type)[1]]);
  const word = g.reshape(g.apply(gather, row, words!, ids!), [
    batch,
    length,
    dims(words!.type)[1],
  ]);
  const sum = g.add(word, place);
  return kinds && segments ? g.add(sum, g.apply(gather, row, kinds, segments)) : sum;
}

/** Inputs ids, segments, tables of words, places and segments, scale, bias, mask, positions. */
const embedLayerNormalization: OpDef<EmbedAttrs> = {
  name: "EmbedLayerNormalization",
  onnx: microsoft("EmbedLayerNormalization", (r) => ({
    epsilon: r.float("epsilon", 1e-12),
    outputs: r.outputCount,
    count: r.int("mask_index_type", 1) !== 0,
  })),
  infer(a, ins) {
    const ids = dims(operand(ins, 0, "int")), words = operand(ins, 2, "float32");
    const places = dims(operand(ins, 3, "float32"));
    operand(ins, 5, "float32");
    operand(ins, 6, "float32");
    if (ids.length !== 2 || words.shape.length !== 2 || places.length !== 2 || places[0] < ids[1]) {
      throw new OpError(
        `its words [${ids}] do not fit its tables`,
        "words are [batch, length], tables matrices with a row for each",
      );
    }
    const y: TensorType = { dtype: words.dtype, shape: [...ids, dims(words)[1]] };
    return [y, { dtype: "int32" as const, shape: [ids[0]] }, y].slice(0, a.outputs);
  },
  body: {
    kind: "expand",
    rewrite(a, ins, outs, b) {
      const g = building(b), sum = embedding(g, ins), mask = ins[7];
      const attrs = { axis: -1, epsilon: a.epsilon, outputs: 1 };
      const [y] = b.node(layerNormalization, attrs, [sum, ins[5]!, ins[6]!]);
      if (a.outputs === 1) return [y];
      const count = mask && a.count
        ? g.apply(reduceSum, { axes: [1], keepDims: false }, g.cast(mask, "int32"))
        : g.fill(0, "int32", dims(outs[1]));
      return [y, count, sum].slice(0, a.outputs);
    },
  },
};

export const ops = [
  ofSum("FastGelu", () => ({ approximate: true }), gelu),
  ofSum("BiasGelu", () => ({ approximate: false }), gelu),
  ofSum("QuickGelu", (r) => ({ alpha: r.float("alpha", 1.702) }), swish),
  skipNormalization("SkipLayerNormalization", false),
  skipNormalization("SkipSimplifiedLayerNormalization", true),
  embedLayerNormalization,
] as OpDef<unknown>[];
