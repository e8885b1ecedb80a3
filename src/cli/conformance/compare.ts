/** Outputs against a case's expected ones, as ONNX's backend runner compares them. */
import { isFloat } from "../../util/dtype.ts";
import { floatNumbers } from "../../util/small_floats.ts";
import type { TensorData } from "../../util/tensor.ts";

/** Two steps of bfloat16: the runner's own tolerance for it. */
const BFLOAT16_RTOL = 2 ** -6;

/** What differs, as a sentence; null where everything is within the tolerances. */
export function difference(
  actual: TensorData,
  expected: TensorData,
  { rtol, atol }: { readonly rtol: number; readonly atol: number },
): string | null {
  if (actual.dtype !== expected.dtype) {
    return `it is ${actual.dtype} where ${expected.dtype} is expected`;
  }
  if (actual.shape.join() !== expected.shape.join()) {
    return `its shape is [${actual.shape}] where [${expected.shape}] is expected`;
  }
  if (!isFloat(actual.dtype)) {
    const at = actual.data.findIndex((x: unknown, i: number) => x !== expected.data[i]);
    return at < 0
      ? null
      : `element ${at} is ${actual.data[at]} where ${expected.data[at]} is expected`;
  }
  const xs = floatNumbers(actual), ys = floatNumbers(expected);
  const relative = actual.dtype === "bfloat16" ? Math.max(rtol, BFLOAT16_RTOL) : rtol;
  for (let i = 0; i < xs.length; i++) {
    const x = xs[i], y = ys[i];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    if (
      Number.isFinite(x) && Number.isFinite(y) && Math.abs(x - y) <= atol + relative * Math.abs(y)
    ) {
      continue;
    }
    return `element ${i} is ${x} where ${y} is expected`;
  }
  return null;
}
