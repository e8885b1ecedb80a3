/** Small pictures out of characters. */
import { numbers, type TensorData } from "../util/tensor.ts";

const GREYS = [" ", "░", "▒", "▓", "█"];
const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/** A level of 0 to count - 1; what is beyond is at the end. */
const clamped = (level: number, count: number): number => Math.min(count - 1, Math.max(0, level));

/**
 * A picture of `height` rows of `width` pixels, dark where the value is high.
 * @param columns characters a pixel; two make it about square
 */
export function drawGrey(
  picture: TensorData,
  height: number,
  width: number,
  columns = 2,
): string[] {
  const pixels = numbers(picture);
  const [low, high] = [Math.min(...pixels), Math.max(...pixels)];
  const span = high - low || 1;
  const grey = (v: number) =>
    GREYS[clamped(Math.floor((v - low) / span * GREYS.length), GREYS.length)].repeat(columns);
  return Array.from(
    { length: height },
    (_, y) => pixels.slice(y * width, (y + 1) * width).map(grey).join(""),
  );
}

/** How `drawLines` draws. */
export interface LinesStyle {
  /** What stands before each line, all of one width. */
  readonly names: readonly string[];
  /** Bars a line. */
  readonly columns: number;
  /** The value at rest, drawn as a bar of half height. */
  readonly rest: number;
  /** How much higher the value of the next bar is, the same in every line and picture. */
  readonly step: number;
}

/**
 * One line of bars for each row of `[.., rows, steps]`. A bar is the value farthest from rest among the
 * steps that it stands for: a mean would hide what swings fast.
 */
export function drawLines(
  series: TensorData,
  { names, columns, rest, step }: LinesStyle,
): string[] {
  const values = numbers(series);
  const steps = values.length / names.length;
  const farthest = (a: number, b: number) => Math.abs(b - rest) > Math.abs(a - rest) ? b : a;
  const bar = (v: number) => BARS[clamped(Math.round((v - rest) / step) + 3, BARS.length)];
  return names.map((name, row) => {
    const line = values.slice(row * steps, (row + 1) * steps);
    const bars = Array.from({ length: columns }, (_, c) => {
      const [from, to] = [c, c + 1].map((edge) => Math.floor(edge * steps / columns));
      return bar(line.slice(from, to).reduce(farthest));
    });
    return `${name} ${bars.join("")}`;
  });
}

/** A picture and what is written below it. */
export interface Captioned {
  readonly lines: readonly string[];
  readonly caption: string;
}

/** The caption as one line, or broken behind its comma where the picture is narrower. */
function block({ lines, caption }: Captioned): string[] {
  const width = Math.max(...lines.map((l) => l.length));
  return [...lines, ...(caption.length > width ? caption.split(/(?<=,) /) : [caption])];
}

function row(blocks: readonly (readonly string[])[], gap: string): string {
  const columns = blocks.map((lines) => {
    const width = Math.max(...lines.map((l) => l.length));
    return { lines, width };
  });
  const height = Math.max(0, ...blocks.map((lines) => lines.length));
  return Array.from(
    { length: height },
    (_, y) => columns.map(({ lines, width }) => (lines[y] ?? "").padEnd(width)).join(gap).trimEnd(),
  ).join("\n");
}

/** Pictures side by side, as many in a row as fit into `width` characters, a caption below each. */
export function sideBySide(pictures: readonly Captioned[], gap = "   ", width = 80): string {
  const rows: string[][][] = [];
  let left = 0;
  for (const lines of pictures.map(block)) {
    const needed = Math.max(...lines.map((l) => l.length)) + gap.length;
    if (rows.length === 0 || needed > left) {
      rows.push([]);
      left = width + gap.length;
    }
    rows.at(-1)!.push(lines);
    left -= needed;
  }
  return rows.map((blocks) => row(blocks, gap)).join("\n\n");
}
