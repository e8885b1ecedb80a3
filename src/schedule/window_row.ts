/**
 * One row of outputs of windows within each channel as one call that reads the bytes of its operand
 * where they lie, row by row; a row outside of the operand is one of zero points.
 */
import { numbers, tensor } from "../util/tensor.ts";
import { and, eq, type Expr, ge, imm, type Load, lt, substitute, type Var } from "../te/expr.ts";
import { loads, variables } from "../te/analyze.ts";
import { coefficient, linear, simplify } from "../te/linear.ts";
import { REQUANTIZE, WORD_SHIFT } from "../te/rounding.ts";
import { fixedPoint } from "../util/fixed_point.ts";
import { saturationOf } from "../tir/scalar_c.ts";
import type { Access, Buffer, Intrin, Kernel, Stmt } from "../tir/stmt.ts";
import { evaluate } from "../tir/trips.ts";
import {
  BLOCK_CHANNELS,
  casesOf,
  columnOf,
  fitsWindowRow,
  type WindowRow,
  windowRow,
  wordsOf,
} from "../tir/window_row.ts";
import { constantMatrix, ownStarts, productOf, rawShift } from "./product.ts";
import { refuse, type Stage, stageOf, type State, type Workload } from "./state.ts";

/**
 *     acc[n, c, oh, ow] = b[c] + Σ kh, kw where inside: (x[n, c, v·s + kh, …] − zero)·w[c, kh, kw]
 *     y = requantize(acc)
 *   →
 *     y[n, 0 .., oh, 0 ..] = row(x[row 0 ..], x[row 1 ..], …)        one oh, all c and ow
 */
export interface WindowRowStep {
  readonly do: "windowRow";
  /** The reduction; the output alone follows it. */
  readonly stage: string;
}

/** Blocks of rows whose windows meet the same rows of the operand. */
interface Run {
  readonly to: number;
  /** By row of the window: whether the operand has it. */
  readonly inside: readonly boolean[];
}

/** What a row of windows is made of. */
export interface RowParts {
  readonly form: WindowRow;
  readonly words: readonly number[];
  /** The element of each row of the window at column and channel 0, and the axis of the channels. */
  readonly rows: readonly (readonly Expr[])[];
  readonly operand: Buffer;
  readonly channel: number;
  readonly output: Buffer;
  readonly zero: number;
  /** Number of the block of rows, and its runs; null: there is one row at all. */
  readonly block: Var | null;
  readonly runs: readonly Run[];
}

const bitsOf = (x: number): number => new Int32Array(Float32Array.of(x).buffer)[0];

