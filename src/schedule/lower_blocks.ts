/**
 * Nests that become one call and hold more than one statement: a channel's map of outputs with the
 * sums that it is computed from, and the copy of a channel whose borders stay as they are.
 */
import { add, type Expr, imm, type Interval, type Var } from "../te/expr.ts";
import { valueRange } from "../te/analyze.ts";
import { type Buffer, seq, type Stmt, type Store } from "../tir/stmt.ts";
import { conjuncts, constantRange } from "./conditions.ts";
import type { Frame } from "./frame.ts";
import { type Box, fresh } from "./region.ts";
import { type Loop, refuse, type Rows, type Stage } from "./state.ts";
import { type NestLoop, startOf, tensorizeNest } from "./tensorize.ts";
import { tensorizeGather, tensorizeMap } from "./tensorize_map.ts";

/** What these nests need of lowering. */
export interface Lowerer {
  stages(): readonly Stage[];
  extent(loop: Loop, f: Frame): number;
  attached(loop: Loop, f: Frame): readonly Stage[];
  box(producer: Stage, f: Frame): Box;
  provide(stage: Stage, box: Box): void;
  buffer(stage: Stage): Buffer;
  leaf(f: Frame): Stmt;
  /** Axis variables as expressions of the loops entered so far. */
  axes(f: Frame): ReadonlyMap<Var, Expr>;
  /** Whether a variable is an axis whose loop is not entered yet. */
  open(v: Var, f: Frame): boolean;
}

const bound = (f: Frame, loops: readonly Loop[], vars: readonly Expr[]): Frame => ({
  ...f,
  values: new Map([...f.values, ...loops.map((l, j) => [l, vars[j]] as const)]),
});

/**
 * The loops from position i on, over the outputs of a channel, with the sums that the innermost of
 * them computes, as one call; null where the nest has another form.
 */
function lowerMap(l: Lowerer, i: number, f: Frame): Stmt | null {
  const nest = f.stage.loops.slice(i);
  const sums = l.attached(nest.at(-1)!, f);
  if (f.where.length || f.guards.length || sums.length !== 1) return null;
  if (nest.slice(0, -1).some((x) => l.attached(x, f).length)) return null;
  const outputs = nestLoops(l, nest, f);
  const inside = bound(f, nest, outputs.map((x) => x.v));
  const [sum] = sums, { body } = sum.compute;
  const box = l.box(sum, inside);
  if (body.k !== "reduce" || body.where.length || box.extent.some((n) => n !== 1)) return null;
  l.provide(sum, box);
  const g: Frame = { ...f, stage: sum, box, values: new Map(), tails: new Set(), guards: [] };
  const taps = sum.loops.filter((x) => x.reduce), rest = sum.loops.filter((x) => !x.reduce);
  const tapLoops = nestLoops(l, taps, g);
  const frame = bound(bound(g, taps, tapLoops.map((x) => x.v)), rest, rest.map(() => imm(0)));
  const product = l.leaf({ ...frame, body: body.body, where: [] });
  const plain = { ...sum, compute: { ...sum.compute, body: body.init } };
  const start = l.leaf({ ...frame, stage: plain, body: body.init, where: [] });
  const out = l.leaf(inside);
  if (product.k !== "store" || start.k !== "store" || out.k !== "store") return null;
  const range = (b: Buffer): Interval | null => {
    const st = l.stages().find((x) =>
      x.loops.some((p) => p.block === "gather") && l.buffer(x) === b
    );
    return st ? valueRange(st.compute.body) : null;
  };
  return tensorizeMap({ out, start: start.value, product, outputs, taps: tapLoops, range });
}

const nestLoops = (l: Lowerer, loops: readonly Loop[], f: Frame): NestLoop[] =>
  loops.map((x) => {
    const extent = l.extent(x, f);
    return { v: fresh(x.name, extent), extent };
  });

/** What a copy leaves of its borders: filled once, before everything else. */
export interface Frames {
  readonly fills: Map<string, { readonly text: string; readonly fill: Stmt }>;
}

/**
 * The loops from position i on over the rows and columns of a copy as a call for what lies inside,
 * with its borders around it; null where the nest has another form.
 */
