/** The nest of windows within channels with their requantisation, as one call (MVE). */
import { add, type Expr, floordiv, floormod, imm, mul } from "../te/expr.ts";
import { mentions } from "../te/linear.ts";
import { isByte } from "../tir/mve_requantize.ts";
import { groupTaps, LANES, windowFits, windowLanes, type WindowShape } from "../tir/mve_window.ts";
import type { Buffer, Intrin, Stmt } from "../tir/stmt.ts";
import { sumAndRequantize } from "./match_product.ts";
import { begin, flat, mergeTurns, sameIndices, stepsOf, type Turn, turnsAround } from "./nest.ts";
import type { PackedBuffer } from "./tensorize.ts";

/** Offsets of all taps, in the order of their constants. */
function tapOffsets(inner: readonly Turn[], steps: readonly number[]): number[] {
  return inner.reduce<number[]>(
    (offsets, t, i) =>
      offsets.flatMap((o) => Array.from({ length: t.extent }, (_, n) => o + n * steps[i])),
    [0],
  );
}

/** The constants of each tap, of all blocks. */
function constants(w: Buffer): number[][] {
  const [blocks, taps] = w.shape, { data } = w.data!;
  return Array.from(
    { length: taps },
    (_, t) =>
      Array.from(
        { length: blocks * LANES },
        (_, i) => Number(data[(Math.floor(i / LANES) * taps + t) * LANES + i % LANES]),
      ),
  );
}

const flatten = (turns: readonly Turn[]): Expr =>
  turns.reduce<Expr>((e, t) => add(mul(e, t.extent), t.v), imm(0));

/** The call in place of a nest of rows × columns × lanes; null where the nest does something else. */
export function matchLanes(s: Stmt): Intrin | null {
  const nest = turnsAround(s);
  const parts = nest && sumAndRequantize(nest.body, "lanes");
  if (!nest || !parts) return null;
  const { a, w, out, start, scale, inner } = parts;
  const weights = w.src as PackedBuffer, { dtype } = out.buf;
  const isLane = (t: Turn) => mentions(w.idx[2], t.v);
  const lanes = nest.turns.filter(isLane), places = nest.turns.filter((t) => !isLane(t));
  // Lanes are the innermost loops, and from their first on.
  const whole = nest.turns.slice(places.length).every(isLane) && lanes.length > 0 &&
    [...lanes, ...inner].every((t) => t.from === 0);
  if (!whole || !isByte(dtype) || weights.data === undefined) return null;
  const l = flatten(lanes);
  const param = (which: number) => [w.idx[0], imm(which), floormod(l, 4), floordiv(l, 4)];
  const expected = start.src === scale.src && sameIndices(start.idx, param(0)) &&
    sameIndices(scale.idx, param(1)) && sameIndices(w.idx.slice(1), [flatten(inner), l]);
  const turns = [...nest.turns, ...inner];
  const read = stepsOf(flat(a.src as Buffer, a.idx), turns);
  const moves = stepsOf(flat(out.buf, out.idx), nest.turns);
  if (!expected || !read || !moves) return null;
  const n = places.length, m = nest.turns.length;
  const lane = mergeTurns(lanes.map((t) => t.extent), read.slice(n, m), moves.slice(n));
  if (!lane || lane.extent > LANES || lane.extent > 1 && lane.steps.some((x) => x !== 1)) {
    return null;
  }
  for (let split = 0; split <= n; split++) {
    const extents = places.map((t) => t.extent);
    const rows = mergeTurns(extents.slice(0, split), read.slice(0, split), moves.slice(0, split));
    const cols = mergeTurns(extents.slice(split), read.slice(split, n), moves.slice(split, n));
    if (!rows || !cols) continue;
    const [zero, lo, hi] = parts.bounds;
    const shape: WindowShape = {
      rows: rows.extent,
      rowStep: rows.steps[0],
      outRow: rows.steps[1],
      cols: cols.extent,
      colStep: cols.steps[0],
      outCol: cols.steps[1],
      lanes: lane.extent,
      taps: tapOffsets(inner, read.slice(m)),
      groups: groupTaps(constants(weights)),
      bounds: { dtype, zero, lo, hi },
    };
    if (!windowFits(shape)) return null;
    const sources = [out, a, w, start].map((x) => "buf" in x ? x.buf : x.src as Buffer);
    return {
      k: "intrin",
      op: windowLanes(shape),
      args: [out, a, w, start].map((x, i) => begin(sources[i], x.idx, turns)),
      scalars: [],
    };
  }
  return null;
}
