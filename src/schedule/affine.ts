/**
 * Functions of two bytes, such as the sum of two quantised tensors, as sums of integer products:
 * only where every pair of bytes is proved to give the same result.
 */
import { intRange, isInt } from "../util/dtype.ts";
import {
  add,
  type Call,
  call,
  children,
  type Expr,
  imm,
  type Interval,
  mul,
  transform,
  type Var,
  variable,
  visit,
} from "../te/expr.ts";

import { valueRange } from "../te/analyze.ts";
import { compileJs, JsPrinter } from "../te/js.ts";
import { keyOf } from "../te/linear.ts";
import { REQUANTIZE, ROUND_CLAMP, SHIFT_CLAMP } from "../te/rounding.ts";
import { refuse, replaceStage, type Stage, stageOf, type State } from "./state.ts";

/**
 *     y = round_clamp((float32(a)·s + float32(b)·t) / u, zero, lo, hi)
 *   →
 *     y = clamp((a·m + b·n + c) >> shift, lo, hi)
 */
export interface AffineStep {
  readonly do: "affine";
  /** An element-wise stage with one such rounding. */
  readonly stage: string;
  /** m and n. */
  readonly multipliers: readonly [number, number];
  /** c */
  readonly offset: number;
  readonly shift: number;
}

/** Values of an operand at most. */
const BYTE = 256;

/** How far multipliers may be from the nearest ones: what rounding in floats moves. */
const REACH = 6;

/** An operand of the function: integers of a small range that become floats. */
interface Operand {
  readonly e: Expr;
  readonly v: Var;
  readonly range: Interval;
}

type Affine = Pick<AffineStep, "multipliers" | "offset" | "shift">;

/** The operands of a rounding; null where they are not two of bytes. */
function operandsOf(call: Call): readonly [Operand, Operand] | null {
  const found = new Map<string, Operand>();
  let fits = true;
  const walk = (e: Expr): void => {
    if (e.k === "cast" && e.dtype === "float32" && isInt(e.a.dtype)) {
      const range = e.a.dtype === "int32" ? valueRange(e.a) : null;
      if (!range || range[1] - range[0] >= BYTE) return void (fits = false);
      const key = keyOf(e.a);
      if (!found.has(key)) {
        found.set(key, { e: e.a, v: variable(`v${found.size}`, "int32", range), range });
      }
      return;
    }
    if (e.k === "load" || e.k === "var" || e.k === "call") fits = false;
    children(e).forEach(walk);
  };
  walk(call.args[0]);
  const all = [...found.values()];
  return fits && all.length === 2 ? [all[0], all[1]] : null;
}

/** Results for all pairs, the second operand innermost, and the float that is rounded. */
function resultsOf(call: Call, operands: readonly [Operand, Operand]) {
  const [a, b] = operands;
  const sizes = operands.map(({ range: [lo, hi] }) => hi - lo + 1);
  const plain = (e: Expr): Expr =>
    transform(e, (x) => {
      const own = operands.find((o) => keyOf(o.e) === keyOf(x));
      return own?.v;
    });
  const js = new JsPrinter(() => {
    throw new TypeError("operands are replaced");
  });
  const [u, v] = [js.name(a.v), js.name(b.v)];
  const result = js.print(plain(call)), float = js.print(plain(call.args[0]));
  const results = new Int32Array(sizes[0] * sizes[1]), floats = new Float64Array(results.length);
  compileJs(
    js,
    ["y", "x"],
    `let i=0;for(let ${u}=${a.range[0]};${u}<=${a.range[1]};${u}++)` +
      `for(let ${v}=${b.range[0]};${v}<=${b.range[1]};${v}++){y[i]=${result};x[i++]=${float};}`,
  )(results, floats);
  return { results, floats, sizes };
}

/** Integers that give all results; null where none are found. */
function affineOf(call: Call, operands: readonly [Operand, Operand]): Affine | null {
  const [zero, lo, hi] = call.args.slice(1).map((e) => e.k === "imm" ? Number(e.value) : NaN);
  if (![zero, lo, hi].every(Number.isInteger)) return null;
  const { results, floats, sizes: [n, m] } = resultsOf(call, operands);
  const [a, b] = operands.map((o) => o.range[0]);
  const last = results.length - 1;
  if (n < 2 || m < 2) return null;
  const slopes = [
    (floats[last] - floats[m - 1]) / (n - 1),
    (floats[last] - floats[last - m + 1]) / (m - 1),
  ];
  const start = floats[0] - slopes[0] * a - slopes[1] * b;
  // No sum passes int32, in whatever order it is made.
  const most = Math.abs(start) + Math.abs(zero) + 1 +
    operands.reduce(
      (s, { range: [l, h] }, i) => s + Math.abs(slopes[i]) * Math.max(-l, h, h - l),
      0,
    );
  const shift = Math.min(24, Math.floor(Math.log2(2 ** 31 / (1.01 * most))));
  if (!(shift >= 8)) return null;
  const unit = 2 ** shift;
  const offsetFor = (p: number, q: number): number | null => {
    let least = -Infinity, greatest = Infinity;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < m; j++) {
        const y = results[i * m + j], v = (a + i) * p + (b + j) * q;
        if (y > lo) least = Math.max(least, y * unit - v);
        if (y < hi) greatest = Math.min(greatest, (y + 1) * unit - 1 - v);
      }
      if (least > greatest) return null;
    }
    if (!Number.isFinite(least) || !Number.isFinite(greatest)) return null;
    return Math.floor((least + greatest) / 2);
  };
  const near = [...Array(2 * REACH + 1).keys()].map((i) => i - REACH)
    .sort((x, y) => Math.abs(x) - Math.abs(y));
  for (const dp of near) {
    for (const dq of near) {
      const p = Math.round(slopes[0] * unit) + dp, q = Math.round(slopes[1] * unit) + dq;
      const offset = offsetFor(p, q);
      if (offset === null) continue;
      const found: Affine = { multipliers: [p, q], offset, shift };
      return fitsInt32(found, operands) ? found : null;
    }
  }
  return null;
}

