/** Nodes that compute the same from the same are computed once; equal constants are stored once. */
import { bytes, type TensorData } from "../util/tensor.ts";
import { rebuild } from "../ir/build.ts";
import type { Graph, Value } from "../ir/graph.ts";
import type { OpDef } from "../ir/opdef.ts";
import { dequantizeLinear } from "../ops/mod.ts";

export function commonSubexpressions(g: Graph): Graph {
  const ids = new Map<object, number>();
  const id = (o: object): number => ids.get(o) ?? (ids.set(o, ids.size), ids.size - 1);
  const constants = new Map<string, Value[]>();
  const canonical = (v: Value): Value => {
    if (!v.data) return v;
    const key = `${v.type.dtype} ${v.data.shape} ${checksum(v.data)}`;
    const seen = constants.get(key) ?? [];
    const same = seen.find((s) => equal(s.data!, v.data!));
    if (!same) constants.set(key, [...seen, v]);
    return same ?? v;
  };
  const done = new Map<string, readonly Value[]>();
  return rebuild(g, (n, b) => {
    // Dequantising belongs to every reader's own loop: sharing it would store the float.
    if (n.bodies.length || n.op.body.kind === "extern" || n.op === dequantizeLinear) {
      return undefined;
    }
    const ins = n.ins.map((v) => v && canonical(v));
    const key = [id(n.op as OpDef<unknown>), attrsKey(n.attrs), ...ins.map((v) => v ? id(v) : "-")];
    const text = key.join(" ");
    const outs = done.get(text) ?? b.node(n.op, n.attrs, ins);
    done.set(text, outs);
    return outs;
  });
}

const attrsKey = (a: unknown): string =>
  JSON.stringify(
    a,
    (_, v) => typeof v === "bigint" ? `${v}n` : ArrayBuffer.isView(v) ? [...v as Int8Array] : v,
  );

function checksum(t: TensorData): number {
  let h = 0;
  for (const x of bytes(t)) h = (Math.imul(h, 31) + x) | 0;
  return h;
}

function equal(a: TensorData, b: TensorData): boolean {
  const x = bytes(a), y = bytes(b);
  return a === b || (x.length === y.length && x.every((v, i) => v === y[i]));
}
