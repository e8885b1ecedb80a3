/**
 * What the file declares of its outputs against what the operators make of them. As in onnxruntime,
 * shapes follow from the inputs: exporters and editors leave stale ones behind.
 */
import { BurinError } from "../util/errors.ts";
import { dims, type Graph, typeText } from "../ir/graph.ts";
import type { DimSizes } from "./dims.ts";
import type { ValueInfoView } from "./reader.ts";
import { dtypeOf } from "./tensors.ts";

/**
 * Notes for the user where a rank or a dimension differs.
 *
 * @throws BurinError `model/output-mismatch` where an element type differs, or a dimension from the
 * size that the user gave its name
 */
export function checkOutputs(
  g: Graph,
  declared: readonly ValueInfoView[],
  sizes: DimSizes,
): string[] {
  return declared.flatMap((v) => {
    const { kind, elemType, shape } = v.type;
    if (kind !== "tensor") return [];
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
    if (shape === null) return [];
    const actual = dims(type);
    shape.forEach((d, axis) => {
      const size = sizes.size(d);
      if (typeof d !== "string" || size === null || shape.length !== actual.length) return;
      if (size !== actual[axis]) fail(`the dimension '${d}' of ${size}`);
    });
    const known = shape.map((d) => sizes.size(d));
    const fits = known.length === actual.length &&
      known.every((n, axis) => n === null || n === actual[axis]);
    return fits ? [] : [
      `the output '${v.name}' is ${typeText(type)}; ` +
      `the file declares [${known.map((n) => n ?? "?").join(",")}], which is not used`,
    ];
  });
}
