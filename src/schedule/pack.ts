/** Relayout of constants, done at compile time. */
import { rowMajor, sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { cast, imm, type Indexable, load, max, mul, rewrite, sub } from "../te/expr.ts";
import { loads } from "../te/analyze.ts";
import type { PackedTensor } from "./gemm.ts";
import { refuse, replaceStage, stageOf, type State } from "./state.ts";

/** Stores a constant with its axes in another order, as the loops of the stage will read it. */
export interface PackStep {
  readonly do: "pack";
  readonly stage: string;
  readonly tensor: string;
  /** New axis i is old axis perm[i]. */
  readonly perm: readonly number[];
  /**
   * Neighbours along the innermost axis lie side by side as int16, each pair in a word of its own:
   * w0 w1, w1 w2, …
   */
  readonly pairs?: boolean;
}

/** Whether a constant's elements can lie in pairs: bytes, and what is left of bytes less a zero point. */
export const canPair = ({ dtype }: Indexable): boolean => dtype === "int8" || dtype === "int16";

export function pack(s: State, step: PackStep): State {
  const st = stageOf(s, step.stage);
  const old = loads(st.compute.body).find((l) => l.src.name === step.tensor)?.src;
  const data = old && s.consts.get(old);
  if (!old || !data) {
    refuse(`pack ${step.tensor}`, `${step.stage} reads no such constant`, "pack constants only");
  }
  const moved = transpose(data, step.perm);
  const pairs = step.pairs ?? false;
  if (pairs && (!canPair(old) || moved.shape.at(-1)! < 2)) {
    refuse(`pack ${step.tensor}`, "it has no pairs of int8 or int16", "pack it in natural order");
  }
  const stored = pairs ? inPairs(moved) : moved;
  const packed: PackedTensor = {
    name: `${old.name}_packed`,
    dtype: stored.dtype,
    shape: stored.shape,
    order: pairs ? "pairs" : undefined,
  };
  const body = rewrite(st.compute.body, (e) => {
    if (e.k !== "load" || e.src !== old) return undefined;
    const idx = step.perm.map((p) => e.idx[p]);
    if (!pairs) return load(packed, idx);
    const last = idx.pop()!;
    const read = load(packed, [...idx, max(sub(mul(last, 2), 1), imm(0))]);
    return old.dtype === "int8" ? cast("int8", read) : read;
  });
  return {
    ...replaceStage(s, st.name, { ...st, compute: { ...st.compute, body } }),
    consts: new Map([...s.consts, [packed, stored]]),
  };
}

/** [..., n] as int16 [..., 2(n − 1)]: element j of pair i is element i + j. */
function inPairs({ shape, data }: TensorData): TensorData {
  const n = shape.at(-1)!, rows = sizeOf(shape) / n;
  const values: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i + 1 < n; i++) {
      values.push(Number(data[row * n + i]), Number(data[row * n + i + 1]));
    }
  }
  return tensor("int16", [...shape.slice(0, -1), 2 * (n - 1)], values);
}

/** A constant with its axes permuted. */
function transpose(t: TensorData, perm: readonly number[]): TensorData {
  const shape = perm.map((p) => t.shape[p]);
  const from = rowMajor(t.shape), to = rowMajor(shape);
  const values = Array.from({ length: sizeOf(shape) }, (_, i) => {
    let source = 0;
    shape.forEach((n, d) => source += (Math.floor(i / to[d]) % n) * from[perm[d]]);
    return t.data[source];
  });
  return tensor(t.dtype, shape, values);
}
