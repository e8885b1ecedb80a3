/**
 * Quantising element by element commutes with moving elements, and, being monotone, with taking the
 * maximum. Quantising first lets each operand of a Concat be requantised on its own, and moves bytes
 * instead of floats or accumulators.
 */
import { rebuild } from "../ir/build.ts";
import { consumers, type Graph, type Node, producers, type Value } from "../ir/graph.ts";
import { isFloat } from "../util/dtype.ts";
import { maxPool, type MaxPoolAttrs, quantizeLinear } from "../ops/mod.ts";
import { moves } from "./move.ts";
import { paramsOf, perTensor } from "./params.ts";

/** Chains of movements are at most this long in files that people make. */
const MAX_ROUNDS = 16;

export function hoistQuantize(g: Graph): Graph {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = hoistOnce(g);
    if (next === g) return g;
    g = next;
  }
  return g;
}

const commutes = (n: Node): boolean =>
  moves(n.op) || (n.op === maxPool && !(n.attrs as MaxPoolAttrs).indices);

function hoistOnce(g: Graph): Graph {
  const uses = consumers(g), outputs = new Set(g.outputs), makers = producers(g);
  /** Movements whose only reader quantises, by their output. */
  const hoisted = new Map<Value, Node>();
  for (const n of g.nodes) {
    const q = n.outs.length === 1 && !outputs.has(n.outs[0]) ? uses.get(n.outs[0]) : undefined;
    if (!commutes(n) || q?.length !== 1 || q[0].op !== quantizeLinear) continue;
    const p = q[0].ins[0] === n.outs[0] ? paramsOf(q[0]) : null;
    if (p && perTensor(p) && n.ins.every((v) => v && isFloat(v.type.dtype))) {
      hoisted.set(n.outs[0], q[0]);
    }
  }
  if (!hoisted.size) return g;
  return rebuild(g, (n, b) => {
    const q = hoisted.get(n.outs[0]);
    if (q) {
      const ins = n.ins.map((v) => b.node(q.op, q.attrs, [v, ...q.ins.slice(1)])[0]);
      return b.node(n.op, n.attrs, ins, {
        name: n.name,
        origin: [...n.origin, ...q.origin],
        outNames: q.outs.map((v) => v.name),
      });
    }
    const from = n.op === quantizeLinear ? makers.get(n.outs[0])?.ins[0] : undefined;
    return from && hoisted.has(from) ? [n.ins[0]!] : undefined;
  });
}
