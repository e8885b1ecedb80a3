/** What ai.onnx.ml does to make columns of features: categories apart, and tables side by side. */
import { tensor } from "../util/tensor.ts";
import { dims } from "../ir/graph.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { building } from "./building.ts";
import { operand } from "./common.ts";
import { compare } from "./elementwise.ts";
import { asFloat, ml, rows } from "./ml_common.ts";

/** A column for each category, 1 where the element is it, none for others; [...] to [..., n]. */
const oneHotEncoder: OpDef<{ categories: readonly number[] }> = {
  name: "OneHotEncoder",
  onnx: [ml("OneHotEncoder", (r) => {
    const categories = r.ints("cats_int64s", []);
    if (categories.length === 0) {
      throw new OpError("its categories are texts or none", "encode them as integers");
    }
    r.int("zeros", 1); // whether onnxruntime ends on others than these
    return { categories };
  })],
  infer: ({ categories }, ins) => [
    { dtype: "float32", shape: [...dims(operand(ins, 0, "number")), categories.length] },
  ],
  body: {
    kind: "expand",
    rewrite({ categories }, [x], _, b) {
      const g = building(b), shape = dims(x!.type);
      // Fractions are cut, as onnxruntime does.
      const wide = g.reshape(g.cast(x!, "int64"), [...shape, 1]);
      const all = b.constant(tensor("int64", [categories.length], categories));
      return [g.cast(g.apply(compare.equal, null, wide, all), "float32")];
    },
  },
};

/** Inputs [N, C] side by side, as float32. */
const featureVectorizer: OpDef<{ sizes: readonly number[] }> = {
  name: "FeatureVectorizer",
  onnx: [ml("FeatureVectorizer", (r) => ({ sizes: r.ints("inputdimensions", []) }))],
  infer({ sizes }, ins) {
    const tables = ins.map((_, i) => rows(operand(ins, i, "number")));
    const count = tables[0]?.[0] ?? 0;
    if (tables.length === 0 || tables.some(([n]) => n !== count)) {
      throw new OpError(
        `its inputs have ${tables.map(([n]) => n).join(", ")} rows`,
        "give equal ones",
      );
    }
    const wrong = tables.findIndex(([, c], i) => sizes[i] !== undefined && sizes[i] !== c);
    if (wrong >= 0) {
      throw new OpError(
        `its input ${wrong} has ${tables[wrong][1]} columns where ${sizes[wrong]} are said`,
        "correct its inputdimensions",
      );
    }
    return [{ dtype: "float32", shape: [count, tables.reduce((n, [, c]) => n + c, 0)] }];
  },
  body: {
    kind: "expand",
    rewrite(_, ins, __, b) {
      const g = building(b);
      return [g.concat(ins.map((x) => g.reshape(asFloat(x!, b), rows(x!.type))), 1)];
    },
  },
};

export const ops = [oneHotEncoder, featureVectorizer] as OpDef<unknown>[];
