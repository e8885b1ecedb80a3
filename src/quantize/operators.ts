/** What the definitions of the operators say of the nodes of a file. */
import type { FileAttributes, OpsetChange, PostTraining, WeightRole } from "../ir/post_training.ts";
import { type EditableNode, floatOf, intOf } from "../onnx/editable.ts";
import { typeName } from "../onnx/unsupported.ts";
import { ops } from "../ops/mod.ts";

/** By ONNX operator, of the first definition that says it; a type may have readings in several. */
function byType<T>(of: (op: typeof ops[number]) => T | undefined): ReadonlyMap<string, T> {
  const found = new Map<string, T>();
  for (const op of ops) {
    const facet = of(op);
    if (facet === undefined) continue;
    for (const b of op.onnx) {
      const key = typeName(b.domain, b.type);
      if (!found.has(key)) found.set(key, facet);
    }
  }
  return found;
}

const POST_TRAINING = byType((op) => op.postTraining);
const CHANGES = byType((op) => op.changes);
const QUANTIZES = byType((op) => op.quantizes);

const keyOf = (n: EditableNode): string => typeName(n.domain, n.opType);

/** How a node is quantised; of what no definition speaks of, nothing is known. */
export const roleOf = (n: EditableNode): PostTraining => POST_TRAINING.get(keyOf(n)) ?? {};

/** What operator sets changed of a node's form. */
export const changesOf = (n: EditableNode): readonly OpsetChange[] => CHANGES.get(keyOf(n)) ?? [];

/** Whether a node turns real numbers into integers that stand for them, or back. */
export const isConversion = (n: EditableNode): boolean => QUANTIZES.has(keyOf(n));

/** The attributes of a node as definitions read them. */
export const attributesOf = (n: EditableNode): FileAttributes => ({
  has: (name) => n.attributes.some((a) => a.name === name),
  int: (name, fallback) => intOf(n, name, fallback),
  float: (name, fallback) => floatOf(n, name, fallback),
});

/** Whether nothing but a product with the weight and a bias is left of a node with a weight. */
export function isPlain(n: EditableNode, role: WeightRole): boolean {
  const attrs = attributesOf(n);
  return !role.factors?.some((f) => attrs.has(f.attribute)) && (role.plain?.(attrs) ?? true);
}
