/**
 * A sum of products of an activation and a constant, rewritten as rows × columns: what convolution
 * (im2row), dense layers and matrix products by constants have in common.
 */
import { intRange } from "../util/dtype.ts";
import { rowMajor, sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { compute, placeholder, sum } from "../te/compute.ts";
import {
  add,
  and,
  cast,
  type Expr,
  floordiv,
  floormod,
  imm,
  type Indexable,
  load,
  lt,
  mul,
  rewrite,
  select,
  sub,
  substitute,
  type Var,
  variable,
} from "../te/expr.ts";
import { valueRange, variables } from "../te/analyze.ts";
import { simplify } from "../te/linear.ts";
import { BLOCK_COLS, encodeOdd, ODD_LIMIT } from "../tir/dot_block.ts";
import { GROUP, placeOf } from "../tir/tile.ts";
import {
  byteShift,
  columnStarts,
  constantMatrix,
  moved,
  ownStarts,
  type Product,
  productOf,
} from "./product.ts";
import { plainStage, refuse, type Rows, type Stage, stageOf, type State } from "./state.ts";

/**
 *     acc[n, co, oh, ow] = b + Σ kh, kw, ci where inside: x[…]·w[co, …]
 *   →
 *     rows[row, kh, kw, ci] = inside ? x[…] : 0                (int16)
 *     acc[row, col] = b + Σ k: rows[row, k]·packed[col ÷ block, k ÷ group, col mod block, k mod group]
 *
 * Rows run over the axes that the activation depends on, columns over those of the constant, k over
 * the reduction, filled up with zeros to a multiple of four. Inside a group the constants lie in
 * the order that the intrinsic declares.
 */
export interface GemmStep {
  readonly do: "gemm";
  readonly stage: string;
  readonly block: number;
  readonly group: number;
  /**
   * Order of the constants inside a group; `paired`: as `dot_block` wants them; `columns`: one whole
   * column after another; `tiles`: as tir/tile.ts wants them, in pairs of columns where they are
   * bytes.
   */
  readonly order: readonly number[] | "paired" | "columns" | "tiles";
  readonly dtype: "int8" | "int16";
  /**
   * Type of the rows, default int16. Rows of int8 hold the activation less a constant that brings it
   * into that range; what that takes from the sums is added to their start.
   */
  readonly rows?: "int8" | "int16";
  /** With the order `tiles`: how many rows are interleaved. */
  readonly tile?: number;
  /**
   * With the order `tiles`: elements of k that lie in a run in memory. The whole fours of all runs
   * come first, what is left of them behind.
   */
  readonly run?: number;
  /**
   * With a `run`: what is left of each run fills the end of a four of its own, which begins with
   * elements that have been there before, as it always does where there is a single run.
   */
  readonly filled?: boolean;
}

/** A packed constant remembers its order, so that only an intrinsic that expects it reads it. */
export interface PackedTensor extends Indexable {
  readonly order: GemmStep["order"] | "pairs" | "stream" | "lanes" | "patches" | undefined;
}

interface Factors extends Product {
  readonly rowAxes: readonly number[];
  readonly colAxes: readonly number[];
}

/** Rows are filled up to a multiple of this: eight bytes, two words of two. */
const ROW_UNIT = 4;

/** Takes the definition apart; a text says why it is not a product of rows and columns. */
export function factors(s: State, st: Stage): Factors | string {
  const p = productOf(s, st);
  if (typeof p === "string") return p;
  const { axes } = st.compute;
  const inRows = variables(p.activation, ...p.reduce.where), inCols = variables(p.weights);
  if (axes.some((v) => inRows.has(v) && inCols.has(v))) return "an axis is in both factors";
  const rowAxes = axes.flatMap((v, i) => inCols.has(v) ? [] : [i]);
  const colAxes = axes.flatMap((v, i) => inCols.has(v) ? [i] : []);
  return { ...p, rowAxes, colAxes };
}

/** How the runs of a row of `length` are laid out; null where k stays in its order. */
function runsOf(length: number, { run = length, filled = run === length }: GemmStep) {
  const left = run % GROUP, whole = run - left, times = length / run;
  return left === 0 || run < GROUP ? null : { run, left, whole, times, filled };
}

type Runs = NonNullable<ReturnType<typeof runsOf>>;

/** Elements of a row of `length`, those that stand twice included. */
const laidOut = (length: number, runs: Runs | null): number =>
  runs?.filled ? runs.times * (runs.whole + GROUP) : length;

/** Where element k of a row goes: the whole fours of the runs, then what is left of them. */
function inRuns(k: Expr, runs: Runs | null): Expr {
  if (!runs) return k;
  const { run, left, whole, times, filled } = runs;
  if (times === 1) return add(k, mul(floordiv(k, whole), GROUP - left));
  const r = floormod(k, run), o = floordiv(k, run);
  const behind = add(add(mul(o, filled ? GROUP : left), r), whole * times - whole);
  return select(
    lt(r, whole),
    add(mul(o, whole), r),
    filled ? add(behind, GROUP - left) : behind,
  );
}

/** Where element j of run o goes, counted with those that it repeats. */
const inFilled = (o: Expr, j: Expr, { whole, times }: Runs): Expr =>
  times === 1 ? j : select(
    lt(j, whole),
    add(mul(o, whole), j),
    add(add(mul(o, GROUP), j), whole * times - whole),
  );

/** Row-major position of coordinates. */
const flatten = (idx: readonly Expr[], extents: readonly number[]): Expr =>
  idx.reduce<Expr>((e, x, i) => add(mul(e, extents[i]), x), imm(0));

/** Coordinates of a row-major position. */
function unflatten(position: Expr, extents: readonly number[]): Expr[] {
  let stride = sizeOf(extents);
  return extents.map((n, i) => {
    stride /= n;
    const q = floordiv(position, stride);
    return i === 0 ? q : floormod(q, n);
  });
}

/** How many axes stand outside of a run of the last ones; −1 where no whole axes make it. */
const outerAxes = (extents: readonly number[], run: number): number =>
  extents.findIndex((_, d) => sizeOf(extents.slice(d)) === run);

export function gemm(s: State, step: GemmStep): State {
  const st = stageOf(s, step.stage);
  const f = factors(s, st);
  if (typeof f === "string") refuse(`gemm ${step.stage}`, f, "schedule its loops as they are");
  const { axes, out } = st.compute;
  const r = f.reduce;
  const extent = (i: number): number => out.shape[i];
  const rowExtents = f.rowAxes.map(extent), colExtents = f.colAxes.map(extent);
  const kExtents = r.axes.map((a) => a.extent);
  const rows = sizeOf(rowExtents), cols = sizeOf(colExtents), length = sizeOf(kExtents);
  const type = step.rows ?? "int16";
  const tiled = step.order === "tiles", runs = tiled ? runsOf(length, step) : null;
  const pitch = step.order === "columns"
    ? length
    : Math.ceil(laidOut(length, runs) / ROW_UNIT) * ROW_UNIT;
  const shift = type === "int8" ? byteShift(f) : 0;
  if (shift === null) {
    refuse(`gemm ${step.stage}`, "the activation exceeds a byte", "keep rows of int16");
  }
  const coordinates = (row: Expr, col: Expr): Map<Var, Expr> =>
    new Map([
      ...unflatten(row, rowExtents).map((e, i) => [axes[f.rowAxes[i]], e] as const),
      ...unflatten(col, colExtents).map((e, i) => [axes[f.colAxes[i]], e] as const),
    ]);

  // A single run is copied with the elements that its last four repeats.
  // What is left of a run is copied with the elements that its last four repeats.
  const repeated = runs?.filled ? runs : null;
  const outer = repeated ? outerAxes(kExtents, repeated.run) : kExtents.length;
  const inner = kExtents.slice(outer);
  if (outer < 0) {
    refuse(`gemm ${step.stage}`, "its runs are no whole axes", "leave them as they are");
  }
  const repeats = (k: Expr, { whole, left }: Runs): Expr =>
    sub(k, mul(floordiv(k, whole), GROUP - left));
  const staged = compute(
    `${st.name}_rows`,
    type,
    repeated ? [rows, ...kExtents.slice(0, outer), repeated.whole + GROUP] : [rows, ...kExtents],
    (row, ...axes) => {
      const ks = repeated
        ? [...axes.slice(0, outer), ...unflatten(repeats(axes[outer], repeated), inner)]
        : axes;
      const at = new Map([
        ...coordinates(row, imm(0)),
        ...r.axes.map((a, i) => [a.v, ks[i]] as const),
      ]);
      return select(
        and(...r.where.map((w) => substitute(w, at))),
        moved(substitute(f.activation, at), shift, type),
        imm(-shift, type),
      );
    },
    ["row", ...r.axes.slice(0, outer).map((a) => a.v.name), ...(repeated ? ["k"] : [])],
  );
  if (tiled && step.dtype === "int8" && !canTile(s, st)) {
    refuse(`gemm ${step.stage}`, "its columns cannot be paired", "pack as int16");
  }
  const flat = placeholder(
    staged.out.name,
    type,
    tiled ? [rows, pitch / GROUP, 2, 2] : [rows, pitch],
  );
  const matrix = constantMatrix(s, st, f);
  const [packed, data] = packColumns(`${st.name}_w`, matrix, [cols, length, pitch], step);
  const sums = shift === 0 ? null : columnStarts(`${st.name}_start`, s, st, f, shift);

  const k = { v: variable("k", "int32", [0, pitch - 1]), extent: pitch };
  const product = compute(st.name, "int32", [rows, cols], (row, col) =>
    sum(
      [k],
      mul(
        cast("int32", load(flat, [row, ...(tiled ? placeOf(k.v) : [k.v])])),
        cast("int32", load(packed, packedIndex(col, k.v, step))),
      ),
      { init: sums ? load(sums[0], [col]) : substitute(r.init, coordinates(row, col)) },
    ), ["row", "col"]);

  const tilesOf = (): Rows["tiles"] => {
    if (!tiled) return null;
    const [row, ...ks] = staged.axes;
    const place = repeated
      ? inFilled(flatten(ks.slice(0, outer), kExtents), ks[outer], repeated)
      : inRuns(flatten(ks, kExtents), runs);
    return { rows: step.tile ?? 1, at: [row, ...placeOf(place)] };
  };
  const reader = (e: Expr): Expr | undefined =>
    e.k === "load" && e.src === out
      ? load(product.out, [
        flatten(f.rowAxes.map((i) => e.idx[i]), rowExtents),
        flatten(f.colAxes.map((i) => e.idx[i]), colExtents),
      ])
      : undefined;
  return {
    consts: new Map([...s.consts, [packed, data], ...(sums ? [sums] : [])]),
    stages: s.stages.flatMap((x) =>
      x === st
        ? [
          { ...plainStage(staged), rows: { flat, pitch, length, tiles: tilesOf() } },
          plainStage(product),
        ]
        : [{ ...x, compute: { ...x.compute, body: rewrite(x.compute.body, reader) } }]
    ),
  };
}

function packedIndex(col: Expr, k: Expr, { block, group, order, dtype }: GemmStep): Expr[] {
  if (order === "tiles") {
    const [g, half, word] = placeOf(k), c = floormod(col, block);
    const inner = dtype === "int16"
      ? [c, half]
      : [floordiv(c, BLOCK_COLS), half, floormod(c, BLOCK_COLS)];
    return [floordiv(col, block), g, word, ...inner];
  }
  const outer = [floordiv(col, block), floordiv(k, group)];
  const c = floormod(col, block), i = floormod(k, group);
  if (order !== "paired") return [...outer, c, i];
  const pair = block > BLOCK_COLS ? [floordiv(c, BLOCK_COLS)] : [];
  return [...outer, ...pair, i, floormod(c, BLOCK_COLS)];
}

const placeInGroup = (order: GemmStep["order"], i: number): number =>
  typeof order === "string" ? i : order.indexOf(i);

/**
 * [cols ÷ block, pitch ÷ group, block, group]; in pairs [cols ÷ block, pitch ÷ group, block ÷ 2, group, 2],
 * without the middle axis for a single pair. Filled up with zeros.
 */
function packColumns(
  name: string,
  matrix: Int32Array,
  [cols, length, pitch]: readonly [number, number, number],
  step: GemmStep,
): [PackedTensor, TensorData] {
  const { block, group, order, dtype } = step;
  if (order === "tiles") return packTiles(name, matrix, [cols, length, pitch], step);
  const paired = order === "paired";
  const pairs = block > BLOCK_COLS ? [block / BLOCK_COLS] : [];
  const inner = paired ? [...pairs, group, BLOCK_COLS] : [block, group];
  const shape = [Math.ceil(cols / block), pitch / group, ...inner];
  const values = new Int32Array(sizeOf(shape));
  for (let col = 0; col < cols; col++) {
    const c = col % block, base = Math.floor(col / block) * pitch * block;
    for (let k = 0; k < length; k++) {
      const i = k % group;
      const place = paired
        ? Math.floor(c / BLOCK_COLS) * group * BLOCK_COLS + i * BLOCK_COLS + c % BLOCK_COLS
        : c * group + placeInGroup(order, i);
      const w = matrix[col * length + k];
      values[base + Math.floor(k / group) * block * group + place] = paired && c % BLOCK_COLS === 1
        ? encodeOdd(matrix[(col - 1) * length + k], w)
        : w;
    }
  }
  const { min, max } = intRange(dtype);
  if (values.some((v) => v < min || v > max)) {
    refuse(`pack ${name} as ${dtype}`, "a constant exceeds it", "pack as int16, or unpaired");
  }
  return [{ name, dtype, shape, order }, tensor(dtype, shape, values)];
}

/** The value of an index without variables. */
const evaluateIndex = (e: Expr): number => Number((simplify(e) as { value: number }).value);

/** The constants in the order `tiles`: [blocks, groups, word, pair, half, 2], or [.., column, half]. */
function packTiles(
  name: string,
  matrix: Int32Array,
  [cols, length, pitch]: readonly [number, number, number],
  step: GemmStep,
): [PackedTensor, TensorData] {
  const { block, dtype, order } = step;
  const pairs = Math.ceil(block / BLOCK_COLS), wide = dtype === "int16";
  const shape = [
    Math.ceil(cols / block),
    pitch / GROUP,
    2,
    ...(wide ? [block, 2] : [pairs, 2, BLOCK_COLS]),
  ];
  const strides = rowMajor(shape), values = new Int32Array(sizeOf(shape));
  const runs = runsOf(length, step);
  const inner = wide
    ? (c: number) => strides[3] * c
    : (c: number) => strides[3] * Math.floor(c / BLOCK_COLS) + strides[5] * (c % BLOCK_COLS);
  const place = Array.from({ length }, (_, k) => {
    const q = evaluateIndex(inRuns(imm(k), runs));
    return strides[1] * Math.floor(q / GROUP) + strides[2] * (q % 2) +
      strides[4] * (q % GROUP >> 1);
  });
  const put = (col: number, k: number, value: number): void => {
    values[strides[0] * Math.floor(col / block) + inner(col % block) + place[k]] = value;
  };
  const odd = (col: number) => !wide && col % BLOCK_COLS === 1;
  for (let col = 0; col < cols; col++) {
    for (let k = 0; k < length; k++) {
      const w = matrix[col * length + k];
      put(col, k, odd(col) ? encodeOdd(matrix[(col - 1) * length + k], w) : w);
    }
  }
  // Beside a last column without a second one stands zero.
  for (let k = 0; odd(cols) && k < length; k++) {
    put(cols, k, encodeOdd(matrix[(cols - 1) * length + k], 0));
  }
  return [{ name, dtype, shape, order }, tensor(dtype, shape, values)];
}

/** Whether the sums of a stage, their start included, can be those of pairs of byte columns. */
export function canTile(s: State, st: Stage): boolean {
  const f = factors(s, st);
  if (typeof f === "string") return false;
  const starts = ownStarts(s, st, f);
  if (starts === null) return false;
  const cols = starts.length;
  const [lo, hi] = valueRange(f.activation)!;
  const largest = Math.max(-lo, hi);
  const m = constantMatrix(s, st, f), length = m.length / cols;
  for (let col = 0; col < cols; col++) {
    let sum = Math.abs(starts[col]);
    const odd = col % BLOCK_COLS === 1;
    for (let k = 0; k < length; k++) {
      const w = m[col * length + k];
      if (w < -128 || w > 127) return false;
      if (odd && encodeOdd(m[(col - 1) * length + k], w) < -128) return false;
      sum += Math.abs(w) * largest;
    }
    if (odd && sum >= ODD_LIMIT) return false;
  }
  return true;
}

/**
 * Whether columns can be packed in pairs: an even number of them, bytes that hold the odd ones, and
 * sums of the odd ones that stay exact.
 */
export function canPair(s: State, st: Stage): boolean {
  const f = factors(s, st);
  if (typeof f === "string") return false;
  const cols = sizeOf(f.colAxes.map((i) => st.compute.out.shape[i]));
  const [lo, hi] = valueRange(f.activation)!;
  const largest = Math.max(-lo, hi);
  if (cols % BLOCK_COLS !== 0) return false;
  const m = constantMatrix(s, st, f), length = m.length / cols;
  for (let col = 1; col < cols; col += BLOCK_COLS) {
    let sum = 0;
    for (let k = 0; k < length; k++) {
      const even = m[(col - 1) * length + k], odd = m[col * length + k];
      if (encodeOdd(even, odd) < -128 || Math.max(even, odd) > 127 || even < -128) return false;
      sum += Math.abs(odd) * largest;
    }
    if (sum >= ODD_LIMIT) return false;
  }
  return true;
}
