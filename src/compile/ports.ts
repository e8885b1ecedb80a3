/** The inputs and outputs of the generated library. */
import { DTYPES } from "../util/dtype.ts";
import { cName, Names } from "../util/names.ts";
import { sizeOf } from "../util/tensor.ts";
import { consumers, dims, type Graph, producers, type Value } from "../ir/graph.ts";
import type { Placement as Where, Port } from "../codegen/artifact.ts";

/** Scale and zero point of a port. */
export interface PortQuant {
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * The quantisation of the graph's inputs and outputs, as the operators next to them say: that of the
 * stored integers, and for a float output the step that it was dequantised from.
 */
export function portQuants(
  g: Graph,
): { inputs: (PortQuant | null)[]; outputs: (PortQuant | null)[] } {
  const uses = consumers(g), made = producers(g);
  const of = (ins: readonly (Value | null)[]): PortQuant | null => {
    const scale = ins[1]?.data, zero = ins[2]?.data;
    if (!scale || sizeOf(scale.shape) !== 1) return null;
    return { scale: Number(scale.data[0]), zeroPoint: zero ? Number(zero.data[0]) : 0 };
  };
  // Both look through what only moves elements.
  const input = (v: Value): PortQuant | null => {
    for (const n of uses.get(v) ?? []) {
      if (n.ins[0] !== v) continue;
      const found = n.op.quantizes === "input" ? of(n.ins) : n.op.view ? input(n.outs[0]) : null;
      if (found) return found;
    }
    return null;
  };
  const output = (v: Value): PortQuant | null => {
    const n = made.get(v);
    if (!n) return null;
    if (n.op.quantizes) return of(n.ins);
    return n.op.view && n.ins[0] ? output(n.ins[0]) : null;
  };
  return { inputs: g.inputs.map(input), outputs: g.outputs.map(output) };
}

/** Describes ports in order, with unique C names. */
export function ports(
  values: readonly Value[],
  fileNames: readonly string[],
  quants: readonly (PortQuant | null)[],
  placement: (v: Value) => Where,
): Port[] {
  const names = new Names();
  return values.map((v, i) => {
    const shape = dims(v.type), { bytes, cType } = DTYPES[v.type.dtype];
    return {
      name: fileNames[i],
      cName: names.unique(cName(fileNames[i])),
      dtype: v.type.dtype,
      cType,
      shape,
      bytes: sizeOf(shape) * bytes,
      ...(quants[i] ?? {}),
      placement: placement(v),
    };
  });
}
