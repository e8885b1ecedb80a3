/** The memory plan of one region as SVG: steps from left to right, bytes upwards, a box a buffer. */
import type { PlannedBuffer } from "../../codegen/artifact.ts";
import { liveBytes } from "../memory.ts";
import { byteText, escaped, grouped, lastName, shortened } from "./text.ts";

/** What is drawn. */
export interface MemoryMap {
  readonly region: string;
  /** Size of the region. */
  readonly bytes: number;
  /** Name of each step. */
  readonly steps: readonly string[];
  /** What each step computes, by the names of the model. */
  readonly operators: readonly string[];
  /** Buffers that lie in the region. */
  readonly buffers: readonly PlannedBuffer[];
}

/** The step with the most live bytes. */
export interface Peak {
  readonly step: number;
  readonly bytes: number;
}

/** The peak of a region; null where nothing is stored. */
export function peakOf(m: MemoryMap): Peak | null {
  const live = m.steps.map((_, i) => liveBytes(m.buffers, i));
  const bytes = Math.max(0, ...live);
  return bytes === 0 ? null : { step: live.indexOf(bytes), bytes };
}

/** Places of the drawing, in its own units. */
const LEFT = 64, TOP = 26, HEIGHT = 300, BOTTOM = 36, RIGHT = 12;
const WIDEST = 96, NARROWEST = 12, PREFERRED = 1030, LEAST = 340;
/** Width of a character of the labels, and the height of a line. */
const CHARACTER = 6.7, LINE = 13;
const COLOURS = 8;

/**
 * Colours and fonts for a file of its own. Inside a page its style sheet gives the same names other
 * colours, for dark screens.
 */
export const MEMORY_STYLE = `.map text{font:11px system-ui,sans-serif;fill:var(--ink,#1c2330)}
.map .ground{fill:var(--surface,#fff)}
.map .axis{stroke:var(--line,#c3cad6);stroke-width:1}
.map .muted{fill:var(--muted,#566074)}
.map .box{stroke:var(--surface,#fff);stroke-width:1}
.map .taken{stroke:var(--ink,#1c2330);stroke-dasharray:3 2}
.map .peak{fill:none;stroke:var(--peak,#b42318);stroke-width:1.5}
.map .peak-line{stroke:var(--peak,#b42318);stroke-dasharray:4 3}
.map .peak-text{fill:var(--peak,#b42318);font-weight:600}
${
  ["#cfe0ff", "#ffe0b8", "#cdeccf", "#f6d0dc", "#e2d6f7", "#c9ebec", "#f3e6a8", "#dcdfe6"]
    .map((colour, i) => `.map .c${i}{fill:var(--c${i},${colour})}`).join("\n")
}`;

/** All labels of an axis in one unit. */
const axisText = (bytes: number, most: number): string =>
  most < 4096 ? `${bytes} B` : `${Number((bytes / 1024).toFixed(1))} KiB`;

/** Round numbers of bytes for the axis. */
function ticks(bytes: number): number[] {
  const raw = bytes / 5;
  const power = 2 ** Math.floor(Math.log2(Math.max(1, raw)));
  const step = raw / power > 1.5 ? power * 2 : power;
  return Array.from({ length: Math.floor(bytes / step) + 1 }, (_, i) => i * step);
}

/**
 * Draws the map.
 * @param id prefix of the ids in it, unique on its page
 * @param standalone with the style sheet, as a file of its own
 */
export function memoryMapSvg(m: MemoryMap, id: string, standalone = false): string {
  const { width, height, title, parts } = drawn(m);
  const style = standalone ? `<style>${MEMORY_STYLE}</style>` : "";
  const namespace = standalone ? ' xmlns="http://www.w3.org/2000/svg"' : "";
  return `<svg${namespace} class="map" viewBox="0 0 ${width} ${height}" width="${width}" ` +
    `height="${height}" role="img" aria-labelledby="${id}-title">` +
    `<title id="${id}-title">${escaped(title)}</title>${style}\n${parts.join("\n")}\n</svg>`;
}

/** The maps of all regions below each other, as a file of its own. */
export function memorySvg(maps: readonly MemoryMap[]): string {
  const all = maps.map(drawn);
  const width = Math.max(LEAST, ...all.map((d) => d.width));
  let top = 0;
  const groups = all.map(({ title, parts, height }) => {
    const at = top;
    top += height;
    return `<g transform="translate(0 ${at})"><title>${escaped(title)}</title>\n${
      parts.join("\n")
    }\n</g>`;
  });
  const title = maps.length === 0 ? "Nothing is stored between kernels" : "Memory maps";
  const none = maps.length > 0 ? "" : `<text x="12" y="24">${title}</text>`;
  const height = Math.max(40, top);
  return `<svg xmlns="http://www.w3.org/2000/svg" class="map" viewBox="0 0 ${width} ${height}" ` +
    `width="${width}" height="${height}" role="img" aria-labelledby="title">` +
    `<title id="title">${title}</title><style>${MEMORY_STYLE}</style>\n` +
    `<rect class="ground" width="${width}" height="${height}"/>\n${none}${
      groups.join("\n")
    }\n</svg>\n`;
}

