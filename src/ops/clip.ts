/** Clip as ONNX has it: bounds that are known become attributes, others stay inputs. */
import { numbers, sizeOf } from "../util/tensor.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type Value } from "../ir/graph.ts";
import { clip } from "./activation.ts";
import { building } from "./building.ts";
import { onnx, operand, sameType } from "./common.ts";
import { max, min } from "./elementwise.ts";

/** A number, null where there is none, undefined where it is only known when the model runs. */
type Bound = number | null | undefined;

interface BoundAttrs {
  readonly lo: Bound;
  readonly hi: Bound;
}

function readBound(r: AttrReader, name: string, input: number): Bound {
  if (r.has(name)) return r.float(name);
  if (r.opset < 11 || input >= r.inputCount) return null;
  const type = r.type(input), x = r.type(0);
  if (!type || !x) return null;
  if (sizeOf(dims(type)) !== 1) {
    throw new OpError(`its ${name} has shape [${dims(type)}]`, "use a scalar");
  }
  sameType([x, type]);
  const known = r.constant(input);
  return known && numbers(known)[0];
}

/** min(max(x, lo), hi). */
const clipOnnx: OpDef<BoundAttrs> = {
  name: "Clip",
  postTraining: { range: "own", clamp: "fixed" },
  onnx: [onnx("Clip", 1, (r) => ({
    lo: readBound(r, "min", 1),
    hi: readBound(r, "max", 2),
  }))],
  infer: (_, ins) => [operand(ins, 0, "number")],
  body: {
    kind: "expand",
    rewrite({ lo, hi }, [x, low, high], _, b) {
      if (lo !== undefined && hi !== undefined) return b.node(clip, { lo, hi }, [x]);
      const g = building(b), { dtype } = x!.type;
      const bound = (known: Bound, given: Value | null | undefined): Value | null =>
        known === null
          ? null
          : known === undefined
          ? g.reshape(given!, [])
          : g.scalar(known, dtype);
      const from = bound(lo, low), to = bound(hi, high);
      const raised = from ? g.apply(max, null, x, from) : x!;
      return [to ? g.apply(min, null, raised, to) : raised];
    },
  },
};

export const ops = [clipOnnx] as OpDef<unknown>[];
