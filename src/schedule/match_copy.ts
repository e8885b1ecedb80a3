/** A nest that only moves bytes, as one call. */
import type { Expr, Load } from "../te/expr.ts";
import { type CopyKind, copyRuns } from "../tir/mve_copy.ts";
import { canInterleave, type Interleave, interleave } from "../tir/interleave.ts";
import { gatherFits, gatherRuns, type GatherShape } from "../tir/mve_gather.ts";
import type { Buffer, Intrin, Stmt } from "../tir/stmt.ts";
import { begin, flat, mergeTurns, stepsOf, turnsAround } from "./nest.ts";

/** What the stored value is, and where from. */
function source(e: Expr): { kind: CopyKind; l: Load | null } | null {
  if (e.k === "imm") return { kind: { value: Number(e.value) }, l: null };
  if (e.k === "load") return e.dtype === "int8" ? { kind: "same", l: e } : null;
  if (e.k !== "cast" || e.a.k !== "bin" || e.a.op !== "sub" || e.a.b.k !== "imm") return null;
  const { a, b } = e.a;
  const flips = Number(b.value) === 128 && a.k === "cast" && a.a.k === "load" &&
    a.a.dtype === "uint8";
  return flips ? { kind: "flip", l: a.a as Load } : null;
}

/** Farthest that runs may lie apart. */
const FAR = 1 << 19;

/** The call in place of a nest of copies, or of stores of one value; null where it does more. */
export function matchCopy(s: Stmt): Intrin | null {
  const nest = turnsAround(s);
  if (!nest || nest.turns.length === 0 || nest.body.k !== "store") return null;
  const { turns, body } = nest, from = source(body.value);
  if (!from || body.buf.dtype !== "int8") return null;
  const to = stepsOf(flat(body.buf, body.idx), turns);
  const read = from.l === null ? to : stepsOf(flat(from.l.src as Buffer, from.l.idx), turns);
  if (!to || !read) return null;
  const extents = turns.map((t) => t.extent);
  for (let split = 0; split < turns.length; split++) {
    const run = mergeTurns(extents.slice(split), to.slice(split), read.slice(split));
    const outer = mergeTurns(extents.slice(0, split), to.slice(0, split), read.slice(0, split));
    if (!run || !outer || (run.extent > 1 && run.steps.some((n) => n !== 1))) continue;
    const [toStep, fromStep] = outer.steps;
    if (Math.abs(toStep) >= FAR || Math.abs(fromStep) >= FAR || run.extent > 65535) return null;
    const op = copyRuns({
      runs: outer.extent,
      run: run.extent,
      from: fromStep,
      to: toStep,
      kind: from.kind,
    });
    const args = [begin(body.buf, body.idx, turns)];
    if (from.l) args.push(begin(from.l.src as Buffer, from.l.idx, turns));
    return { k: "intrin", op, args, scalars: [] };
  }
  if (from.l === null) return null;
  const shape = from.kind === "same" ? gathered(extents, to, read) : null;
  const across = shape ? null : interleaved(extents, to, read, from.kind === "flip");
  if (across) {
    const args = [begin(body.buf, body.idx, turns)];
    args.push(begin(from.l.src as Buffer, from.l.idx, turns));
    return { k: "intrin", op: interleave(across), args, scalars: [] };
  }
  if (!shape) return null;
  return {
    k: "intrin",
    op: gatherRuns(shape),
    args: [
      begin(body.buf, body.idx, turns),
      begin(from.l.src as Buffer, from.l.idx, turns),
    ],
    scalars: [],
  };
}

/** Loops over places, runs and their elements, whose destination has no gaps. */
function gathered(
  extents: readonly number[],
  to: readonly number[],
  read: readonly number[],
): GatherShape | null {
  const dense = mergeTurns(extents, to);
  if (!dense || dense.steps[0] !== 1) return null;
  for (let inner = 1; inner < extents.length; inner++) {
    for (let middle = 0; middle <= inner; middle++) {
      const part = (a: number, b: number) => mergeTurns(extents.slice(a, b), read.slice(a, b));
      const [places, runs, run] = [
        part(0, middle),
        part(middle, inner),
        part(inner, extents.length),
      ];
      if (!places || !runs || !run || (run.extent > 1 && run.steps[0] !== 1)) continue;
      const shape = {
        places: places.extent,
        from: places.steps[0],
        runs: runs.extent,
        runFrom: runs.steps[0],
        run: run.extent,
      };
      if (gatherFits(shape)) return shape;
    }
  }
  return null;
}

/** Loops over places and channels, which follow each other in the destination and lie apart in the source. */
function interleaved(
  extents: readonly number[],
  to: readonly number[],
  read: readonly number[],
  flips: boolean,
): Interleave | null {
  for (let split = 0; split < extents.length; split++) {
    const places = mergeTurns(extents.slice(0, split), to.slice(0, split), read.slice(0, split));
    const channels = mergeTurns(extents.slice(split), to.slice(split), read.slice(split));
    if (!places || !channels || channels.steps[0] !== 1 || channels.steps[1] < 0) continue;
    const shape = {
      places: places.extent,
      channels: channels.extent,
      to: places.steps[0],
      from: places.steps[1],
      apart: channels.steps[1],
      flips,
    };
    if (canInterleave(shape)) return shape;
  }
  return null;
}
