/** Pad: more (or, with negative numbers, fewer) elements at the borders. */
import { intRange } from "../util/dtype.ts";
import { numbers } from "../util/tensor.ts";
import { compute, type Tensor } from "../te/compute.ts";
import {
  and,
  clamp,
  type Expr,
  floormod,
  ge,
  imm,
  load,
  lt,
  select,
  sub,
  type Var,
} from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims } from "../ir/graph.ts";
import type { Deq, QuantRule } from "../ir/quant.ts";
import { axisNames } from "./axes.ts";
import { axisIndex, onnxAndMicrosoft, operand } from "./common.ts";

const MODES = ["constant", "edge", "reflect", "wrap"] as const;

export interface PadAttrs {
  readonly mode: typeof MODES[number];
  /** Begin of every axis in `axes`, then their ends. */
  readonly pads: readonly number[];
  /** null: all. */
  readonly axes: readonly number[] | null;
  readonly value: number;
}

function read(r: AttrReader): PadAttrs {
  const mode = MODES.find((m) => m === r.string("mode", "constant"));
  if (!mode) {
    throw new OpError(`its mode is '${r.string("mode")}'`, `use one of ${MODES.join(", ")}`);
  }
  const given = <T>(i: number, f: (i: number) => T | undefined): T | undefined =>
    i < r.inputCount ? f(i) : undefined;
  const fill = given(2, (i) => r.operand(i));
  return {
    mode,
    pads: r.has("pads") ? r.ints("pads") : given(1, (i) => r.operandInts(i)) ?? [],
    axes: given(3, (i) => r.operandInts(i)) ?? null,
    value: fill ? numbers(fill)[0] ?? 0 : r.float("value", 0),
  };
}

/** Begin and end of every axis. */
export function padding(a: PadAttrs, rank: number): { begin: number[]; end: number[] } {
  const axes = a.axes ?? Array.from({ length: rank }, (_, i) => i);
  if (a.pads.length !== 2 * axes.length) {
    throw new OpError(
      `its pads [${a.pads}] do not fit ${axes.length} axes`,
      "give two for every axis",
    );
  }
  const begin = new Array<number>(rank).fill(0), end = [...begin];
  axes.forEach((axis, i) => {
    const at = axisIndex(axis, rank);
    begin[at] = a.pads[i];
    end[at] = a.pads[axes.length + i];
  });
  return { begin, end };
}

function element(a: PadAttrs, x: Tensor, at: readonly Var[]): Expr {
  const { begin, end } = padding(a, x.shape.length);
  const inside: Expr[] = [];
  const idx = at.map((v, i): Expr => {
    const j = sub(v, begin[i]), n = x.shape[i], before = begin[i] > 0, after = end[i] > 0;
    if (!before && !after) return j;
    switch (a.mode) {
      case "constant":
        if (before) inside.push(ge(j, 0));
        if (after) inside.push(lt(j, n));
        return j;
      case "edge":
        return clamp(j, 0, n - 1);
      case "reflect": {
        const up = before ? select(lt(j, 0), sub(imm(0), j), j) : j;
        return after ? select(lt(up, n), up, sub(imm(2 * (n - 1)), up)) : up;
      }
      case "wrap":
        return floormod(j, n);
    }
  });
  return select(and(...inside), load(x, idx), imm(a.value, x.dtype));
}

/** The stored integer whose real value is exactly `value` in every channel, or null. */
function storedValue(x: Deq, value: number): number | null {
  const zeros = numbers(x.zero), range = intRange(x.q.type.dtype);
  const stored = numbers(x.scale).map((s, i) => {
    const z = zeros[zeros.length === 1 ? 0 : i], q = Math.round(value / s) + z;
    return Math.fround(Math.fround(q - z) * s) === value && q >= range.min && q <= range.max
      ? q
      : null;
  });
  return stored.every((q) => q === stored[0]) ? stored[0] : null;
}

/** Stored integers are padded with the integer that stands for the value. */
const padIntegers: QuantRule<PadAttrs> = (a, [x], { b }) => {
  if (!x || x.k === "flt") return null;
  const v = x.k === "deq" ? x.q : x.acc;
  const { begin, end } = padding(a, v.type.shape.length);
  if (x.scale.data.length > 1 && (begin[x.axis] || end[x.axis])) return null;
  const node = (value: number) => b.node(pad, { ...a, value }, [v])[0];
  if (a.mode !== "constant") return x.k === "deq" ? { ...x, q: node(0) } : { ...x, acc: node(0) };
  if (x.k === "deq") {
    const q = storedValue(x, a.value);
    return q === null ? null : { ...x, q: node(q) };
  }
  const zeroStays = (x.lo ?? 0) <= 0 && (x.hi ?? 0) >= 0;
  return a.value === 0 && zeroStays ? { ...x, acc: node(0) } : null;
};

export const pad: OpDef<PadAttrs> = {
  name: "Pad",
  onnx: onnxAndMicrosoft("Pad", 2, read, 1),
  infer(a, ins) {
    const x = operand(ins, 0, "any"), from = dims(x);
    const { begin, end } = padding(a, from.length);
    const shape = from.map((n, i) => n + begin[i] + end[i]);
    const far = from.findIndex((n, i) => a.mode === "reflect" && Math.max(begin[i], end[i]) >= n);
    if (shape.some((n) => n < 0) || (far >= 0 && shape[far] !== from[far])) {
      throw new OpError(
        `its pads [${a.pads}] are too large for its input [${from}]`,
        "pad in steps",
      );
    }
    return [{ dtype: x.dtype, shape }];
  },
  body: {
    kind: "compute",
    define(a, [x], [out]) {
      const shape = dims(out);
      return [
        compute("y", out.dtype, shape, (...at) => element(a, x!, at), axisNames(shape.length)),
      ];
    },
  },
  quantized: padIntegers,
};

export const ops = [pad] as OpDef<unknown>[];
