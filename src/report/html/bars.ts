/** Bars as SVG, whose fills are printed where a page's backgrounds are not. */
import { escaped } from "./text.ts";

const at = (n: number): string => String(Number(n.toFixed(2)));

/** One bar: a part of the largest value in its column. */
export const bar = (value: number, largest: number, kind: string): string =>
  `<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">` +
  `<rect class="trough" width="100" height="4"/><rect class="${kind}" width="${
    at(largest === 0 ? 0 : 100 * value / largest)
  }" height="4"/></svg>`;

/** A part of a stacked bar. */
export interface Segment {
  readonly name: string;
  readonly bytes: number;
  readonly kind: string;
}

/** A stacked bar against a limit; without one against its own sum. */
export function stackedBar(segments: readonly Segment[], limit: number | null, title: string) {
  const sum = segments.reduce((s, x) => s + x.bytes, 0);
  const whole = Math.max(1, limit ?? sum, sum);
  let left = 0;
  const rects = segments.map((s) => {
    const width = 100 * s.bytes / whole;
    const rect = `<rect class="${s.kind}" x="${at(left)}" width="${at(width)}" height="12"/>`;
    left += width;
    return rect;
  });
  return `<svg class="stack" viewBox="0 0 100 12" preserveAspectRatio="none" role="img">` +
    `<title>${escaped(title)}</title><rect class="trough" width="100" height="12"/>${
      rects.join("")
    }</svg>`;
}

/** Where a range lies within the widest one, with zero marked. */
export function rangeBar([low, high]: readonly [number, number], widest: number): string {
  const x = (v: number): number => 50 + 50 * v / Math.max(widest, Number.MIN_VALUE);
  return `<svg class="range" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">` +
    `<rect class="trough" width="100" height="6"/><rect class="s-range" x="${at(x(low))}" y="1" ` +
    `width="${at(Math.max(0.6, x(high) - x(low)))}" height="4"/>` +
    `<rect class="zero" x="49.8" width="0.4" height="6"/></svg>`;
}

const BINS = 24;

/** How the scales of channels are spread, from the smallest to the largest, logarithmically. */
export function spreadChart(scales: readonly number[]): string {
  const logs = scales.filter((s) => s > 0).map(Math.log);
  const low = Math.min(...logs), width = Math.max(Math.max(...logs) - low, 1e-12);
  const counts = new Array<number>(BINS).fill(0);
  for (const l of logs) counts[Math.min(BINS - 1, Math.floor((l - low) / width * BINS))]++;
  const most = Math.max(1, ...counts);
  const rects = counts.flatMap((n, i) =>
    n === 0 ? [] : [
      `<rect class="s-range" x="${at(100 * i / BINS)}" y="${at(16 - 16 * n / most)}" width="${
        at(100 / BINS - 0.6)
      }" height="${at(16 * n / most)}"/>`,
    ]
  );
  return `<svg class="spread" viewBox="0 0 100 16" preserveAspectRatio="none" role="img"><title>` +
    `${scales.length} scales by size</title><rect class="trough" y="15" width="100" height="1"/>${
      rects.join("")
    }</svg>`;
}
