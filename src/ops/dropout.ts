/** Dropout, which keeps everything at inference. */
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import { building } from "./building.ts";
import { onnx } from "./common.ts";
import { identity } from "./reshape.ts";

interface DropoutAttrs {
  /** Whether the second output, the mask of what is kept, is used. */
  readonly mask: boolean;
  /** Whether that mask is of bools; before operator set 10 it is of the input's type. */
  readonly bools: boolean;
}

function read(r: AttrReader): DropoutAttrs {
  const training = r.inputCount > 2 ? r.operand(2) : undefined;
  if (training && Number(training.data[0]) !== 0) {
    throw new OpError("it is in training mode", "export the model for inference");
  }
  r.int("is_test", 0); // before operator set 7: which phase the file was written in
  return { mask: r.outputCount > 1, bools: r.opset >= 10 };
}

export const dropout: OpDef<DropoutAttrs> = {
  name: "Dropout",
  postTraining: { range: "same" },
  changes: [{ since: 12, kind: "dropped", attribute: "ratio" }],
  onnx: [onnx("Dropout", 1, read, 1)],
  infer({ mask, bools }, [x]) {
    if (!x) throw new OpError("its input is missing", "give the node its input");
    return mask ? [x, bools ? { dtype: "bool", shape: x.shape } : x] : [x];
  },
  body: {
    kind: "expand",
    rewrite({ mask }, [x], outs, b) {
      const y = b.node(identity, null, [x]);
      if (!mask) return y;
      const g = building(b);
      return [...y, g.cast(g.fill(1, "bool", dims(outs[1])), outs[1].dtype)];
    },
  },
};

export const ops = [dropout] as OpDef<unknown>[];
