/** Operators whose channels may come last: what they are with channels second, between transposes. */
import type { Value } from "../ir/graph.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { building } from "./building.ts";
import { maxPool } from "./pool.ts";

interface LastAttrs<A> {
  readonly own: A;
  readonly last: boolean;
}

const toSecond = (rank: number): number[] => [
  0,
  rank - 1,
  ...Array.from({ length: rank - 2 }, (_, i) => i + 1),
];
const toLast = (rank: number): number[] => [
  0,
  ...Array.from({ length: rank - 2 }, (_, i) => i + 2),
  1,
];
const moved = (t: TensorType, perm: readonly number[]): TensorType => ({
  ...t,
  shape: perm.map((i) => t.shape[i]),
});

/**
 * An operator that reads `channels_last`; where it is always so, `always`.
 *
 * @param name what it is called, by default the operator's own name
 */
export function channelsLast<A>(
  op: OpDef<A>,
  onnx: { readonly domain: string; readonly type: string; readonly since: number } = op.onnx[0],
  always = false,
): OpDef<LastAttrs<A>> {
  return {
    name: always ? onnx.type : `${op.name}Layout`,
    onnx: [{
      ...onnx,
      attrs: (r) => ({
        own: op.onnx[0].attrs(r),
        last: always || r.int("channels_last", 0) !== 0,
      }),
    }],
    infer({ own, last }, ins, known) {
      const [x, ...rest] = ins;
      if (!last) return op.infer(own, ins, known);
      if (!x || x.shape.length < 3) {
        throw new OpError("its input has no spatial axes", "give it [N, spatial…, C]");
      }
      const rank = x.shape.length;
      return op.infer(own, [moved(x, toSecond(rank)), ...rest], known)
        .map((t) => moved(t, toLast(rank)));
    },
    body: {
      kind: "expand",
      rewrite({ own, last }, ins, outs, b) {
        if (!last) return b.node(op, own, ins);
        const g = building(b), [x, ...rest] = ins, rank = dims(x!.type).length;
        const second: Value = g.transpose(x!, toSecond(rank));
        return b.node(op, own, [second, ...rest]).slice(0, outs.length)
          .map((y) => g.transpose(y, toLast(rank)));
      },
    },
  };
}

export const ops = [
  channelsLast(maxPool, { domain: "com.microsoft", type: "NhwcMaxPool", since: 1 }, true),
] as OpDef<unknown>[];
