/** What a layer multiplies its weights with: columns of operands, drawn from positions of samples. */
import { type EditableNode, intOf, intsOf, stringOf } from "../onnx/editable.ts";
import type { Layer } from "./plan.ts";

/** Columns that are kept of a layer in all. */
export const MOST_COLUMNS = 1024;

/** How a layer reads its input: `width` operands for each result, in `groups` separate lists. */
export interface Reading {
  readonly groups: number;
  /** Operands of one result. */
  readonly width: number;
  /** Positions of results in one sample. */
  readonly positions: number;
  /** The operands of a position for a group are written to `into`; zero is padding. */
  readonly gather: (
    x: ArrayLike<number>,
    position: number,
    group: number,
    into: Float32Array,
  ) => void;
}

/**
 * @param shapes of input, weight and output; the batch is the first axis
 */
export function readingOf(
  layer: Layer,
  shapes: {
    readonly input: readonly number[];
    readonly weight: readonly number[];
    readonly output: readonly number[];
  },
): Reading {
  return layer.role.reads === "windows"
    ? convolution(layer.node, shapes.input, shapes.weight, shapes.output)
    : dense(shapes.input);
}

const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

function dense(input: readonly number[]): Reading {
  const width = input.at(-1)!;
  return {
    groups: 1,
    width,
    positions: product(input) / width,
    gather: (x, position, _, into) => {
      for (let k = 0; k < width; k++) into[k] = x[position * width + k];
    },
  };
}

/** Padding at the start of each axis (ONNX, Conv: auto_pad). */
function startPads(
  n: EditableNode,
  input: readonly number[],
  kernel: readonly number[],
  output: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): number[] {
  const auto = stringOf(n, "auto_pad", "NOTSET");
  if (auto === "VALID") return kernel.map(() => 0);
  if (auto === "NOTSET") {
    return intsOf(n, "pads", kernel.flatMap(() => [0, 0])).slice(0, kernel.length);
  }
  return kernel.map((k, i) => {
    const all = Math.max(0, (output[i] - 1) * strides[i] + (k - 1) * dilations[i] + 1 - input[i]);
    return auto === "SAME_LOWER" ? Math.ceil(all / 2) : Math.floor(all / 2);
  });
}

function convolution(
  n: EditableNode,
  input: readonly number[],
  weight: readonly number[],
  output: readonly number[],
): Reading {
  const size = input.slice(2), kernel = weight.slice(2), out = output.slice(2);
  const ones = kernel.map(() => 1);
  const strides = intsOf(n, "strides", ones), dilations = intsOf(n, "dilations", ones);
  const pads = startPads(n, size, kernel, out, strides, dilations);
  const channels = weight[1], taps = product(kernel), plane = product(size);
  // Coordinates of each tap in the window.
  const offsets = Array.from({ length: taps }, (_, tap) => digits(tap, kernel));
  return {
    groups: intOf(n, "group", 1),
    width: channels * taps,
    positions: product(out),
    gather: (x, position, group, into) => {
      const at = digits(position, out);
      for (let tap = 0; tap < taps; tap++) {
        let index = 0, inside = true;
        for (let axis = 0; axis < size.length; axis++) {
          const i = at[axis] * strides[axis] - pads[axis] + offsets[tap][axis] * dilations[axis];
          inside &&= i >= 0 && i < size[axis];
          index = index * size[axis] + i;
        }
        for (let c = 0; c < channels; c++) {
          into[c * taps + tap] = inside ? x[(group * channels + c) * plane + index] : 0;
        }
      }
    },
  };
}

/** The coordinates of a row-major index. */
function digits(index: number, dims: readonly number[]): number[] {
  const at = dims.map(() => 0);
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    at[axis] = index % dims[axis];
    index = Math.floor(index / dims[axis]);
  }
  return at;
}

/** Columns of one layer, group by group, filled from sample after sample. */
export class Columns {
  readonly groups: Float32Array[];
  count = 0;
  readonly #perSample: number;
  readonly #capacity: number;
  #state = 1;

  /** @param samples how many will be offered */
  constructor(readonly reading: Reading, samples: number) {
    this.#perSample = Math.min(reading.positions, Math.max(1, Math.floor(MOST_COLUMNS / samples)));
    this.#capacity = Math.min(MOST_COLUMNS, this.#perSample * samples);
    this.groups = Array.from(
      { length: reading.groups },
      () => new Float32Array(this.#capacity * reading.width),
    );
  }

  /** Draws positions of a sample; the same ones every time the program runs. */
  add(x: ArrayLike<number>): void {
    const { positions, width, gather } = this.reading;
    for (let i = 0; i < this.#perSample && this.count < this.#capacity; i++) {
      const position = this.#perSample === positions ? i : this.#draw(positions);
      this.groups.forEach((g, group) =>
        gather(x, position, group, g.subarray(this.count * width, (this.count + 1) * width))
      );
      this.count++;
    }
  }

  #draw(below: number): number {
    this.#state = Math.imul(this.#state, 1664525) + 1013904223 >>> 0;
    return Math.floor(this.#state / 2 ** 32 * below);
  }
}