/** The parts; a text says why there are none. */
export function rowParts(w: Workload, s: State, r: Stage): RowParts | string {
  const out = s.stages.at(-1)!, { axes } = r.compute;
  const f = productOf(s, r);
  if (typeof f === "string") return f;
  const { body } = out.compute;
  if (s.stages.length !== 2 || body.k !== "cast" || body.a.k !== "call") return "it does more";
  const [acc, scale, ...rest] = body.a.args;
  const y = body.dtype, [zero, lo, hi] = rest.map((e) => e.k === "imm" ? Number(e.value) : NaN);
  const requantised = body.a.fn === REQUANTIZE && (y === "int8" || y === "uint8") &&
    acc.k === "load" && acc.src === r.compute.out && !Number.isNaN(zero + lo + hi) &&
    saturationOf(lo, hi) !== null;
  if (!requantised) return "it is not requantised to saturated bytes";
  const [source, ...others] = loads(f.activation);
  const operand = source && w.buffers.get(source.src), output = w.buffers.get(out.compute.out);
  const shift = rawShift(f);
  if (!operand || !output || others.length > 0 || shift === null) return "it reads no bytes";
  const x = source.dtype;
  if (x !== "int8" && x !== "uint8") return "it reads no bytes";
  const wide = axes.filter((_, i) => r.compute.out.shape[i] > 1);
  const c = wide.find((v) => variables(f.weights).has(v)), ow = wide.find((v) => v !== c);
  if (!c || !ow || wide.length !== 2) return "its output is no row";
  const dimOf = (v: Var) => source.idx.flatMap((e, d) => variables(e).has(v) ? [d] : []);
  const taps = f.reduce.axes.filter((a) => a.extent > 1);
  const [col] = dimOf(ow), [channel] = dimOf(c);
  const kw = taps.find((t) => dimOf(t.v).includes(col)), kh = taps.find((t) => t !== kw);
  const single = [ow, c, ...taps.map((t) => t.v)].every((v) => dimOf(v).length === 1);
  if (!single || !kw || taps.length > 2 || taps.at(-1) !== kw || col === channel) {
    return "its windows are no planes";
  }
  if (source.idx[channel] !== c || (kh && dimOf(kh.v)[0] === col)) {
    return "its windows move channels";
  }
  const axis = (v: Var) => axes.indexOf(v);
  const outIdx = out.compute.axes;
  const to = (acc as Load).idx.map((e) => outIdx.findIndex((v) => v === e));
  if (to.some((d, i) => r.compute.out.shape[i] > 1 && d < 0)) return "its output is another row";
  const step = output.strides[to[axis(ow)]];
  const fixedAxes = new Map<Var, Expr>(
    [
      ...axes.filter((v) => v !== c && v !== ow),
      ...f.reduce.axes.filter((a) => a.extent === 1)
        .map((a) => a.v),
    ].map((v) => [v, imm(0)]),
  );
  const at = (e: Expr, more: readonly (readonly [Var, number])[]): Expr =>
    simplify(
      substitute(e, new Map([...fixedAxes, ...more.map(([v, n]) => [v, imm(n)] as const)])),
    );
  const across = linear(at(source.idx[col], []));
  const [stride, dilation] = [coefficient(across, ow), coefficient(across, kw.v)];
  if (stride === null || dilation === null || stride < 1 || dilation < 1) {
    return "it moves otherwise";
  }
  if ([...variables(at(source.idx[col], []))].some((v) => v !== ow && v !== kw.v)) {
    return "its columns depend on the row";
  }
  const channels = r.compute.out.shape[axis(c)], outputs = r.compute.out.shape[axis(ow)];
  const unit = operand.strides[channel] === 1 && output.strides[to[axis(c)]] === 1;
  if (!unit || channels % BLOCK_CHANNELS !== 0) return "its channels do not lie in fours";
  const rowCount = kh?.extent ?? 1;
  const first = across.constant;
  const widthOf = operand.shape[col];
  const form: WindowRow = {
    x,
    y,
    taps: [rowCount, kw.extent],
    stride,
    dilation,
    first,
    width: widthOf,
    outputs,
    steps: [operand.strides[col], step],
    blocks: channels / BLOCK_CHANNELS,
    zero,
    limits: [lo, hi],
    fixed: 1,
  };
  if (form.steps[0] < 1 || form.steps[1] < 1 || !fitsWindowRow(form)) return "it is too large";
  const rows = Array.from(
    { length: rowCount },
    (_, i) =>
      source.idx.map((e, d) => d === channel || d === col ? imm(0) : at(e, kh ? [[kh.v, i]] : [])),
  );
  const free = new Set(rows.flatMap((idx) => idx.flatMap((e) => [...variables(e)])));
  if (free.size > 1) return "its rows depend on more than their number";
  const block = [...free].at(0) ?? null;
  const runs = runsOf(f.reduce.where, block, (i, j, k) => [
    ...(kh ? [[kh.v, i] as const] : []),
    [ow, j] as const,
    [kw.v, k] as const,
    ...[...fixedAxes.keys()].map((v) => [v, 0] as const),
  ], form);
  if (typeof runs === "string") return runs;
  const words = streamOf(s, r, f, scale, shift, form);
  if (typeof words === "string") return words;
  const fixed = Array.from(
    { length: form.blocks },
    (_, g) => words[g * wordsOf(form).all + wordsOf(form).scales] < 0 ? 1 : 0 as number,
  ).reduce((a, b) => a + b, 0) / form.blocks;
  return {
    form: { ...form, fixed },
    words,
    rows,
    operand,
    channel,
    output,
    zero: -shift === 0 ? 0 : -shift,
    block,
    runs,
  };
}

/** Which rows of the window each block has; a text where columns and rows do not go apart. */
function runsOf(
  where: readonly Expr[],
  block: Var | null,
  bind: (i: number, j: number, k: number) => (readonly [Var, number])[],
  form: WindowRow,
): Run[] | string {
  const range = block ? block.range : [0, 0] as const;
  if (!range || range[0] !== 0) return "nobody knows how many rows there are";
  const [rows, cols] = form.taps;
  const holds = (v: number, i: number, j: number, k: number): boolean | null => {
    const env = new Map<Var, number>(bind(i, j, k));
    if (block) env.set(block, v);
    let all = true;
    for (const e of where) {
      const value = evaluate(e, env);
      if (value === null) return null;
      all &&= value !== 0;
    }
    return all;
  };
  const runs: Run[] = [];
  for (let v = 0; v <= range[1]; v++) {
    const inside: boolean[] = [];
    for (let i = 0; i < rows; i++) {
      let some = false, every = true;
      for (let j = 0; j < form.outputs; j++) {
        for (let k = 0; k < cols; k++) {
          const at = columnOf(form, j, k), is = holds(v, i, j, k);
          if (is === null) return "its borders depend on data";
          const column = at >= 0 && at < form.width;
          some ||= is;
          if (is !== column) every = false;
        }
      }
      if (some && !every) return "its borders are others";
      inside.push(some);
    }
    const last = runs.at(-1);
    if (last && last.inside.join() === inside.join()) {
      runs[runs.length - 1] = { ...last, to: v + 1 };
    } else runs.push({ to: v + 1, inside });
  }
  return runs;
}

