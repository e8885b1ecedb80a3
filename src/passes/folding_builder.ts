/** Building nodes that are computed at once where everything they read is known. */
import { bytesOf } from "../util/dtype.ts";
import { sizeOf } from "../util/tensor.ts";
import { Builder, type NodeInfo } from "../ir/build.ts";
import { evaluateNode } from "../ir/evaluate.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import type { OpDef } from "../ir/opdef.ts";

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
    if (op.body.kind !== "scan" && ins.some((v) => v) && ins.every((v) => !v || v.data)) {
      const types = op.infer(attrs, ins.map((v) => v?.type ?? null), (i) => ins[i]?.data);
      if (types.reduce((sum, t) => sum + bytesOfType(t), 0) <= this.limit) {
        return evaluateNode(op, attrs, ins.map((v) => v?.data ?? null))
          .map((data) => this.constant(data));
      }
    }
    return super.node(op, attrs, ins, info);
  }
}
