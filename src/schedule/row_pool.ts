/**
 * Rings of rows that are about as long in one memory, a pool: a row of one may lie where one of another
 * was, also where the part that writes it reads that for the last time, if it reads each element before
 * it writes over it.
 */
import { bytesOf } from "../util/dtype.ts";
import type { Kernel } from "../tir/stmt.ts";
import type { Ring, StreamMemory, StreamPart, StreamPlan } from "./row_stream_plan.ts";
import { type RowTimes, rowTimes } from "./shared_rows.ts";
import { findSlots, type Row } from "./slots.ts";

/** The shortest row of a pool, as a share of the longest; kernels rely on no more alignment. */
const ALIKE = 0.75, ALIGN = 16;

/** Rows that a part writes where it reads others for the last time: by their memories and numbers. */
export interface Follow {
  readonly part: number;
  readonly row: Row;
  readonly before: Row;
}

export interface PooledPlan {
  readonly plan: StreamPlan;
  readonly follows: readonly Follow[];
}

/**
 * The plan with rings in pools, wherever that takes fewer bytes; null where it does nowhere.
 *
 * @param all whether rings that hold something in some parts of a step alone may lie in pools too
 */
export function withPools(
  parts: readonly StreamPart[],
  memories: readonly StreamMemory[],
  plan: StreamPlan,
  all: boolean,
): PooledPlan | null {
  const rings: Ring[] = [...plan.rings];
  const follows: Follow[] = [];
  let pools = 0;
  for (const group of groupsOf(parts, memories, plan, all)) {
    const made = poolOf(parts, memories, plan, group);
    if (!made) continue;
    const pool = pools++, { count, of, stride } = made;
    const last = group.flatMap((m, i) => of[i].includes(count - 1) ? [memories[m].stride] : []);
    const length = (count - 1) * stride + Math.max(...last);
    group.forEach((m, i) =>
      rings[m] = { ...rings[m], within: null, pool: { pool, count, stride, length, slots: of[i] } }
    );
    follows.push(...made.follows);
  }
  return pools > 0 ? { plan: { ...plan, rings }, follows } : null;
}

/** Memories inside, or those that are kept from step to step, by the type and the length of their rows. */
function groupsOf(
  parts: readonly StreamPart[],
  memories: readonly StreamMemory[],
  plan: StreamPlan,
  all: boolean,
): number[][] {
  const typeOf = memories.map((_, m) => {
    const types = parts.flatMap((p) =>
      p.uses.flatMap((u) => u?.memory === m ? u.buffer.dtype : [])
    );
    return types.every((t) => t === types[0]) ? types[0] : null;
  });
  const left = memories.flatMap(({ inside }, m) =>
    inside && (all || !plan.rings[m].within) && typeOf[m] ? [m] : []
  ).sort((a, b) => memories[b].stride - memories[a].stride);
  const groups: number[][] = [];
  for (const m of left) {
    const group = groups.find(([n]) =>
      typeOf[n] === typeOf[m] && memories[m].stride >= ALIKE * memories[n].stride
    );
    if (group) group.push(m);
    else groups.push([m]);
  }
  return groups.filter((g) => g.length > 1 && g.some((m) => !plan.rings[m].within));
}

function poolOf(
  parts: readonly StreamPart[],
  memories: readonly StreamMemory[],
  plan: StreamPlan,
  group: readonly number[],
) {
  const { firstWrite, lastUse, paces, rings, turns } = plan;
  const writers = group.map((m) =>
    parts.findIndex((p) => p.uses.some((u) => u?.writes && u.memory === m))
  );
  if (writers.includes(-1)) return null;
  const { dtype } = parts[writers[0]].uses.find((u) => u?.memory === group[0])!.buffer;
  const steps = writers.map((k) => paces[k].period).reduce(leastMultiple);
  const lives = group.map((m, i) => ({
    born: firstWrite[m],
    end: lastUse[m],
    period: steps / paces[writers[i]].period * parts[writers[i]].rows,
  }));
  const size = bytesOf(dtype);
  const unit = Math.max(...group.map((m) => alignOf(memories[m].stride * size)));
  const bytes = Math.ceil(memories[group[0]].stride * size / unit) * unit;
  const apart = group.reduce((n, m) => n + rings[m].rows * memories[m].stride * size, 0);
  const inGroup = ({ memory, row }: Row): Row => ({ memory: group[memory], row });
  const mayFollow = (row: Row, before: Row): boolean => {
    const turn = turns[firstWrite[group[row.memory]][row.row]];
    return turn !== undefined &&
      isRead(parts[turn.part], memories, { ...turn, row: inGroup(row), before: inGroup(before) });
  };
  const found = findSlots(lives, Math.ceil(apart / bytes), mayFollow);
  return found && {
    ...found,
    stride: bytes / size,
    follows: found.follows.map(([row, before]): Follow => ({
      part: turns[firstWrite[group[row.memory]][row.row]]!.part,
      row: inGroup(row),
      before: inGroup(before),
    })),
  };
}

const walked = new WeakMap<
  Kernel,
  Map<string, { times: RowTimes | null; known: Map<string, boolean> }>
>();

/** Whether a part that writes a row reads each element of the one before it first, where they lie over each other. */
export function isRead(
  p: StreamPart,
  memories: readonly StreamMemory[],
  { row, before }: Omit<Follow, "part">,
): boolean {
  if (row.memory === before.memory) return false;
  const uses = p.uses.map((u) =>
    u?.memory === row.memory ? "y" : u?.memory === before.memory ? "x" : ""
  );
  if (!uses.includes("x")) return false;
  const views = p.uses.flatMap((u, i) => uses[i] && u ? [u.buffer.strides, u.buffer.offset] : []);
  const key = `${uses}:${views}`;
  const ofKernel = walked.get(p.kernel) ?? new Map();
  walked.set(p.kernel, ofKernel);
  let found = ofKernel.get(key);
  if (!found) {
    const times = rowTimes(
      p,
      memories[before.memory],
      memories[row.memory],
      before.memory,
      row.memory,
    );
    ofKernel.set(key, found = { times, known: new Map() });
  }
  const { times, known } = found;
  if (!times) return false;
  const rows = `${row.row}:${before.row}`;
  let safe = known.get(rows);
  if (safe === undefined) {
    const x = memories[before.memory].stride, y = memories[row.memory].stride;
    safe = true;
    for (let i = 0; i < Math.min(x, y); i++) {
      const write = times.writes[row.row * y + i];
      if (write >= 0 && times.reads[before.row * x + i] > write) safe = false;
    }
    known.set(rows, safe);
  }
  return safe;
}

/** The largest power of two, up to what kernels rely on, that divides a number. */
function alignOf(n: number): number {
  let align = 1;
  while (align < ALIGN && n % (2 * align) === 0) align *= 2;
  return align;
}

function leastMultiple(a: number, b: number): number {
  let n = a;
  while (n % b !== 0) n += a;
  return n;
}
