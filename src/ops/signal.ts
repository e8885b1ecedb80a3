/** DFT and STFT, windows and the weights of a mel spectrum. */
import type { DType } from "../util/dtype.ts";
import { tensor } from "../util/tensor.ts";
import { compute } from "../te/compute.ts";
import { add, load, mul } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError, type Solve } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import { building } from "./building.ts";
import { typeNumbered } from "./cast.ts";
import { onnx, operand } from "./common.ts";
import { type DftAttrs, dftExtents } from "./fft.ts";
import { transformed } from "./fourier.ts";
import { anyAxis, oneOfRange, sizeOfOutput } from "./solve.ts";

/** A scalar operand, undefined where it is left out. */
function scalarOperand(r: AttrReader, input: number, solve?: Solve): number | undefined {
  const t = input < r.inputCount ? r.operandNumbers(input, solve) : undefined;
  if (t && t.length !== 1) throw new OpError(`its input ${input} is no scalar`, "use a scalar");
  return t?.[0];
}

const readDft = (axisOf: (r: AttrReader) => number) => (r: AttrReader): DftAttrs => {
  const axis = axisOf(r);
  const inverse = r.int("inverse", 0) !== 0, onesided = r.int("onesided", 0) !== 0;
  const length: Solve = ({ outs }) => {
    const out = outs[0] ? dims(outs[0]).at(axis) : undefined;
    if (out === undefined) return [];
    return onesided && !inverse ? oneOfRange(2 * out - 2, 2 * out - 1) : oneOfRange(out, out);
  };
  return { axis, length: scalarOperand(r, 1, length) ?? null, inverse, onesided };
};

/** Inputs x […, samples, …, real and imaginary part], length and axis. */
const dft: OpDef<DftAttrs> = {
  name: "DFT",
  changes: [{ since: 20, kind: "meaning" }],
  onnx: [
    onnx("DFT", 17, readDft((r) => r.int("axis", 1)), 1),
    onnx("DFT", 20, readDft((r) => scalarOperand(r, 2, anyAxis) ?? -2), 1),
  ],
  infer: (a, ins) => [dftExtents(a, ins).y],
  body: { kind: "expand", rewrite: (a, [x], _, b) => [transformed(building(b), a, x!)] },
};

interface FrameAttrs {
  readonly step: number;
  readonly length: number;
}

/** Overlapping windows of [batch, samples, parts] as [batch, windows, length, parts]. */
const frames: OpDef<FrameAttrs> = {
  name: "Frames",
  onnx: [],
  infer({ step, length }, [x]) {
    const [batch, samples, parts] = dims(x!), count = Math.floor((samples - length) / step) + 1;
    if (!(step > 0) || !(length > 0) || !(count > 0)) {
      throw new OpError(`its frames of ${length} every ${step} do not fit ${samples} samples`);
    }
    return [{ dtype: x!.dtype, shape: [batch, count, length, parts] }];
  },
  body: {
    kind: "compute",
    define: ({ step }, [x], [out]) => [
      compute(
        "y",
        out.dtype,
        dims(out),
        (n, f, i, part) => load(x!, [n, add(mul(f, step), i), part]),
      ),
    ],
  },
};

interface StftAttrs {
  readonly step: number;
  readonly length: number;
  readonly onesided: boolean;
}

function readStft(r: AttrReader): StftAttrs {
  const onesided = r.int("onesided", 1) !== 0, window = r.type(2)?.shape[0];
  const bins: Solve = ({ outs }) => {
    const out = outs[0] ? dims(outs[0])[2] : undefined;
    if (typeof window === "number") return oneOfRange(window, window);
    if (out === undefined) return [];
    return onesided ? oneOfRange(2 * out - 2, 2 * out - 1) : oneOfRange(out, out);
  };
  const given = scalarOperand(r, 3, bins);
  const step = scalarOperand(r, 1, ({ ins }) => oneOfRange(1, dims(ins[0]!)[1]));
  const length = given ?? window ?? r.type(0)?.shape[1];
  if (step === undefined) throw new OpError("it has no frame_step", "give the node its inputs");
  if (typeof length !== "number" || (window !== undefined && window !== length)) {
    throw new OpError(`its window of ${window} is not of its frame_length ${length}`);
  }
  return { step, length, onesided };
}