/** The constants of all blocks of channels. */
function streamOf(
  s: State,
  r: Stage,
  f: Exclude<ReturnType<typeof productOf>, string>,
  scale: Expr,
  shift: number,
  form: WindowRow,
): number[] | string {
  const starts = ownStarts(s, r, f);
  if (!starts) return "its sums do not start at constants";
  const matrix = constantMatrix(s, r, f), [rows, cols] = form.taps, length = rows * cols;
  if (matrix.length !== length * starts.length) return "its weights are no window";
  const scales = scaleValues(s, scale, starts.length);
  if (!scales) return "its scales are no constants of channels";
  const { lists } = casesOf(form), words: number[] = [];
  const [lo, hi] = form.limits, { zero } = form;
  for (let g = 0; g < form.blocks; g++) {
    const channels = Array.from({ length: BLOCK_CHANNELS }, (_, i) => BLOCK_CHANNELS * g + i);
    const weight = (ch: number, i: number, k: number) => matrix[ch * length + i * cols + k];
    for (const taps of lists) {
      for (const ch of channels) {
        let start = starts[ch];
        for (let i = 0; i < rows; i++) {
          for (const k of taps) start += shift * weight(ch, i, k);
        }
        words.push(start | 0);
      }
    }
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < cols; k++) {
        for (const half of [0, 1]) {
          const [a, b] = [half, half + 2].map((n) => weight(channels[n], i, k));
          if (Math.max(a, b) > 32767 || Math.min(a, b) < -32768) return "a weight is too large";
          words.push((a & 0xffff) | (b << 16));
        }
      }
    }
    const fixed = channels.map((ch) =>
      fixedPoint({ scale: Math.fround(scales[ch]), zero, lo, hi }, WORD_SHIFT)
    );
    const all = fixed.every((x) => x !== null);
    channels.forEach((ch, i) =>
      words.push(all ? -fixed[i]!.multiplier : bitsOf(Math.fround(scales[ch])))
    );
  }
  return words;
}

/** The scale of each channel; null where it is no constant of theirs. */
function scaleValues(s: State, scale: Expr, count: number): readonly number[] | null {
  if (scale.k === "imm") return new Array<number>(count).fill(Number(scale.value));
  if (scale.k !== "load") return null;
  const data = s.consts.get(scale.src);
  if (!data || data.data.length !== count) return null;
  const values = Array.from(numbers(data));
  return values.every((v) => v > 0) ? values : null;
}

export function windowRowStep(s: State, step: WindowRowStep): State {
  const r = stageOf(s, step.stage);
  if (s.stages.indexOf(r) !== 0 || s.stages.length !== 2) {
    refuse(
      `compute rows of ${step.stage}`,
      "it is no reduction before an output",
      "inline the rest",
    );
  }
  return { ...s, windowRow: step.stage };
}

/** The kernel of a state with rows of windows. */
export function lowerWindowRow(w: Workload, s: State): Kernel {
  const p = rowParts(w, s, stageOf(s, s.windowRow!));
  if (typeof p === "string") {
    refuse(`compute rows of ${s.windowRow}`, p, "schedule its loops as they are");
  }
  const { form, words, operand, output, channel, block, runs, zero } = p;
  const param = (name: string, dtype: Buffer["dtype"], values: readonly number[]): Buffer => ({
    name,
    dtype,
    shape: [values.length],
    strides: [1],
    offset: 0,
    scope: "param",
    length: values.length,
    align: 4,
    data: tensor(dtype, [values.length], values),
  });
  const stream = param(`${s.windowRow}_stream_w`, "int32", words);
  const size = (form.width - 1) * form.steps[0] + BLOCK_CHANNELS * form.blocks;
  const needsEdge = runs.some((x) => x.inside.includes(false));
  const edge = param(`${s.windowRow}_edge`, form.x, new Array<number>(size).fill(zero));
  const op = windowRow(form);
  const call = ({ inside }: Run): Intrin => ({
    k: "intrin",
    op,
    args: [
      { buf: output, idx: output.shape.map(() => imm(0)), axis: output.strides.indexOf(1) },
      ...p.rows.map((idx, i): Access =>
        inside[i] ? { buf: operand, idx, axis: channel } : { buf: edge, idx: [imm(0)], axis: 0 }
      ),
      { buf: stream, idx: [imm(0)], axis: 0 },
    ],
    scalars: [],
  });
  const body = runs.toReversed().reduce<Stmt | null>((rest, run, n): Stmt => {
    const here = call(run);
    if (rest === null) return here;
    const from = runs.at(-2 - n)?.to ?? 0;
    const cond = run.to - from === 1 ? eq(block!, from) : and(ge(block!, from), lt(block!, run.to));
    return { k: "if", cond, then: here, else: rest };
  }, null)!;
  return {
    name: w.name,
    buffers: [...w.buffers.values()],
    params: [stream, ...(needsEdge ? [edge] : [])],
    body,
    origin: w.origin,
    ops: w.ops,
    macs: w.macs,
  };
}
