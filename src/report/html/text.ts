/** Numbers and names as people read them, and text that is safe inside HTML and SVG. */

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Characters that XML does not allow; names of models may hold anything. */
// deno-lint-ignore no-control-regex
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu;

/** Bidirectional controls would let a name change how the text around it reads. */
const BIDI = /[\u202a-\u202e\u2066-\u2069\u200e\u200f]/g;

/** A name as it can be shown: what cannot or must not be is replaced. */
export const shown = (text: string): string =>
  text.replace(NOT_XML, "\ufffd").replace(BIDI, "\ufffd");

/** Text for an element or attribute of SVG that is not made by a template. */
export const escaped = (text: string): string =>
  shown(text).replace(/[&<>"']/g, (c) => ENTITIES[c]);

/** A whole number with thousands separated. */
export const grouped = (n: number): string => Math.round(n).toLocaleString("en-US");

/** Bytes as `16,256` or, where there are many, `1.50 MiB`. */
export function byteText(n: number): string {
  if (n < 10 * 1024) return `${grouped(n)} B`;
  if (n < 1024 * 1024) return `${(n / 1024).toFixed(1)} KiB`;
  return `${(n / 1024 / 1024).toFixed(2)} MiB`;
}

/** Converters of TensorFlow models join the names of what they merged; the last one says most. */
export const lastName = (name: string): string => name.split(";").at(-1)!;

/** A part of a whole, as `2.5 %`, the space one that no line ends at. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return "";
  const share = 100 * part / whole;
  return `${share.toFixed(share >= 99.95 || share < 0.005 ? 0 : share < 1 ? 2 : 1)}\u00a0%`;
}

/** A real number in at most `digits` significant digits. */
export const real = (x: number, digits = 4): string => {
  if (x === 0) return "0";
  const short = Number(x.toPrecision(digits));
  const size = Math.abs(short);
  return size >= 1e6 || size < 1e-4 ? short.toExponential() : String(short);
};

/** How far a figure is from another, as `−2.5 %`. */
export function deviation(value: number, from: number): string {
  if (from === 0) return "";
  const share = 100 * (value / from - 1);
  const size = Math.abs(share).toFixed(1);
  const sign = size === "0.0" ? "" : share < 0 ? "\u2212" : "+";
  return `${sign}${size}\u00a0%`;
}

/** What a stored integer q stands for. */
export const realValue = (scale: number, zero: number): string =>
  zero === 0
    ? `${real(scale)} × q`
    : `${real(scale)} × (q ${zero < 0 ? "+" : "\u2212"} ${Math.abs(zero)})`;

/** A name with its middle left out where it is longer than `length`. */
export const shortened = (name: string, length: number): string => {
  const points = [...shown(name)];
  if (points.length <= length) return points.join("");
  const head = Math.ceil((length - 1) / 2), tail = length - 1 - head;
  return `${points.slice(0, head).join("")}…${points.slice(points.length - tail).join("")}`;
};
