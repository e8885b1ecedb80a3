/** Operators that multiply each channel by a constant and add one: what they do to a layer's result. */
import { numbers, type TensorData } from "../util/tensor.ts";
import type { Affine, AffineNode } from "../ir/post_training.ts";

/** The one constant operand, an element for every channel; null where it is no such thing. */
function perChannel({ constants, channels, rank }: AffineNode): Float64Array | null {
  const other = constants.find((t) => t !== undefined);
  if (!other || other.dtype !== "float32" || constants.length !== 2) return null;
  const shape = [...Array(Math.max(0, rank - other.shape.length)).fill(1), ...other.shape];
  const fits = shape.length === rank &&
    shape.every((d, axis) => d === 1 || (axis === 1 && d === channels));
  if (!fits) return null;
  const data = numbers(other);
  return Float64Array.from({ length: channels }, (_, c) => data[data.length > 1 ? c : 0]);
}

/** Adds a constant. */
export function affineSum(n: AffineNode): Affine | null {
  const shift = perChannel(n);
  return shift && { scale: new Float64Array(n.channels).fill(1), shift };
}

/** Multiplies by a constant. */
export function affineProduct(n: AffineNode): Affine | null {
  const scale = perChannel(n);
  return scale && { scale, shift: new Float64Array(n.channels) };
}

/** Normalises with constants gamma, beta, mean and variance. */
export function affineNormalisation(n: AffineNode): Affine | null {
  if (n.input !== 0 || n.attrs.int("training_mode", 0) || n.outputs !== 1) return null;
  const known = n.constants.slice(1);
  if (known.length < 4 || known.some((t) => !t)) return null;
  const [gamma, beta, mean, variance] = known.map((t) => numbers(t as TensorData));
  const epsilon = n.attrs.float("epsilon", 1e-5);
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt(variance[c] + epsilon));
  return { scale, shift: scale.map((s, c) => beta[c] - mean[c] * s) };
}
