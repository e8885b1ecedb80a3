/** Discrete Fourier transforms: which way they are computed, and by definition. */
import { tensor } from "../util/tensor.ts";
import { axis as reduceAxis, compute, sum, type Tensor } from "../te/compute.ts";
import * as te from "../te/expr.ts";
import { add, type Expr, floormod, imm, load, mul, sub } from "../te/expr.ts";
import type { OpDef } from "../ir/opdef.ts";
import { dims, type Value } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import type { Building } from "./building.ts";
import { type DftAttrs, dftExtents, fft, radicesOf } from "./fft.ts";

/** By definition. Inputs x, and the cosines and sines of 2π·i/length. */
export const fourier: OpDef<DftAttrs> = {
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
export function transformed(g: Building, a: DftAttrs, x: Value): Value {
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
  const op = radicesOf(length) ? fft : fourier;
  return g.apply(op, a, x, table(0), table(1));
}

export const ops = [fft, fourier] as OpDef<unknown>[];
