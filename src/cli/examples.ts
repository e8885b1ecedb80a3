/** The bundled examples: trained models with labelled samples. */
import { fileURLToPath } from "node:url";
import type { TensorData } from "../util/tensor.ts";
import { drawGrey, drawLines } from "./draw.ts";

/** One example. */
export interface Example {
  readonly title: string;
  /** One line for the list of examples. */
  readonly about: string;
  /** Path of the model. */
  readonly model: string;
  /**
   * Path of the samples: `in0`, `out0`, `labels`. Where the outputs are logits there is `float0` too:
   * those of the float model, which the model was quantised from.
   */
  readonly samples: string;
  /** Lines that show one sample on a terminal. */
  readonly draw: (input: TensorData) => string[];
  /** Name of the class of an output index. */
  readonly label: (index: number) => string;
}

const path = (file: string): string =>
  fileURLToPath(new URL(`../../examples/${file}`, import.meta.url));

// At rest the watch measures about 0, which is the zero point of the model's input.
const AXES = { names: ["ax", "ay", "az", "gx", "gy", "gz"], columns: 33, rest: -15, step: 14 };
const MOTIONS = ["standing", "running", "walking", "badminton"];

/** All examples by name. */
export const EXAMPLES: Readonly<Record<string, Example>> = {
  digits: {
    title: "Handwritten digits",
    about: "which digit was written, from 8 × 8 pixels",
    model: path("digits/digits_int8.onnx"),
    samples: path("digits/test.npz"),
    draw: (input) => drawGrey(input, 8, 8),
    label: String,
  },
  motion: {
    title: "Wearable motion",
    about: "what the wearer of a watch does, from 10 s of accelerometer and gyroscope",
    model: path("motion/motion_int8.onnx"),
    samples: path("motion/test.npz"),
    draw: (input) => drawLines(input, AXES),
    label: (index) => MOTIONS[index],
  },
  vowels: {
    title: "Spoken vowels",
    about: "which of nine speakers said two vowels, from 12 coefficients in 16 steps",
    model: path("vowels/vowels_int8.onnx"),
    samples: path("vowels/test.npz"),
    draw: (input) => drawGrey(input, 12, 16, 1),
    label: (index) => `speaker ${index + 1}`,
  },
};