/** The parts of a map, and their size. */
function drawn(m: MemoryMap) {
  const count = Math.max(1, m.steps.length);
  const cell = Math.min(WIDEST, Math.max(NARROWEST, PREFERRED / count));
  const width = Math.max(LEAST, Math.round(LEFT + cell * count + RIGHT)),
    height = TOP + HEIGHT + BOTTOM;
  const x = (step: number): number => LEFT + step * cell;
  const y = (bytes: number): number => TOP + HEIGHT - HEIGHT * bytes / Math.max(1, m.bytes);
  const peak = peakOf(m);
  const title = `Memory map of region ${m.region}: ${grouped(m.bytes)} bytes over ${count} steps`;
  const parts = [
    ...axes(m, x, y, cell, count),
    ...boxes(m, x, y, cell),
    ...(peak ? [band(peak, x, y, cell)] : []),
    ...(peak ? marker(peak, m, x, y, width) : []),
  ];
  return { width, height, title, parts };
}

type Scale = (n: number) => number;
const at = (n: number): string => String(Number(n.toFixed(1)));

function axes(m: MemoryMap, x: Scale, y: Scale, cell: number, count: number): string[] {
  const right = at(x(count));
  const bytes = ticks(m.bytes).map((b) =>
    `<path class="axis" d="M${LEFT - 4} ${at(y(b))}H${right}"/>` +
    `<text class="muted" x="${LEFT - 8}" y="${at(y(b) + 4)}" text-anchor="end">${
      axisText(b, m.bytes)
    }</text>`
  );
  const every = Math.max(1, Math.ceil(22 / cell));
  const steps = m.steps.flatMap((name, i) =>
    i % every === 0
      ? [
        `<text class="muted" x="${at(x(i) + cell / 2)}" y="${TOP + HEIGHT + 14}" ` +
        `text-anchor="middle">${i}<title>${escaped(name)}</title></text>`,
      ]
      : []
  );
  const label = `<text class="muted" x="${LEFT}" y="${
    TOP + HEIGHT + 30
  }">step (index of the kernel); region ${escaped(m.region)}, ${grouped(m.bytes)} bytes</text>`;
  return [...bytes, ...steps, label];
}

const band = (p: Peak, x: Scale, y: Scale, cell: number): string =>
  `<rect class="peak" x="${at(x(p.step))}" y="${TOP}" width="${at(cell)}" height="${
    at(y(0) - TOP)
  }"/>`;

function marker(p: Peak, m: MemoryMap, x: Scale, y: Scale, width: number): string[] {
  const holder = shortened(lastName(m.operators[p.step] || m.steps[p.step]), 40);
  const text = escaped(`peak: ${grouped(p.bytes)} bytes in step ${p.step}, ${holder}`);
  const left = x(p.step) < width / 2;
  return [
    `<path class="peak-line" d="M${LEFT} ${at(y(p.bytes))}H${at(x(m.steps.length))}"/>`,
    `<text class="peak-text" x="${at(left ? Math.max(LEFT, x(p.step)) : x(p.step + 1))}" y="${
      TOP - 12
    }" ` +
    `text-anchor="${left ? "start" : "end"}">${text}</text>`,
  ];
}

function boxes(m: MemoryMap, x: Scale, y: Scale, cell: number): string[] {
  const names = new Set(m.buffers.map((b) => b.name));
  const ordered = m.buffers.filter((b) => b.bytes > 0).toSorted((a, b) =>
    a.firstStep - b.firstStep || a.offset - b.offset || (a.name < b.name ? -1 : 1)
  );
  return ordered.map((b, i) => {
    // Another buffer may take the memory over in the last step, and is drawn above this one.
    const heirs = m.buffers.filter((o) => o.owner === b.name && o !== b).map((o) => o.firstStep);
    const end = Math.min(b.lastStep + 1, ...heirs.filter((s) => s >= b.firstStep));
    const w = (b.lastStep - b.firstStep + 1) * cell,
      free = (end - b.firstStep) * cell,
      h = Math.max(1, y(0) - y(b.bytes));
    const left = x(b.firstStep), top = y(b.offset + b.bytes);
    const steps = b.firstStep === b.lastStep
      ? `step ${b.firstStep}`
      : `steps ${b.firstStep} to ${b.lastStep}`;
    const taken = names.has(b.owner);
    const title = `${b.name}: ${grouped(b.bytes)} bytes at ${grouped(b.offset)}, ${steps}` +
      (taken ? `, in the memory of ${b.owner}` : "");
    const fit = Math.floor((free - 6) / CHARACTER);
    const lines = [
      ...(fit >= 4 && h >= LINE ? [shortened(lastName(b.name), fit)] : []),
      ...(fit >= 5 && h >= 2 * LINE ? [byteText(b.bytes)] : []),
    ].filter((line) => line.length <= fit);
    const first = top + h / 2 - (lines.length - 1) * LINE / 2 + 4;
    const text = lines.map((line, k) =>
      `<text x="${at(left + free / 2)}" y="${at(first + k * LINE)}" text-anchor="middle">${
        escaped(line)
      }</text>`
    );
    return `<g><title>${escaped(title)}</title><rect class="box c${i % COLOURS}${
      taken ? " taken" : ""
    }" x="${at(left)}" y="${at(top)}" width="${at(w)}" height="${at(h)}" rx="2"/>${
      text.join("")
    }</g>`;
  });
}
