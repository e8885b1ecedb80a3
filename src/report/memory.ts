/** The memory plan as a table and as a map: steps from left to right, bytes upwards. */
import type { PlannedBuffer } from "../codegen/artifact.ts";
import type { Section } from "../compile/inspect.ts";
import { grouped, tableLines } from "./table.ts";
import { wrapLine } from "./wrap.ts";

type Memory = Extract<Section, { kind: "memory" }>;

/** Most rows of the map; each stands for a multiple of so many bytes. */
const ROWS = 20, GRAIN = 16;
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/** Longest name that is printed whole; converters of TensorFlow models join many names. */
const NAME = 52;

/** A name with its middle left out where it is long. */
const short = (name: string): string =>
  name.length <= NAME ? name : `${name.slice(0, NAME / 2 - 1)}…${name.slice(-NAME / 2)}`;

const isLive = (b: PlannedBuffer, step: number): boolean =>
  b.bytes > 0 && b.firstStep <= step && step <= b.lastStep;

/** Bytes that are occupied at a step; buffers that share memory count once. */
export function liveBytes(buffers: readonly PlannedBuffer[], step: number): number {
  const live = buffers.filter((b) => isLive(b, step)).sort((a, b) => a.offset - b.offset);
  let bytes = 0, end = 0;
  for (const b of live) {
    bytes += Math.max(0, b.offset + b.bytes - Math.max(end, b.offset));
    end = Math.max(end, b.offset + b.bytes);
  }
  return bytes;
}

/** The buffers that lie in the region by offset, then by time. */
const ordered = (buffers: readonly PlannedBuffer[]): PlannedBuffer[] =>
  buffers.toSorted((a, b) =>
    a.offset - b.offset || a.firstStep - b.firstStep || (a.name < b.name ? -1 : 1)
  );

/** Table, peak and map of one region. */
export function memoryLines(m: Memory, width: number): string[] {
  const letters = new Map(
    ordered(m.buffers).map((b, i) => [b, LETTERS[i % LETTERS.length]] as const),
  );
  const inside = ordered(m.listed).filter((b) => b.owner !== "caller");
  const outside = m.listed.filter((b) => b.owner === "caller");
  const steps = (b: PlannedBuffer): string =>
    b.firstStep === b.lastStep ? `${b.firstStep}` : `${b.firstStep} to ${b.lastStep}`;
  const row = (b: PlannedBuffer, letter: string, offset: string, note: string): string[] => [
    letter,
    offset,
    grouped(b.bytes),
    steps(b),
    note === "" ? short(b.name) : `${short(b.name)} (${note})`,
  ];
  const rows = [
    ...inside.map((b) => {
      const owner = m.buffers.find((o) => o.name === b.owner);
      const note = owner ? `takes over ${letters.get(owner)}` : "";
      return row(b, letters.get(b)!, grouped(b.offset), note);
    }),
    ...outside.map((b) => row(b, "", "", "the caller's")),
  ];
  const peak = peakOf(m);
  return [
    ...tableLines(["", "offset", "bytes", "steps", "buffer"], rows, width),
    ...(peak === null ? [] : ["", ...wrapLine(peak, width), ...wrapLine(planText(m.plan), width)]),
    ...(m.bytes === 0 ? [] : ["", ...mapLines(m, letters, width)]),
  ];
}

/** Who found the plan, and how near it is to the smallest one. */
function planText({ planner, bytes, bound }: Memory["plan"]): string {
  const proved = bytes <= bound
    ? "optimal: no plan is smaller"
    : `the smallest possible one has at least ${grouped(bound)} bytes`;
  return `plan: by ${planner}, ${proved}`;
}

/** Which step needs the most, by name. */
function peakOf(m: Memory): string | null {
  if (m.bytes === 0 || m.steps.length === 0) return null;
  const live = m.steps.map((_, i) => liveBytes(m.buffers, i));
  const step = live.indexOf(Math.max(...live));
  const names = ordered(m.buffers).filter((b) => isLive(b, step)).map((b) => short(b.name));
  const holder = [m.steps[step], short(m.operators[step] ?? "")].filter((t) => t !== "").join(": ");
  return `peak: step ${step} (${holder}) with ${grouped(live[step])} of ${
    grouped(m.bytes)
  } bytes live: ${names.join(", ")}`;
}

/** A cell shows the buffer that fills most of it, `.` where nothing does. */
function mapLines(
  m: Memory,
  letters: ReadonlyMap<PlannedBuffer, string>,
  width: number,
): string[] {
  const size = Math.ceil(m.bytes / ROWS / GRAIN) * GRAIN, rows = Math.ceil(m.bytes / size);
  const label = grouped(m.bytes).length;
  const cell = Math.max(1, Math.min(4, Math.floor((width - label - 3) / m.steps.length)));
  const perMap = Math.floor((width - label - 3) / cell);
  const lines: string[] = ["map: bytes upwards, steps to the right"];
  for (let from = 0; from < m.steps.length; from += perMap) {
    const part = m.steps.slice(from, from + perMap).map((_, i) => from + i);
    if (from > 0) lines.push("");
    for (let row = rows - 1; row >= 0; row--) {
      const cells = part.map((s) => cellText(m, letters, s, row * size, size).repeat(cell));
      lines.push(`${grouped(row * size).padStart(label)} |${cells.join("")}`);
    }
    lines.push(`${" ".repeat(label)} +${"-".repeat(part.length * cell)}`);
    lines.push(`${" ".repeat(label)}  ${axis(part, cell)}`.trimEnd());
  }
  return lines;
}

function cellText(
  m: Memory,
  letters: ReadonlyMap<PlannedBuffer, string>,
  step: number,
  lo: number,
  size: number,
): string {
  let best = ".", most = 0;
  for (const b of m.buffers) {
    if (!isLive(b, step)) continue;
    const filled = Math.min(lo + size, b.offset + b.bytes) - Math.max(lo, b.offset);
    if (filled <= most) continue;
    [best, most] = [letters.get(b)!, filled];
  }
  return best;
}

/** Numbers of the steps, as many as there is room for. */
function axis(steps: readonly number[], cell: number): string {
  const last = String(steps.at(-1)!).length;
  const every = Math.ceil((last + 1) / cell);
  return steps.map((s, i) => {
    const room = every * cell;
    return i % every === 0 ? String(s).padEnd(Math.min(room, (steps.length - i) * cell)) : "";
  }).join("");
}
