/** Fourier transforms, windows and the weights of a mel spectrum. */
import type { DType } from "../util/dtype.ts";
import { tensor } from "../util/tensor.ts";
import { axis as reduceAxis, compute, sum, type Tensor } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { add, type Expr, floormod, imm, load, mul, sub } from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError, type Solve } from "../ir/opdef.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { type Building, building } from "./building.ts";
import { typeNumbered } from "./cast.ts";
import { axisIndex, onnx, operand, type Types } from "./common.ts";
import { anyAxis, oneOfRange, sizeOfOutput } from "./solve.ts";

interface DftAttrs {
  readonly axis: number;
  /** null: as many as there are samples. */
  readonly length: number | null;
  readonly inverse: boolean;
  readonly onesided: boolean;
}

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

/** Products of indices stay within int32 up to here. */
const MAX_LENGTH = 46340;

function dftExtents(a: DftAttrs, ins: Types) {
  const x = operand(ins, 0, "float"), shape = dims(x), rank = shape.length;
  const axis = axisIndex(a.axis, rank), parts = shape[rank - 1];
  if (axis === rank - 1 || parts < 1 || parts > 2) {
    throw new OpError(`its input [${shape}] does not end in real and imaginary parts`);
  }
  if (a.onesided && (a.inverse ? parts !== 2 : parts !== 1)) {
    throw new OpError(
      `it is onesided on an input of ${parts} parts`,
      "forwards it takes real numbers, backwards complex ones",
    );
  }
  const back = a.inverse && a.onesided;
  const length = a.length ?? (back ? 2 * (shape[axis] - 1) : shape[axis]);
  if (!(length >= 1 && length <= MAX_LENGTH)) {
    throw new OpError(`its length is ${length}`, `it is at least 1 and at most ${MAX_LENGTH}`);
  }
  const out = a.onesided && !a.inverse ? Math.floor(length / 2) + 1 : length;
  const y: TensorType = {
    dtype: x.dtype,
    shape: shape.with(axis, out).with(rank - 1, back ? 1 : 2),
  };
  return { x, axis, parts, length, back, y };
}

/** Inputs x, and the cosines and sines of 2π·i/length. */
const fourier: OpDef<DftAttrs> = {
  name: "Fourier",
  onnx: [],
  infer: (a, ins) => [dftExtents(a, ins).y],
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const [x, cosines, sines] = ins as readonly Tensor[], shape = dims(out), { dtype } = out;
      const { axis, length, parts, back } = dftExtents(a, ins);
      const last = shape.length - 1, used = back ? Math.floor(length / 2) + 1 : length;
      const total = compute("total", dtype, shape, (...at: Expr[]) => {
        const k = reduceAxis("sample", Math.min(x.shape[axis], used));
        const turn = floormod(mul(k.v, at[axis]), length);
        const part = (i: number): Expr => load(x, at.with(axis, k.v).with(last, imm(i)));
        const c = load(cosines, [turn]), s = load(sines, [turn]);
        const re = part(0), im = parts === 2 ? part(1) : null;
        const real = !im
          ? mul(re, c)
          : a.inverse
          ? sub(mul(re, c), mul(im, s))
          : add(mul(re, c), mul(im, s));
        if (back) {
          // What the half that is left out would add, which is the conjugate.
          const single = te.bin(
            "or",
            te.eq(k.v, 0),
            length % 2 === 0 ? te.eq(k.v, length / 2) : te.FALSE,
          );
          return sum([k], te.select(single, real, add(real, real)));
        }
        const turned = a.inverse ? mul(re, s) : te.un("neg", mul(re, s));
        const imaginary = im ? add(mul(im, c), turned) : turned;
        return sum([k], te.select(te.eq(at[last], 0), real, imaginary));
      }, axisNames(shape.length));
      if (!a.inverse) return [total];
      const y = compute(
        "y",
        dtype,
        shape,
        (...at) => te.div(load(total.out, at), imm(length, dtype)),
        axisNames(shape.length),
      );
      return [total, y];
    },
  },
};

/** The transform with its tables; sines and cosines are exact where they are 0, 1 and −1. */
function transformed(g: Building, a: DftAttrs, x: Value): Value {
  const { length } = dftExtents(a, [x.type]), { dtype } = x.type;
  const quarter = (i: number): number => Math.round(Math.cos(Math.PI * i / 2));
  const table = (shift: number): Value =>
    g.b.constant(tensor(
      dtype,
      [length],
      Array.from({ length }, (_, i) => {
        const turns = 4 * i / length - shift;
        return Number.isInteger(turns) ? quarter(turns) : Math.cos(Math.PI / 2 * turns);
      }),
    ));
  return g.apply(fourier, a, x, table(0), table(1));
}

/** Inputs x […, samples, …, real and imaginary part], length and axis. */
const dft: OpDef<DftAttrs> = {
  name: "DFT",
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
  fourier,
  dft,
  frames,
  stft,
  window("HannWindow", [0.5, 0.5, 0]),
  window("HammingWindow", [25 / 46, 21 / 46, 0]),
  window("BlackmanWindow", [0.42, 0.5, 0.08]),
  table("MelWeightMatrix", melWeights),
] as OpDef<unknown>[];
