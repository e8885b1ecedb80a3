/** Counts of n-grams of numbers. */
import { tensor } from "../util/tensor.ts";
import { axis as reduceAxis, compute, sum, type Tensor } from "../te/compute.ts";
import { add, and, cast, eq, imm, load, lt, min, mul, select } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type Value } from "../ir/graph.ts";
import { building } from "./building.ts";
import { onnx, operand } from "./common.ts";
import { compare } from "./elementwise.ts";
import { gather } from "./gather.ts";

const MODES = ["TF", "IDF", "TFIDF"] as const;

/** N-grams of one length, and where their counts go. */
interface Grams {
  readonly length: number;
  readonly items: readonly number[];
  readonly outputs: readonly number[];
}

interface TfIdfAttrs {
  readonly mode: typeof MODES[number];
  readonly grams: readonly Grams[];
  /** Elements that may lie between two of a gram. */
  readonly skips: number;
  readonly width: number;
  readonly weights: readonly number[] | null;
}

function readTfIdf(r: AttrReader): TfIdfAttrs {
  const mode = MODES.find((m) => m === r.string("mode"));
  if (!mode) throw new OpError(`its mode is '${r.string("mode")}'`, MODES.join(", "));
  if (r.has("pool_strings")) {
    throw new OpError("its n-grams are of texts", "map texts to numbers before the model");
  }
  const pool = r.ints("pool_int64s"), counts = r.ints("ngram_counts");
  const indexes = r.ints("ngram_indexes");
  const [shortest, longest] = [r.int("min_gram_length"), r.int("max_gram_length")];
  let gram = 0;
  const grams = counts.flatMap((start, i): Grams[] => {
    const length = i + 1, items = pool.slice(start, counts[i + 1] ?? pool.length);
    const number = items.length / length, outputs = indexes.slice(gram, gram + number);
    gram += number;
    return number > 0 && length >= shortest && length <= longest
      ? [{ length, items, outputs }]
      : [];
  });
  const used = grams.flatMap((g) => g.outputs);
  if (!Number.isInteger(gram) || gram !== indexes.length || new Set(used).size !== used.length) {
    throw new OpError(
      `its ${indexes.length} ngram_indexes do not fit ${gram} n-grams`,
      "give every n-gram an index of its own",
    );
  }
  return {
    mode,
    grams,
    skips: r.int("max_skip_count"),
    width: Math.max(...indexes) + 1,
    weights: r.has("weights") ? r.floats("weights") : null,
  };
}

/** How often each n-gram [grams, length] stands in a row of x [rows, elements]: float32. */
const countGrams: OpDef<{ skips: number }> = {
  name: "CountGrams",
  onnx: [],
  infer: (_, [x, pool]) => [{ dtype: "float32", shape: [dims(x!)[0], dims(pool!)[0]] }],
  body: {
    kind: "compute",
    define({ skips }, ins, [out]) {
      const [x, pool] = ins as readonly Tensor[], n = x.shape[1], length = pool.shape[1];
      return [compute("y", "float32", dims(out), (row, gram) => {
        // Nothing lies between the elements of a gram that has one.
        const skip = reduceAxis("skip", length === 1 ? 1 : skips + 1), i = reduceAxis("i", n);
        const at = (j: number) => add(i.v, mul(add(skip.v, 1), j));
        const hit = Array.from({ length }, (_, j) =>
          eq(
            cast("int64", load(x, [row, min(at(j), n - 1)])),
            load(pool, [gram, imm(j)]),
          ));
        const inside = lt(at(length - 1), n);
        const one = imm(1, "float32"), none = imm(0, "float32");
        return sum([skip, i], select(and(inside, ...hit), one, none));
      })];
    },
  },
};

/** Counts of n-grams in rows of integers [elements] or [rows, elements], weighted. */
const tfIdf: OpDef<TfIdfAttrs> = {
  name: "TfIdfVectorizer",
  onnx: [onnx("TfIdfVectorizer", 9, readTfIdf)],
  infer(a, ins) {
    const x = dims(operand(ins, 0, "int"));
    if (x.length > 2 || (a.weights && a.weights.length < a.width)) {
      throw new OpError(`its input [${x}] is no list of rows, or weights are missing`);
    }
    return [{ dtype: "float32", shape: [...x.slice(0, -1), a.width] }];
  },
  body: {
    kind: "expand",
    rewrite(a, [x], [out], b) {
      const g = building(b), shape = dims(x!.type), elements = shape.at(-1) ?? 1;
      const rows = g.reshape(x!, [shape.length === 2 ? shape[0] : 1, elements]);
      const columns = new Array<number>(a.width).fill(-1);
      const parts: Value[] = [];
      let column = 0;
      for (const { length, items, outputs } of a.grams) {
        const pool = b.constant(tensor("int64", [outputs.length, length], items.map(BigInt)));
        if (elements >= length) parts.push(g.apply(countGrams, { skips: a.skips }, rows, pool));
        else parts.push(g.fill(0, "float32", [dims(rows.type)[0], outputs.length]));
        for (const o of outputs) columns[o] = column++;
      }
      parts.push(g.fill(0, "float32", [dims(rows.type)[0], 1]));
      const order = columns.map((c) => c < 0 ? column : c);
      const indices = b.constant(tensor("int32", [a.width], order));
      const counts = g.apply(gather, { axis: 1 }, g.concat(parts, 1), indices);
      const zero = g.scalar(0, "float32"), one = g.scalar(1, "float32");
      const weights = a.weights &&
        b.constant(tensor("float32", [a.width], a.weights.slice(0, a.width)));
      const there = a.mode === "IDF"
        ? g.where(g.apply(compare.greater, null, counts, zero), one, zero)
        : counts;
      return [g.reshape(weights && a.mode !== "TF" ? g.mul(there, weights) : there, dims(out))];
    },
  },
};

export const ops = [countGrams, tfIdf] as OpDef<unknown>[];
