/** What operands such as shapes and axes can be, worked out from the types around them. */
import { dims } from "../ir/graph.ts";
import type { Candidate, OperandContext, Solve } from "../ir/opdef.ts";

const one = (values: readonly number[], same?: Candidate["same"]): Candidate[] => [{
  values,
  ...same && { same },
}];
const lengthOf = ({ type }: OperandContext): number => dims(type)[0] ?? 1;

/** The declared shape of the output; −1 and, as `zero` says, 0 may stand for a size. */
export const reshapedTo = (zero: "copies" | "is 0"): Solve => ({ ins, outs }) => {
  if (!outs[0]) return [];
  const to = dims(outs[0]), from = ins[0] ? dims(ins[0]) : [];
  return one(to, to.map((n, i) => zero === "copies" && from[i] === n ? [n, -1, 0] : [n, -1]));
};

/** The declared shape of the output as it is. */
export const outputShape: Solve = ({ outs }) => outs[0] ? one(dims(outs[0])) : [];

/** A shape that the input was broadcast to: it may be shorter, and 1 where the input is not. */
export const broadcastTo: Solve = (c) => {
  const { ins, outs } = c;
  if (!outs[0] || !ins[0]) return [];
  const to = dims(outs[0]), from = dims(ins[0]), length = lengthOf(c);
  const values = to.slice(to.length - length);
  if (values.length !== length) return [];
  return one(
    values,
    values.map((n, i) => from[from.length - length + i] === n ? [n, 1] : [n]),
  );
};

/** How often each axis is repeated. */
export const repeats: Solve = ({ ins, outs }) => {
  if (!outs[0] || !ins[0]) return [];
  const to = dims(outs[0]), from = dims(ins[0]);
  if (to.length !== from.length || from.includes(0)) return [];
  return one(to.map((n, i) => n / from[i]));
};

/** Sizes of the outputs along an axis. */
export const sizesAlong = (axis: number): Solve => ({ outs }) => {
  const sizes = outs.map((t) => t ? dims(t).at(axis) : undefined);
  return sizes.some((n) => n === undefined) ? [] : one(sizes as number[]);
};

/** Every choice of `k` of `n` things, ascending. */
function choices(n: number, k: number, from = 0): number[][] {
  if (k === 0) return [[]];
  return Array.from({ length: Math.max(0, n - from) }, (_, i) => from + i)
    .flatMap((first) => choices(n, k - 1, first + 1).map((rest) => [first, ...rest]));
}

/** More axes than any model has make too many choices. */
const MOST_AXES = 8;

/** Some axes of the input, or of the output, in any order, counted from either end. */
export const someAxes = (of: "input" | "output"): Solve => (c) => {
  const t = of === "input" ? c.ins[0] : c.outs[0];
  const rank = t?.shape.length ?? Infinity;
  if (rank > MOST_AXES) return [];
  return choices(rank, lengthOf(c)).map((values) => {
    const same = values.flatMap((a) => [a, a - rank]);
    return { values, same: values.map(() => same) };
  });
};

/** One axis of the input. */
export const anyAxis: Solve = ({ ins }) => {
  const rank = ins[0]?.shape.length ?? Infinity;
  if (rank > MOST_AXES) return [];
  return Array.from({ length: rank }, (_, a) => ({ values: [a], same: [[a, a - rank]] }));
};

/** The size of an output's axis. */
export const sizeOfOutput = (axis: number, output = 0): Solve => ({ outs }) => {
  const n = outs[output] ? dims(outs[output]!).at(axis) : undefined;
  return n === undefined ? [] : one([n]);
};

/** Sizes of the output's axes, −1 standing for none. */
export const sizesOf = (axes: readonly number[]): Solve => ({ outs }) =>
  outs[0] ? one(axes.map((a) => dims(outs[0]!).at(a) ?? -1)) : [];

/** Sizes of the output's axes from one on. */
export const sizesFrom = (axis: number): Solve => ({ outs }) =>
  outs[0] ? one(dims(outs[0]).slice(axis)) : [];

/** Every integer of a range that the types leave open. */
export const oneOfRange = (from: number, to: number): Candidate[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => ({ values: [from + i] }));

/** Every list of so many factors of a number. */
export function factorizations(n: number, count: number): number[][] {
  if (count === 0) return n === 1 ? [[]] : [];
  return Array.from({ length: n }, (_, i) => i + 1).filter((f) => n % f === 0)
    .flatMap((f) => factorizations(n / f, count - 1).map((rest) => [f, ...rest]));
}
