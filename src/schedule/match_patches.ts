/** The nest of windows within channels with their requantisation, as one call by patches (MVE). */
import { imm } from "../te/expr.ts";
import { mentions } from "../te/linear.ts";
import { patchBytes, patchFits, type PatchShape, windowPatches } from "../tir/mve_patch.ts";
import { isByte } from "../tir/mve_requantize.ts";
import { type Buffer, denseBuffer, type Intrin, type Stmt } from "../tir/stmt.ts";
import { sumAndRequantize } from "./match_product.ts";
import { begin, flat, mergeTurns, sameIndices, stepsOf, type Turn, turnsAround } from "./nest.ts";

/** The call in place of a nest of rows × columns × channels; null where the nest does something else. */
export function matchPatches(s: Stmt): Intrin | null {
  const nest = turnsAround(s);
  const parts = nest && sumAndRequantize(nest.body, "patches");
  if (!nest || !parts) return null;
  const { a, w, out, start, scale, inner } = parts;
  const weights = w.src as Buffer, { dtype } = out.buf;
  const isChannel = (t: Turn) => mentions(w.idx[0], t.v);
  const channels = nest.turns.filter(isChannel), places = nest.turns.filter((t) => !isChannel(t));
  const last = nest.turns.slice(places.length).every(isChannel) &&
    [...channels, ...inner].every((t) => t.from === 0);
  if (!last || !isByte(dtype)) return null;
  const same = start.src === scale.src && sameIndices(start.idx, [w.idx[0], imm(0)]) &&
    sameIndices(scale.idx, [w.idx[0], imm(1)]);
  const turns = [...nest.turns, ...inner];
  const read = stepsOf(flat(a.src as Buffer, a.idx), turns);
  const moves = stepsOf(flat(out.buf, out.idx), nest.turns);
  const lanes = stepsOf(flat(weights, w.idx), turns);
  if (!same || !read || !moves || !lanes) return null;
  const n = places.length, m = nest.turns.length;
  const channel = mergeTurns(
    channels.map((t) => t.extent),
    read.slice(n, m),
    moves.slice(n),
    lanes.slice(n, m),
  );
  const [, length] = weights.shape;
  const [byOne, out1, weightStep] = channel?.steps ?? [];
  if (!channel || channel.extent > 1 && (byOne !== 1 || out1 !== 1 || weightStep !== length)) {
    return null;
  }
  const first = begin(weights, w.idx, turns);
  const [lead] = first.idx.slice(-1);
  if (lead.k !== "imm") return null;
  const [zero, lo, hi] = parts.bounds;
  for (let split = 0; split <= n; split++) {
    const extents = places.map((t) => t.extent);
    const rows = mergeTurns(extents.slice(0, split), read.slice(0, split), moves.slice(0, split));
    const cols = mergeTurns(extents.slice(split), read.slice(split, n), moves.slice(split, n));
    if (!rows || !cols) continue;
    const shape: PatchShape = {
      rows: { extent: rows.extent, step: rows.steps[0], out: rows.steps[1] },
      cols: { extent: cols.extent, step: cols.steps[0], out: cols.steps[1] },
      channels: channel.extent,
      taps: inner.map((t, i) => ({ extent: t.extent, step: read[m + i], lane: lanes[m + i] })),
      length,
      lead: Number(lead.value),
      bounds: { dtype, zero, lo, hi },
    };
    if (!patchFits(shape)) return null;
    const source = a.src as Buffer, bytes = patchBytes(shape);
    const words: Buffer = denseBuffer(`${source.name}_t`, "int8", [bytes], "scratch", [1], 4);
    return {
      k: "intrin",
      op: windowPatches(shape),
      args: [
        begin(out.buf, out.idx, turns),
        begin(source, a.idx, turns),
        { ...first, idx: [first.idx[0], imm(0)] },
        begin(start.src as Buffer, start.idx, turns),
        { buf: words, idx: [imm(0)], axis: 0 },
      ],
      scalars: [],
    };
  }
  return null;
}
