/** Where a resized axis samples its input, and with what weights: tables, computed when compiling. */

export const TRANSFORMS = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_crop_and_resize",
  "tf_half_pixel_for_nn",
] as const;
export const NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"] as const;
export const MODES = ["nearest", "linear", "cubic"] as const;

/** How every axis is sampled. */
export interface Sampling {
  readonly mode: typeof MODES[number];
  readonly transform: typeof TRANSFORMS[number];
  readonly nearest: typeof NEAREST[number];
  /** The coefficient of cubic interpolation. */
  readonly a: number;
  /** Samples outside count nothing; else they are those of the border. */
  readonly exclude: boolean;
  /** The filter is as wide as the output's step, where that is larger than the input's. */
  readonly antialias: boolean;
}

/** One axis that is resized. */
export interface ResizedAxis {
  readonly axis: number;
  readonly size: number;
  readonly out: number;
  readonly scale: number;
  /** Start and end in units of the size (tf_crop_and_resize). */
  readonly roi: readonly [number, number];
}

/** Rows of `taps` for every output position. */
export interface Samples {
  readonly taps: number;
  readonly indices: readonly number[];
  readonly weights: readonly number[];
  /** Output positions whose sample lies inside the input (tf_crop_and_resize). */
  readonly inside: readonly boolean[];
}

/** The place in the input of output position `x`. */
function original(s: Sampling, r: ResizedAxis, x: number): number {
  const width = r.scale * r.size;
  switch (s.transform) {
    case "align_corners":
      return width === 1 ? 0 : x * (r.size - 1) / (width - 1);
    case "asymmetric":
      return x / r.scale;
    case "tf_crop_and_resize": {
      const extent = (r.roi[1] - r.roi[0]) * (r.size - 1);
      return (width === 1 ? extent / 2 : x * extent / (width - 1)) + r.roi[0] * (r.size - 1);
    }
    case "pytorch_half_pixel":
      return width === 1 ? -0.5 : (x + 0.5) / r.scale - 0.5;
    case "tf_half_pixel_for_nn":
      return (x + 0.5) / r.scale;
    case "half_pixel":
      return (x + 0.5) / r.scale - 0.5;
    case "half_pixel_symmetric":
      return r.size / 2 * (1 - r.out / width) + (x + 0.5) / r.scale - 0.5;
  }
}

/** Keys' cubic convolution kernel at a distance. */
export function cubic(a: number, distance: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/** The samples of every output position along an axis. */
export function samples(s: Sampling, r: ResizedAxis): Samples {
  const reach = s.mode === "cubic" ? 2 : 1;
  const scale = s.antialias && s.mode !== "nearest" ? Math.min(r.scale, 1) : 1;
  const first = Math.floor(-reach / scale) + 1, taps = s.mode === "nearest" ? 1 : 2 - 2 * first;
  const kernel = (d: number): number =>
    s.mode === "cubic" ? cubic(s.a, d) : Math.max(0, 1 - Math.abs(d));
  const indices: number[] = [], weights: number[] = [], inside: boolean[] = [];
  const clamped = (i: number): number => Math.min(Math.max(i, 0), r.size - 1);
  for (let o = 0; o < r.out; o++) {
    const x = original(s, r, o);
    inside.push(x >= 0 && x <= r.size - 1);
    if (s.mode === "nearest") {
      indices.push(clamped(nearest(s.nearest, x)));
      weights.push(1);
      continue;
    }
    // A sample that lies on an element counts as a whole step behind the one before.
    const begin = Math.ceil(x) - 1, ratio = x - begin;
    const at = Array.from({ length: taps }, (_, k) => begin + first + k);
    const raw = at.map((i, k) =>
      s.exclude && (i < 0 || i >= r.size) ? 0 : kernel((first + k - ratio) * scale)
    );
    const total = raw.reduce((p, w) => p + w, 0);
    const unit = (s.exclude || scale < 1) && total !== 0 ? total : 1;
    indices.push(...at.map(clamped));
    weights.push(...raw.map((w) => w / unit));
  }
  return { taps, indices, weights, inside };
}

function nearest(mode: Sampling["nearest"], x: number): number {
  switch (mode) {
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    case "round_prefer_floor":
      return Math.ceil(x - 0.5);
  }
}