/** Whether no part of the sum passes int32, in whatever order it is made. */
function fitsInt32(
  { multipliers, offset }: Affine,
  operands: readonly [Operand, Operand],
): boolean {
  const [x, y] = operands.map(({ range }, i) => range.map((v) => v * multipliers[i]));
  const sums = x.flatMap((u) => y.flatMap((v) => [u, v, u + v, u + offset, v + offset]));
  const whole = x.flatMap((u) => y.map((v) => u + v + offset));
  const { min, max } = intRange("int32");
  return [...sums, ...whole, offset].every((v) => v >= min && v <= max);
}

/** Whether all pairs give the same result. */
function isEqual(call: Call, operands: readonly [Operand, Operand], f: Affine): boolean {
  const { results } = resultsOf(call, operands);
  const [lo, hi] = call.args.slice(2).map((e) => Number((e as { value: number }).value));
  const [[a, aLast], [b, bLast]] = operands.map((o) => o.range);
  const [p, q] = f.multipliers, unit = 2 ** f.shift;
  let i = 0;
  for (let u = a; u <= aLast; u++) {
    for (let v = b; v <= bLast; v++) {
      const y = Math.floor((u * p + v * q + f.offset) / unit);
      if (results[i++] !== Math.min(hi, Math.max(lo, y))) return false;
    }
  }
  return fitsInt32(f, operands);
}

/** An operand without what is subtracted from it. */
function bare({ e, range: [lo, hi] }: Operand): { e: Expr; zero: number; range: Interval } {
  const zero = e.k === "bin" && e.op === "sub" && e.b.k === "imm" ? Number(e.b.value) : 0;
  const x = e.k === "bin" && zero !== 0 ? e.a : e;
  // What is requantised into a byte stays as it is when it becomes one.
  const byte = x.k === "cast" && x.a.k === "cast" ? x.a : null;
  const inner = byte?.a.k === "call" && byte.a.fn === REQUANTIZE ? byte.a : null;
  const bounds = inner?.args.slice(-2).map((b) => b.k === "imm" ? Number(b.value) : NaN);
  const own = byte && isInt(byte.dtype) ? intRange(byte.dtype) : null;
  const same = bounds && own && bounds[0] >= own.min && bounds[1] <= own.max;
  return { e: inner && same ? inner : x, zero, range: [lo + zero, hi + zero] };
}

/** The factors of the sum and what is added, zero points in the latter where int32 holds the parts. */
function centred(operands: readonly [Operand, Operand], f: Affine) {
  const bares = operands.map(bare), [p, q] = f.multipliers;
  const offset = f.offset - bares[0].zero * p - bares[1].zero * q;
  const moved = [
    { ...operands[0], range: bares[0].range },
    { ...operands[1], range: bares[1].range },
  ] as const;
  const fits = fitsInt32({ ...f, offset }, moved);
  return {
    offset: fits ? offset : f.offset,
    terms: operands.map((o, i) => [fits ? bares[i].e : o.e, f.multipliers[i]] as const),
  };
}

/** The rounding of a definition, where it has one of two bytes. */
function roundingOf(body: Expr): { call: Call; operands: readonly [Operand, Operand] } | null {
  const calls: Call[] = [];
  visit(body, (e) => void (e.k === "call" && e.fn === ROUND_CLAMP && calls.push(e)));
  const operands = calls.length === 1 ? operandsOf(calls[0]) : null;
  return operands && { call: calls[0], operands };
}

/** The step that computes an element-wise stage in integers; null where none is found. */
export function affineStep({ name, compute: { body } }: Stage): AffineStep | null {
  const rounding = body.k === "reduce" ? null : roundingOf(body);
  const found = rounding && affineOf(rounding.call, rounding.operands);
  return found && { do: "affine", stage: name, ...found };
}

export function affine(s: State, step: AffineStep): State {
  const st = stageOf(s, step.stage), { body } = st.compute;
  const rounding = body.k === "reduce" ? null : roundingOf(body);
  if (!rounding || !isEqual(rounding.call, rounding.operands, step)) {
    refuse(
      `compute ${step.stage} in integers`,
      "it has no rounding of two bytes that these give for all of them",
      "keep its floats",
    );
  }
  const { operands } = rounding, [, , lo, hi] = rounding.call.args;
  const { terms, offset } = centred(operands, step);
  const sum = terms.reduce<Expr>((e, [x, by]) => add(e, mul(x, by)), imm(offset));
  const value = call(SHIFT_CLAMP, sum, imm(step.shift), lo, hi);
  const by = transform(body, (e) => e === rounding.call ? value : undefined);
  return replaceStage(s, st.name, { ...st, compute: { ...st.compute, body: by } });
}
