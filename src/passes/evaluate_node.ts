/** Evaluates one operator on known data: constant folding, tables, moved channel axes. */
import { bytesOf } from "../util/dtype.ts";
import { sizeOf, type TensorData } from "../util/tensor.ts";
import { placeholder, type Tensor } from "../te/compute.ts";
import { evaluate } from "../te/interp.ts";
import { Builder, type NodeInfo } from "../ir/build.ts";
import { dims, type TensorType, typeOf, type Value } from "../ir/graph.ts";
import type { OpDef } from "../ir/opdef.ts";

/** The outputs' data; undefined where the operator's meaning is not a tensor expression. */
export function evaluateNode<A>(
  op: OpDef<A>,
  attrs: A,
  ins: readonly (TensorData | null)[],
): TensorData[] | undefined {
  const types = op.infer(attrs, ins.map((t) => t && typeOf(t)), (i) => ins[i] ?? undefined);
  if (op.body.kind === "kernel" || op.body.kind === "extern") {
    return op.body.reference(attrs, ins);
  }
  if (op.body.kind !== "compute") return undefined;
  const tensors = ins.map((t, i) => t && placeholder(`in${i}`, t.dtype, t.shape));
  const stages = op.body.define(attrs, tensors, types);
  const data = new Map<Tensor, TensorData>();
  tensors.forEach((t, i) => t && data.set(t, ins[i]!));
  const env = evaluate(stages, data);
  return stages.slice(-types.length).map((s) => env.get(s.out)!);
}

/** Bytes of a tensor of this type. */
export const bytesOfType = (t: TensorType): number => sizeOf(dims(t)) * bytesOf(t.dtype);

/** A builder that computes nodes of constants at once, where the result has at most `limit` bytes. */
export class FoldingBuilder extends Builder {
  constructor(readonly limit: number) {
    super();
  }

  /** Adds a node as it is, constants or not. */
  keep<A>(op: OpDef<A>, attrs: A, ins: readonly (Value | null)[], info?: NodeInfo): Value[] {
    return super.node(op, attrs, ins, info);
  }

  override node<A>(
    op: OpDef<A>,
    attrs: A,
    ins: readonly (Value | null)[],
    info?: NodeInfo,
  ): Value[] {
    if (ins.some((v) => v) && ins.every((v) => !v || v.data)) {
      const types = op.infer(attrs, ins.map((v) => v?.type ?? null), (i) => ins[i]?.data);
      if (types.reduce((sum, t) => sum + bytesOfType(t), 0) <= this.limit) {
        const outs = evaluateNode(op, attrs, ins.map((v) => v?.data ?? null));
        if (outs) return outs.map((data) => this.constant(data));
      }
    }
    return super.node(op, attrs, ins, info);
  }
}
