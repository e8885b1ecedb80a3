/** What the file declares of its outputs against what the operators make of them. */
import { BurinError } from "../util/errors.ts";
import { dims, type Graph, typeText } from "../ir/graph.ts";
import type { DimSizes } from "./dims.ts";
import type { ValueInfoView } from "./reader.ts";
import { dtypeOf } from "./tensors.ts";

/**
 * @throws BurinError `model/output-mismatch` where an element type, a rank or a known dimension
 * differs
 */
export function checkOutputs(g: Graph, declared: readonly ValueInfoView[], sizes: DimSizes): void {
  for (const v of declared) {
    const { kind, elemType, shape } = v.type;
    if (kind !== "tensor") continue;
    const type = g.outputs[g.outputNames.indexOf(v.name)].type;
    const fail = (what: string): never => {
      throw new BurinError(
        "model/output-mismatch",
        `Cannot use the output '${v.name}' as it is declared with ${what} ` +
          `but computed as ${typeText(type)}`,
        "export the model again, or run onnx.checker.check_model(model, full_check=True) on it",
      );
    };
    if (elemType !== 0) {
      const dtype = dtypeOf(elemType, `the output '${v.name}'`);
      if (dtype !== type.dtype) fail(`the element type ${dtype}`);
    }
    if (shape === null) continue;
    const actual = dims(type);
    if (shape.length !== actual.length) fail(`${shape.length} dimensions`);
    shape.forEach((d, axis) => {
      const size = sizes.size(d);
      if (size === null || size === actual[axis]) return;
      fail(typeof d === "string" ? `the dimension '${d}' of ${size}` : `a dimension of ${size}`);
    });
  }
}
