/**
 * Operators that only move elements act on stored integers as they do on the real numbers; what has
 * to be found is where a per-channel axis went.
 */
import { tensor, type TensorData } from "../util/tensor.ts";
import { dims, type Node } from "../ir/graph.ts";
import type { OpDef } from "../ir/opdef.ts";
import { evaluateNode } from "../ir/evaluate.ts";

/** Whether an operator only moves elements: it is a strided view, or places its inputs. */
export const moves = (op: OpDef<unknown>): boolean => !!op.view || !!op.place;

/** Larger tensors are not traced; their operators compute on floats. */
const LIMIT = 1 << 22;

/**
 * Follows a per-channel axis through a movement operator by moving channel numbers.
 *
 * @returns the output's axis and which input channel each of its channels is; null where the
 * channels do not lie along one axis any more
 */
export function moveAxis(
  n: Node,
  input: number,
  axis: number,
): { axis: number; channels: number[] } | null {
  const shape = dims(n.ins[input]!.type), size = shape.reduce((a, b) => a * b, 1);
  if (size > LIMIT) return null;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const ids = tensor(
    "int32",
    shape,
    Array.from({ length: size }, (_, i) => Math.floor(i / inner) % shape[axis]),
  );
  const ins = n.ins.map((v, i): TensorData | null => i === input ? ids : v?.data ?? null);
  return axisOfChannels(evaluateNode(n.op, n.attrs, ins)[0]);
}

function axisOfChannels(t: TensorData): { axis: number; channels: number[] } | null {
  for (let axis = 0; axis < t.shape.length; axis++) {
    const inner = t.shape.slice(axis + 1).reduce((a, b) => a * b, 1), extent = t.shape[axis];
    const channels = Array.from({ length: extent }, (_, c) => Number(t.data[c * inner]));
    if (
      t.data.length > 0 && new Set(channels).size > 1 &&
      Array.from(t.data as ArrayLike<number>).every((id, i) =>
        id === channels[Math.floor(i / inner) % extent]
      )
    ) return { axis, channels };
  }
  return null;
}
