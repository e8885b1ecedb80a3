/**
 * Rows that are made of one row each can lie where that row was: a part reads the elements of a row
 * before it writes over them. Where a row may lie follows from when the loops touch its elements.
 */
import { bytesOf } from "../util/dtype.ts";
import { memoryOf } from "../tir/stmt.ts";
import type { Kernel } from "../tir/stmt.ts";
import { timeAccesses } from "../tir/times.ts";
import { streamKernel } from "./row_stream.ts";
import type { StreamMemory, StreamPart, StreamPlan, StreamUse } from "./row_stream_plan.ts";

/** A memory whose rows lie in those of another one, from element `at` of a row on. */
export interface SharedRow {
  readonly guest: number;
  readonly host: number;
  readonly at: number;
}

/** What is known of a stream without shared rows. */
export type Times = Pick<StreamPlan, "lastRead" | "firstWrite">;

const usesOf = (p: StreamPart): StreamUse[] =>
  [...p.uses, ...(p.finish?.uses ?? [])].flatMap((u) => u ? [u] : []);

/**
 * Memories whose rows may lie in the rows that a part makes of them: at most one in each other.
 *
 * @param times when rows are read and written as long as they lie apart; they are shared only under
 *   the same paces
 */
export function sharedRows(
  parts: readonly StreamPart[],
  memories: readonly StreamMemory[],
  times: Times,
): SharedRow[] {
  return parts.flatMap((p) => {
    const [output, ...more] = p.uses.flatMap((u) => u?.writes ? [u] : []);
    if (!output || more.length > 0 || p.finish || !isAlone(parts, p, output.memory)) return [];
    const guests = [...new Set(usesOf(p).flatMap((u) => u.writes ? [] : [u.memory]))];
    for (const guest of guests) {
      if (!isOwnRow(memories, p, guest, output)) continue;
      if (!isReadBefore(parts, p, guest, output, times)) continue;
      const at = placeInRow(p, memories, guest, output.memory);
      if (at !== null) return [{ guest, host: output.memory, at }];
    }
    return [];
  });
}

/** Whether nobody else writes a memory inside. */
const isAlone = (parts: readonly StreamPart[], p: StreamPart, memory: number): boolean =>
  parts.every((q) => q === p || usesOf(q).every((u) => u.memory !== memory || !u.writes));

/** Whether a part reads of each row of a memory what it makes of it. */
function isOwnRow(
  memories: readonly StreamMemory[],
  p: StreamPart,
  guest: number,
  { memory, buffer }: StreamUse,
): boolean {
  const x = memories[guest], y = memories[memory];
  if (!x.inside || !y.inside || x.rows !== y.rows || x.stride > y.stride || guest === memory) {
    return false;
  }
  return p.uses.every((u) =>
    u?.memory !== guest ||
    (!u.writes && u.buffer.dtype === buffer.dtype && u.reach !== null && u.reach.rate === p.rows &&
      u.reach.first === 0 && u.reach.last === p.rows - 1)
  );
}

/** Whether others have read the rows of a memory when a part writes over them. */
function isReadBefore(
  parts: readonly StreamPart[],
  p: StreamPart,
  guest: number,
  { memory: host, buffer }: StreamUse,
  { lastRead, firstWrite }: Times,
): boolean {
  const others = parts.filter((q) => q !== p);
  const alike = others.flatMap(usesOf)
    .every((u) => u.memory !== guest || u.buffer.dtype === buffer.dtype);
  const atEnd = others.some((q) => q.finish?.uses.some((u) => u?.memory === guest));
  // A block reads before it writes: its own reads are of the same time.
  return alike && !atEnd &&
    firstWrite[host].every((time, r) => time < 0 || lastRead[guest][r] <= time);
}

/** Whether all parts do their blocks when they do them under another plan. */
export const isPaced = (a: StreamPlan, b: StreamPlan): boolean =>
  a.steps === b.steps &&
  a.paces.every((p, k) => p.period === b.paces[k].period && p.offset === b.paces[k].offset);

const found = new WeakMap<Kernel, Map<string, number | null>>();

