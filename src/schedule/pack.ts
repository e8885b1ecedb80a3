/** Relayout of constants, done at compile time. */
import { rowMajor, sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { type Indexable, load, rewrite } from "../te/expr.ts";
import { loads } from "../te/analyze.ts";
import { refuse, replaceStage, stageOf, type State } from "./state.ts";

/** Stores a constant with its axes in another order, as the loops of the stage will read it. */
export interface PackStep {
  readonly do: "pack";
  readonly stage: string;
  readonly tensor: string;
  /** New axis i is old axis perm[i]. */
  readonly perm: readonly number[];
}

export function pack(s: State, step: PackStep): State {
  const st = stageOf(s, step.stage);
  const old = loads(st.compute.body).find((l) => l.src.name === step.tensor)?.src;
  const data = old && s.consts.get(old);
  if (!old || !data) {
    refuse(`pack ${step.tensor}`, `${step.stage} reads no such constant`, "pack constants only");
  }
  const packed: Indexable = {
    name: `${old.name}_packed`,
    dtype: old.dtype,
    shape: step.perm.map((p) => old.shape[p]),
  };
  const body = rewrite(
    st.compute.body,
    (e) =>
      e.k === "load" && e.src === old ? load(packed, step.perm.map((p) => e.idx[p])) : undefined,
  );
  return {
    ...replaceStage(s, st.name, { ...st, compute: { ...st.compute, body } }),
    consts: new Map([...s.consts, [packed, transpose(data, step.perm)]]),
  };
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
