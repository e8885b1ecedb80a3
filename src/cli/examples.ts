/** The bundled examples: trained models with labelled samples. */
import { fileURLToPath } from "node:url";
import type { TensorData } from "../util/tensor.ts";
import { drawGrey } from "./draw.ts";

/** One example. */
export interface Example {
  readonly title: string;
  /** Path of the model. */
  readonly model: string;
  /** Path of the samples: `in0`, `out0`, `labels`. */
  readonly samples: string;
  /** Lines that show one sample on a terminal. */
  readonly draw: (input: TensorData) => string[];
  /** Name of the class of an output index. */
  readonly label: (index: number) => string;
}

const path = (file: string): string =>
  fileURLToPath(new URL(`../../examples/${file}`, import.meta.url));

/** All examples by name. */
export const EXAMPLES: Readonly<Record<string, Example>> = {
  digits: {
    title: "Handwritten digits",
    model: path("digits/digits_int8.onnx"),
    samples: path("digits/test.npz"),
    draw: (input) => drawGrey(input, 8, 8),
    label: String,
  },
};