function lowerGather(l: Lowerer, i: number, f: Frame, frames: Frames): Stmt | null {
  const { stage } = f, nest = stage.loops.slice(i);
  if (f.where.length || f.guards.length || nest.some((x) => l.attached(x, f).length)) return null;
  if (nest.some((x) => x.domain.d !== "axis")) return null;
  const guarded = f.body.k === "select" ? f.body : null;
  let conditions: readonly Expr[] = guarded ? conjuncts(guarded.cond) : [];
  const axes = stage.compute.axes;
  const loops = nest.map((x) => {
    const v = x.domain.d === "axis" ? x.domain.v : axes[0];
    const extent = l.extent(x, f);
    const global = new Map([...l.axes(f), [v, add(f.box.start[axes.indexOf(v)], v)]]);
    const open = (u: Var) => u !== v && l.open(u, f) && !global.has(u);
    const own = constantRange(conditions, v, extent, global, open);
    if (own) conditions = own.rest;
    return { v: fresh(x.name, extent), extent, lo: own?.lo ?? 0, hi: own?.hi ?? extent };
  });
  if (conditions.length) return null;
  const at = (part: Expr): Store | null => {
    const s = l.leaf({ ...bound(f, nest, loops.map((x) => x.v)), body: part });
    return s.k === "store" ? s : null;
  };
  const inner = at(guarded ? guarded.a : f.body);
  if (!inner) return null;
  const parts = loops.map((x) => ({ v: x.v, lo: x.lo, extent: x.hi - x.lo }));
  const empty = parts.some((p) => p.extent <= 0);
  const call = empty ? null : tensorizeGather(inner, parts, startOf(parts));
  if (!call && !empty) return null;
  const outer = guarded && at(guarded.b);
  if (!guarded || !outer || loops.every((x) => x.lo === 0 && x.hi === x.extent)) return call;
  if (!stage.once) return seq(...borders(outer, loops), call);
  const text = JSON.stringify([loops.map(({ lo, hi, extent }) => [lo, hi, extent])]);
  const known = frames.fills.get(stage.name);
  if (known && known.text !== text) {
    refuse(`pad ${stage.name} once`, "parts of it have other borders", "fill them each time");
  }
  frames.fills.set(stage.name, { text, fill: whole(outer) });
  return call;
}

type Range = { readonly v: Var; readonly extent: number; readonly lo: number; readonly hi: number };

/** The loops from position i on as one call; null where they do not have the form of their block. */
export function lowerBlock(l: Lowerer, i: number, f: Frame, frames: Frames): Stmt | null {
  const nest = f.stage.loops.slice(i);
  if (nest[0].block === "map") return lowerMap(l, i, f);
  if (nest[0].block === "gather") return lowerGather(l, i, f, frames);
  if (f.where.length || f.guards.length || nest.some((x) => l.attached(x, f).length)) return null;
  const loops = nestLoops(l, nest, f);
  const s = l.leaf(bound(f, nest, loops.map((x) => x.v)));
  return s.k === "store" ? tensorizeNest(nest[0].block!, s, loops, startOf(loops)) : null;
}

/** Zeros behind the data of each row, where the pitch is longer. */
export function zeroPitch(flat: Buffer, rows: Rows, { extent }: Box): Stmt | null {
  // What lies behind interleaved rows is multiplied by zeros.
  if (rows.tiles || rows.pitch === rows.length) return null;
  const row = fresh("row", extent[0]);
  const zeros = Array.from({ length: rows.pitch - rows.length }, (_, i): Stmt => ({
    k: "store",
    buf: flat,
    idx: [row, imm(rows.length + i)],
    value: imm(0, flat.dtype),
  }));
  return { k: "for", v: row, lo: imm(0), hi: imm(extent[0]), body: seq(...zeros) };
}

/** The stores of what lies outside of the ranges. */
function borders(s: Store, loops: readonly Range[]): Stmt[] {
  const [{ v, extent, lo, hi }, ...rest] = loops;
  const part = (from: number, to: number, body: Stmt): Stmt | null =>
    from < to ? { k: "for", v, lo: imm(from), hi: imm(to), body } : null;
  const all = rest.reduceRight<Stmt>(
    (body, x) => ({ k: "for", v: x.v, lo: imm(0), hi: imm(x.extent), body }),
    s,
  );
  const inside = rest.length > 0 ? seq(...borders(s, rest)) : null;
  const parts = [
    part(0, lo, all),
    inside && lo < hi ? part(lo, hi, inside) : null,
    part(hi, extent, all),
  ];
  return parts.filter((x) => x !== null);
}

/** The stored constant in every element of the memory. */
function whole(s: Store): Stmt {
  const v = fresh("i", s.buf.length);
  const buf = { ...s.buf, shape: [s.buf.length], strides: [1] };
  return {
    k: "for",
    v,
    lo: imm(0),
    hi: imm(s.buf.length),
    body: { k: "store", buf, idx: [v], value: s.value },
  };
}
