/**
 * Removes channels that no output depends on, and channels that no input changes: the latter vanish
 * into the biases of their readers. Lossless: every element of every output stays what it was.
 */
import { type Builder, rebuild } from "../ir/build.ts";
import { dims, type Graph, type Node, type Value } from "../ir/graph.ts";
import {
  type ChannelFacts,
  channelFacts,
  isChannelwise,
  movesChannels,
  selectChannels,
  uniform,
} from "./channel_facts.ts";
import { reshape } from "../ops/mod.ts";

export function deadChannels(g: Graph): Graph {
  const facts = channelFacts(g);
  if (facts.products.size === 0) return g;
  const live = liveChannels(g, facts);
  return rebuildWith(g, facts, live);
}

/** Channels of each value that are needed; a value without an entry keeps all. */
type Live = ReadonlyMap<Value, readonly boolean[]>;

function liveChannels(g: Graph, facts: ChannelFacts): Live {
  const live = new Map<Value, boolean[]>();
  let changed = true;
  const mark = (v: Value, c: number): void => {
    const channels = live.get(v) ?? new Array<boolean>(dims(v.type)[1]).fill(false);
    changed ||= !channels[c];
    channels[c] = true;
    live.set(v, channels);
  };
  const all = (v: Value): void => {
    for (let c = 0; c < (dims(v.type)[1] ?? 0); c++) mark(v, c);
  };
  const through = (n: Node): boolean =>
    isChannelwise(n) || movesChannels(n) || facts.products.get(n)?.depthwise === true;
  const shrinkable = new Set<Value>();
  for (const n of g.nodes) {
    if (facts.products.has(n) && !through(n)) shrinkable.add(n.outs[0]);
    else if (through(n) && shrinkable.has(n.ins[0]!)) shrinkable.add(n.outs[0]);
  }
  for (const v of [...g.inputs, ...g.outputs, ...g.nodes.flatMap((n) => n.outs)]) {
    if (!shrinkable.has(v) || g.outputs.includes(v)) all(v);
  }
  while (changed) {
    changed = false;
    for (const n of [...g.nodes].reverse()) {
      const x = n.ins[0], y = n.outs[0];
      if (through(n)) live.get(y)?.forEach((yes, c) => yes && mark(x!, c));
      else if (facts.products.has(n)) markInputs(n, facts, live.get(y) ?? [], mark);
      else n.ins.forEach((v) => v && !v.data && all(v));
      // A tensor without channels has no form: one stays.
      if (x && !live.has(x) && dims(x.type).length > 1) mark(x, 0);
    }
    // What keeps channels apart has as many on both sides.
    for (const n of g.nodes.filter(through)) {
      live.get(n.ins[0]!)?.forEach((yes, c) => yes && mark(n.outs[0], c));
    }
  }
  return live;
}

/** The input channels that the needed output channels of a product read. */
function markInputs(
  n: Node,
  facts: ChannelFacts,
  needed: readonly boolean[],
  mark: (v: Value, c: number) => void,
): void {
  const p = facts.products.get(n)!, folded = facts.folded(n);
  needed.forEach((yes, co) => {
    if (!yes || uniform(facts.plane(n.outs[0], co)) !== undefined) return;
    for (let ci = 0; ci < p.cin; ci++) {
      if (!folded.has(ci) && p.reads(co, ci)) mark(n.ins[0]!, ci);
    }
  });
}

function rebuildWith(g: Graph, facts: ChannelFacts, live: Live): Graph {
  const kept = (v: Value): number[] | null => {
    const channels = live.get(v);
    if (!channels || channels.every(Boolean)) return null;
    return channels.flatMap((yes, c) => yes ? [c] : []);
  };
  const originals = new Map(g.nodes.map((n) => [n.name, n]));
  return rebuild(g, (n, b) => {
    const old = originals.get(n.name)!;
    if (old.outs.length !== 1 || !old.ins[0] || dims(old.outs[0].type).length < 2) return undefined;
    const outs = kept(old.outs[0]), ins = kept(old.ins[0]);
    const p = facts.products.get(old);
    if (p) return product(n, old, b, facts, outs, ins);
    if (!outs || !(isChannelwise(old) || movesChannels(old))) return undefined;
    if (movesChannels(old)) {
      const shape = [1, outs.length, ...dims(old.outs[0].type).slice(2)];
      return b.node(reshape, { shape, allowZero: false }, [n.ins[0]]);
    }
    const count = dims(old.ins[0].type)[1];
    const constants = n.ins.slice(1).map((v) => {
      if (!v?.data) return v;
      const data = selectChannels(v.data, outs, count);
      return data === v.data ? v : b.constant(data, v.name);
    });
    return b.node(n.op, n.attrs, [n.ins[0], ...constants]);
  });
}

function product(
  n: Node,
  old: Node,
  b: Builder,
  facts: ChannelFacts,
  outs: readonly number[] | null,
  ins: readonly number[] | null,
): readonly Value[] | undefined {
  const p = facts.products.get(old)!;
  const range = (k: number): number[] => Array.from({ length: k }, (_, i) => i);
  const co = outs ?? range(p.cout), ci = ins ?? range(p.cin);
  const constant = new Set(
    p.depthwise ? [] : co.filter((c) => uniform(facts.plane(old.outs[0], c)) !== undefined),
  );
  const bias = p.depthwise ? p.bias : facts.bias(old);
  if (!outs && !ins && co.every((c) => bias[c] === p.bias[c])) return undefined;
  // What the bias holds must not count twice, even where another reader keeps the channel.
  const { w, bias: folded } = p.slice(
    co,
    ci,
    bias,
    (o, i) => constant.has(o) || facts.folded(old).has(i),
  );
  return b.node(n.op, p.attrs(ci.length), [
    n.ins[0],
    b.constant(w, n.ins[1]!.name),
    b.constant(folded, n.ins[2]?.name ?? `${n.name}_bias`),
  ]);
}