/** The element of a row of the host at which that of the guest may begin; null: at none. */
export function placeInRow(
  p: StreamPart,
  memories: readonly StreamMemory[],
  guest: number,
  host: number,
): number | null {
  const known = found.get(p.kernel) ?? new Map<string, number | null>();
  found.set(p.kernel, known);
  const key = p.uses.map((u) => u?.memory === guest ? "x" : u?.memory === host ? "y" : "").join();
  let at = known.get(key);
  if (at === undefined) {
    known.set(key, at = search(p, memories[guest], memories[host], guest, host));
  }
  return at;
}

function search(
  p: StreamPart,
  x: StreamMemory,
  y: StreamMemory,
  guest: number,
  host: number,
): number | null {
  const times = rowTimes(p, x, y, guest, host);
  if (!times) return null;
  const { reads, writes, align } = times;
  const isSafe = (at: number): boolean => {
    if (at % align !== 0 || y.stride % align !== 0) return false;
    for (let i = 0; i < reads.length; i++) {
      const write = writes[Math.floor(i / x.stride) * y.stride + at + i % x.stride];
      if (write >= 0 && reads[i] > write) return false;
    }
    return true;
  };
  return [0, y.stride - x.stride].find(isSafe) ?? null;
}

/** When a part reads the elements of one memory for the last time and first writes those of another. */
export interface RowTimes {
  readonly reads: ArrayLike<number> & { readonly length: number };
  readonly writes: ArrayLike<number>;
  /** Elements that where they begin has to be a multiple of. */
  readonly align: number;
}

/** Walks all blocks of a part; null where data decides what it touches. */
export function rowTimes(
  p: StreamPart,
  x: StreamMemory,
  y: StreamMemory,
  read: number,
  written: number,
): RowTimes | null {
  const memories: StreamMemory[] = [
    { ...x, name: "x", inside: false },
    { ...y, name: "y", inside: false },
  ];
  const uses = p.uses.map((u) =>
    u?.memory === read ? { ...u, memory: 0 } : u?.memory === written ? { ...u, memory: 1 } : null
  );
  const k = streamKernel([{ ...p, uses }], memories, {
    paces: [{ period: 1, offset: 0 }],
    steps: p.blocks,
    rings: memories.map(({ rows }) => ({ rows, classes: [rows], within: null })),
    lastRead: [],
    firstWrite: [],
    lastUse: [],
    turns: [],
  });
  const [ix, iy] = ["x", "y"].map((name) => k.buffers.findIndex((b) => b.name === name));
  if (ix < 0 || iy < 0) return null;
  const times = timeAccesses(k, [k.buffers[ix], k.buffers[iy]].map(memoryOf));
  if (!times) return null;
  const align = Math.ceil(
    Math.max(k.buffers[ix].align, k.buffers[iy].align) / bytesOf(k.buffers[ix].dtype),
  );
  return { reads: times.lastRead[ix], writes: times.firstWrite[iy], align };
}

/** The parts and memories with some memories in the rows of others, and which of them are left. */
export function withShared(
  parts: readonly StreamPart[],
  memories: readonly StreamMemory[],
  shared: readonly SharedRow[],
): { parts: StreamPart[]; memories: StreamMemory[]; left: readonly number[] } {
  const of = new Map(shared.map((s) => [s.guest, s]));
  const left = memories.flatMap((_, m) => of.has(m) ? [] : [m]);
  const moved = (u: StreamUse | null): StreamUse | null => {
    if (!u) return null;
    let { memory } = u, at = 0;
    for (let s = of.get(memory); s; s = of.get(memory)) [memory, at] = [s.host, at + s.at];
    const memoryNumber = left.indexOf(memory), { rows, stride } = memories[memory];
    if (memory === u.memory) return { ...u, memory: memoryNumber };
    const { buffer } = u;
    return {
      ...u,
      memory: memoryNumber,
      buffer: {
        ...buffer,
        strides: buffer.strides.map((n, i) => i === u.axis ? stride : n),
        offset: buffer.offset + at,
        length: rows * stride,
      },
    };
  };
  return {
    parts: parts.map((p) => ({
      ...p,
      uses: p.uses.map(moved),
      finish: p.finish && { ...p.finish, uses: p.finish.uses.map(moved) },
    })),
    memories: left.map((m) => memories[m]),
    left,
  };
}
