/** The constants of all kernels: named, equal ones stored once. */
import { bytes, type TensorData } from "../util/tensor.ts";
import type { Kernel } from "../tir/stmt.ts";
import type { Param } from "../codegen/program.ts";

/** All constants, and the name of each kernel's, kernel by kernel. */
export interface Params {
  readonly params: readonly Param[];
  readonly names: readonly (readonly string[])[];
}

/** Collects the constants of the kernels in their order. */
export function collectParams(kernels: readonly Kernel[]): Params {
  const byContent = new Map<
    string,
    { name: string; data: TensorData; align: number; origin: Set<string> }
  >();
  const names = kernels.map((k, i) => {
    const used = new Map<string, number>();
    return k.params.map((b) => {
      const data = b.data!;
      const content = `${data.dtype}:${contentKey(data)}`;
      const role = roleOf(data, b.name);
      const n = used.get(role) ?? 0;
      used.set(role, n + 1);
      const entry = byContent.get(content) ??
        {
          name: `${role}${i}${n ? `_${n + 1}` : ""}`,
          data,
          align: b.align,
          origin: new Set<string>(),
        };
      byContent.set(content, entry);
      entry.align = Math.max(entry.align, b.align);
      k.origin.forEach((o) => entry.origin.add(o));
      return entry.name;
    });
  });
  const params = [...byContent.values()].map((p) => ({ ...p, origin: [...p.origin] }));
  return { params, names };
}

/** What a constant is for, as far as its type tells. */
function roleOf(t: TensorData, name: string): string {
  if (name.endsWith("_w") || t.shape.length > 1) return "weights";
  if (t.dtype === "int32" || t.dtype === "int64") return "bias";
  return t.data.length === 256 ? "table" : t.dtype === "float32" ? "scale" : "const";
}

const contentKey = (t: TensorData): string => {
  const b = bytes(t);
  let s = "";
  for (let i = 0; i < b.length; i += 8192) s += String.fromCharCode(...b.subarray(i, i + 8192));
  return s;
};
