/** Dropout, which keeps everything at inference. */
import { sizeOf, tensor } from "../util/tensor.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import { onnx } from "./common.ts";
import { identity } from "./reshape.ts";

interface DropoutAttrs {
  /** Whether the second output, the mask of what is kept, is used. */
  readonly mask: boolean;
}

function read(r: AttrReader): DropoutAttrs {
  const training = r.inputCount > 2 ? r.operand(2) : undefined;
  if (training && Number(training.data[0]) !== 0) {
    throw new OpError("it is in training mode", "export the model for inference");
  }
  return { mask: r.outputCount > 1 };
}

export const dropout: OpDef<DropoutAttrs> = {
  name: "Dropout",
  postTraining: { range: "same" },
  changes: [{ since: 12, kind: "dropped", attribute: "ratio" }],
  onnx: [onnx("Dropout", 7, read, 1)],
  infer({ mask }, [x]) {
    if (!x) throw new OpError("its input is missing", "give the node its input");
    return mask ? [x, { dtype: "bool", shape: x.shape }] : [x];
  },
  body: {
    kind: "expand",
    rewrite({ mask }, [x], outs, b) {
      const y = b.node(identity, null, [x]);
      if (!mask) return y;
      const shape = dims(outs[1]);
      return [...y, b.constant(tensor("bool", shape, new Array(sizeOf(shape)).fill(1)))];
    },
  },
};

export const ops = [dropout] as OpDef<unknown>[];
