/**
 * Constants that passes derive keep the name of what they were derived from; where the original
 * stays in use too, one of them gets another name.
 */
import { Names } from "../util/names.ts";
import type { Graph, Value } from "../ir/graph.ts";

export function distinctNames(g: Graph): Graph {
  const names = new Names();
  const computed = [...g.inputs, ...g.nodes.flatMap((n) => n.outs)];
  computed.forEach((v) => names.unique(v.name));
  const renamed = new Map<Value, Value>();
  let changed = false;
  const visit = (v: Value): Value => {
    if (!v.data) return v;
    let to = renamed.get(v);
    if (!to) {
      const name = names.unique(v.name);
      renamed.set(v, to = name === v.name ? v : { ...v, name });
      changed ||= to !== v;
    }
    return to;
  };
  const nodes = g.nodes.map((n) => ({ ...n, ins: n.ins.map((v) => v && visit(v)) }));
  const outputs = g.outputs.map(visit);
  return changed ? { ...g, nodes, outputs } : g;
}
