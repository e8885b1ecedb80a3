/** Small pictures out of characters. */
import { numbers, type TensorData } from "../util/tensor.ts";

const GREYS = ["  ", "░░", "▒▒", "▓▓", "██"];

/** A picture of `height` rows of `width` pixels, dark where the value is high, two columns each. */
export function drawGrey(picture: TensorData, height: number, width: number): string[] {
  const pixels = numbers(picture);
  const [low, high] = [Math.min(...pixels), Math.max(...pixels)];
  const span = high - low || 1;
  const grey = (v: number) => GREYS[Math.min(4, Math.floor((v - low) / span * 5))];
  return Array.from(
    { length: height },
    (_, y) => pixels.slice(y * width, (y + 1) * width).map(grey).join(""),
  );
}

/** Pictures side by side, a caption below each. */
export function sideBySide(
  pictures: readonly { lines: readonly string[]; caption: string }[],
  gap = "   ",
): string {
  const columns = pictures.map(({ lines, caption }) => {
    const width = Math.max(caption.length, ...lines.map((l) => l.length));
    return [...lines, caption].map((l) => l.padEnd(width));
  });
  const rows = Math.max(0, ...columns.map((c) => c.length));
  return Array.from(
    { length: rows },
    (_, y) => columns.map((c) => c[y] ?? "").join(gap).trimEnd(),
  ).join("\n");
}