/** Inputs signal [batch, samples, parts], (step,) window [length] or null: a transform per frame. */
const stft: OpDef<StftAttrs> = {
  name: "STFT",
  onnx: [onnx("STFT", 17, readStft, 3)],
  infer(a, ins) {
    const x = operand(ins, 0, "float");
    if (x.shape.length !== 3) throw new OpError(`its signal [${dims(x)}] has not three axes`);
    const framed = frames.infer(a, [x], () => undefined);
    return [dftExtents(ofFrames(a), framed).y];
  },
  body: {
    kind: "expand",
    rewrite(a, [x, _step, window], _, b) {
      const g = building(b), cut = g.apply(frames, a, x);
      const weighed = window ? g.mul(cut, g.reshape(window, [a.length, 1])) : cut;
      return [transformed(g, ofFrames(a), weighed)];
    },
  },
};
const ofFrames = ({ onesided }: StftAttrs): DftAttrs => ({
  axis: 2,
  length: null,
  inverse: false,
  onesided,
});

interface TableAttrs {
  readonly values: readonly number[];
  readonly shape: readonly number[];
  readonly dtype: DType;
}
const outputType = (r: AttrReader): DType => typeNumbered(r.int("output_datatype", 1));

/** An operator of constant operands: a constant. */
const table = (
  name: string,
  attrs: (r: AttrReader) => Omit<TableAttrs, "dtype">,
): OpDef<TableAttrs> => ({
  name,
  onnx: [onnx(name, 17, (r) => ({ ...attrs(r), dtype: outputType(r) }), 0)],
  infer: ({ dtype, shape }) => [{ dtype, shape }],
  body: {
    kind: "expand",
    rewrite: ({ values, shape, dtype }, _ins, _, b) => [b.constant(tensor(dtype, shape, values))],
  },
});

/** A sum of cosines: a₀ − a₁·cos(2πi/n) + a₂·cos(4πi/n). */
const window = (name: string, [a0, a1, a2]: readonly number[]): OpDef<TableAttrs> =>
  table(name, (r) => {
    const size = scalarOperand(r, 0, sizeOfOutput(0)) ?? 0;
    const n = r.int("periodic", 1) !== 0 ? size : size - 1;
    if (!(size >= 1) || n < 1) throw new OpError(`its size is ${size}`, "use 2 or more");
    const values = Array.from({ length: size }, (_, i) => {
      const turn = 2 * Math.PI * i / n;
      return a0 - a1 * Math.cos(turn) + a2 * Math.cos(2 * turn);
    });
    return { values, shape: [size] };
  });

/** Triangles over the bins of a spectrum, evenly spaced on the mel scale; a column for each. */
function melWeights(r: AttrReader): Omit<TableAttrs, "dtype"> {
  const [bands, length, rate, low, high] = [0, 1, 2, 3, 4].map((i) => scalarOperand(r, i) ?? NaN);
  const rows = Math.floor(length / 2) + 1;
  const mel = (f: number): number => 2595 * Math.log1p(f / 700) / Math.LN10;
  const step = (mel(high) - mel(low)) / (bands + 2);
  const bins = Array.from({ length: bands + 2 }, (_, i) => {
    const f = 700 * Math.expm1((i * step + mel(low)) / 2595 * Math.LN10);
    return Math.floor((length + 1) * f / rate);
  });
  if (!(bins[0] >= 0 && bins[bands + 1] <= rows)) {
    throw new OpError(
      `its edges of ${low} and ${high} Hz do not fit ${length} samples at ${rate} Hz`,
      "they lie between 0 and half of the sample rate",
    );
  }
  const values = new Array<number>(rows * bands).fill(0);
  for (let i = 0; i < bands; i++) {
    const [left, top, right] = bins.slice(i, i + 3);
    if (left === top) values[top * bands + i] = 1;
    else {
      for (let j = left; j <= top && j < rows; j++) {
        values[j * bands + i] = (j - left) / (top - left);
      }
    }
    for (let j = top; j < right; j++) values[j * bands + i] = (right - j) / (right - top);
  }
  return { values, shape: [rows, bands] };
}

export const ops = [
  dft,
  frames,
  stft,
  window("HannWindow", [0.5, 0.5, 0]),
  window("HammingWindow", [25 / 46, 21 / 46, 0]),
  window("BlackmanWindow", [0.42, 0.5, 0.08]),
  table("MelWeightMatrix", melWeights),
] as OpDef<unknown>[];
