/** The lines that `inspect` prints for one kernel: its group, its definitions, its loop program. */
import { dims, type Node, typeText, type Value } from "../ir/graph.ts";
import { printNode } from "../ir/print.ts";
import { denseStrides, sameStrides, type Storage } from "../ir/storage.ts";
import { groupInputs } from "../passes/fuse.ts";
import { scheduleLines } from "../schedule/print.ts";
import type { Workload } from "../schedule/state.ts";
import { computeText } from "../te/print.ts";
import { kernelText } from "../tir/print.ts";
import type { ScheduledKernel } from "../compile.ts";

/** Where a value's elements lie, in elements of its owner's memory. */
function storageText(v: Value, s: Storage): string {
  const shape = dims(v.type);
  const like = (channelsLast: boolean): boolean =>
    sameStrides(shape, s.strides, denseStrides(v.type, channelsLast));
  const form = like(false) ? "row-major" : like(true) ? "channels last" : "strided";
  const place = s.owner === v ? "" : `, element ${s.offset} of %${s.owner.name}`;
  return `%${v.name}: ${typeText(v.type)} strides [${s.strides}] ${form}${place}`;
}

/** The kernels that one streams rows through, or the kernel itself. */
export const membersOf = (k: ScheduledKernel): readonly ScheduledKernel[] => k.members ?? [k];

/** The nodes of a kernel's group and the memory that it reads and writes. */
export function groupLines(
  { group, values, kernel }: ScheduledKernel,
  storage: ReadonlyMap<Value, Storage>,
): string[] {
  const written = new Set(values.filter((_, i) => kernel.buffers[i].scope === "output"));
  const text = (role: string) => (v: Value): string => `${role} ${storageText(v, storage.get(v)!)}`;
  return [
    ...groupInputs(group).filter((v) => !v.data).map(text("reads")),
    ...group.nodes.flatMap((n) => printNode(n).split("\n")),
    ...group.nodes.flatMap((n) => n.outs).filter((v) => written.has(v)).map(text("writes")),
  ];
}

/** Nodes that need no code, each with the memory that its result shares. */
export function viewLines(
  free: readonly Node[],
  storage: ReadonlyMap<Value, Storage>,
): string[] {
  return free.flatMap((n) => {
    const placed = n.op.place ? n.ins.filter((v): v is Value => v !== null) : [];
    return [
      ...printNode(n).split("\n"),
      ...[...placed, ...n.outs].map((v) => `  ${storageText(v, storage.get(v)!)}`),
    ];
  });
}

/** The definitions of a kernel, with the constants that they read. */
export function definitionLines(w: Workload): string[] {
  const consts = [...w.consts].map(([t]) => `const ${t.name}: ${t.dtype}[${t.shape}]`);
  const read = [...w.buffers].filter(([, b]) => b.scope === "input")
    .map(([t]) => `input ${t.name}: ${t.dtype}[${t.shape}]`);
  return [...read, ...consts, ...w.computes.map(computeText)];
}

/** The schedule of a kernel and the loop program that it gives. */
export function programLines(k: ScheduledKernel): string[] {
  const schedules = membersOf(k).flatMap(({ schedule, kernel: { name } }) => [
    k.members ? `schedule of a block of rows: ${name}` : "schedule",
    ...(schedule.length > 0 ? scheduleLines(schedule) : ["no steps: loops as defined"])
      .map((l) => `  ${l}`),
  ]);
  const [, ...program] = kernelText(k.kernel).split("\n");
  return [...schedules, "program", ...program.map((l) => l.slice(2))];
}
