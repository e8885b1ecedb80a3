/**
 * A loop over blocks of columns as one call: constants, starts and scales of the blocks are put into
 * one stream in the order in which the assembly takes them (tir/stream.ts).
 */
import { tensor } from "../util/tensor.ts";
import { type Expr, imm, type Load, sub, transform, type Var } from "../te/expr.ts";
import { loads, variables } from "../te/analyze.ts";
import { coefficient, linear, simplify } from "../te/linear.ts";
import { REQUANTIZE } from "../te/rounding.ts";
import { columns } from "../tir/columns.ts";
import { columnsFit } from "../tir/columns_asm.ts";
import {
  type Access,
  addressOf,
  type Buffer,
  type Intrin,
  type Stmt,
  type Store,
} from "../tir/stmt.ts";
import {
  blockWords,
  canFix,
  canShare,
  type Columns,
  fixedPart,
  HEAD,
  headOf,
  type Result,
  streamBlock,
} from "../tir/stream.ts";
import { GROUP, type Tile, type TileIntrin } from "../tir/tile.ts";
import { evaluate } from "../tir/trips.ts";
import type { StreamBuffer } from "./codings.ts";

/** A call, and the constants that it reads. */
export interface Streamed {
  readonly call: Intrin;
  readonly stream: Buffer;
}

/** Start of a tile's sums, its product, and what is made of the sums, for each block. */
interface Parts {
  readonly v: Var | null;
  readonly blocks: number;
  readonly starts: readonly Store[];
  readonly product: Intrin;
  readonly tile: Tile;
  readonly results: readonly Store[];
}

const address = (b: Buffer, idx: readonly Expr[]): Expr => simplify(addressOf(b, idx));

/** The constant distance of two addresses; null where it varies. */
function distance(from: Expr, to: Expr): number | null {
  const d = linear(sub(to, from));
  return d.terms.size === 0 ? d.constant : null;
}

/** Takes a loop apart; null where it holds anything else. */
function partsOf(s: Stmt): Parts | null {
  const loop = s.k === "for" ? s : null;
  if (loop && (loop.lo.k !== "imm" || loop.hi.k !== "imm" || Number(loop.lo.value) !== 0)) {
    return null;
  }
  const inner = loop ? loop.body : s;
  const body = inner.k === "alloc" ? inner.body : inner;
  const items = body.k === "seq" ? body.body : [body];
  const at = items.findIndex((x) => x.k === "intrin");
  const product = items[at];
  if (product?.k !== "intrin" || !("tile" in product.op)) return null;
  const starts = items.slice(0, at), results = items.slice(at + 1);
  const stores = (xs: readonly Stmt[]): xs is Store[] => xs.every((x) => x.k === "store");
  if (!stores(starts) || !stores(results)) return null;
  // What is stored nowhere else has to be stored by the call.
  if ((results.length === 0) === (inner.k === "alloc")) return null;
  return {
    v: loop ? loop.v : null,
    blocks: loop ? Number((loop.hi as { value: number }).value) : 1,
    starts,
    product,
    tile: (product.op as TileIntrin).tile,
    results,
  };
}

/** Stores of a tile by row and column: elements of a memory, `steps` apart. */
function arranged(
  stores: readonly Store[],
  { rows, cols }: Tile,
  position: (s: Store) => [row: number, col: number] | null,
): Store[][] | null {
  if (stores.length !== rows * cols) return null;
  const found: Store[][] = Array.from({ length: rows }, () => []);
  for (const s of stores) {
    const at = position(s);
    if (at === null || found[at[0]]?.[at[1]] !== undefined) return null;
    if (at[0] >= rows || at[1] >= cols) return null;
    found[at[0]][at[1]] = s;
  }
  return found;
}

/** Values of loop variables. */
type Env = ReadonlyMap<Var, number>;

/** The value of a constant expression; null where it is none. */
function constantValue(e: Expr, env: Env): number | null {
  let known = true;
  const plain = transform(e, (x) => {
    if (x.k !== "load") return undefined;
    const value = element(x, env);
    if (value === null) known = false;
    return imm(value ?? 0, x.dtype);
  });
  return known ? evaluate(plain, env) : null;
}

function element(l: Load, env: Env): number | null {
  const b = l.src as Buffer;
  const at = evaluate(address(b, l.idx), env);
  return b.data && at !== null ? Number(b.data.data[at]) : null;
}

/** What `cast(requantize(sum, scale, zero, lo, hi))` makes of a sum, and its scale. */
function resultOf(
  { value }: Store,
  sums: Buffer,
): { result: Result; sum: Load; scale: Expr } | null {
  if (value.k !== "cast" || (value.dtype !== "int8" && value.dtype !== "uint8")) return null;
  if (value.a.k !== "call" || value.a.fn !== REQUANTIZE) return null;
  const [sum, scale, ...bounds] = value.a.args;
  if (sum.k !== "load" || sum.src !== sums) return null;
  if (bounds.some((b) => b.k !== "imm")) return null;
  const [zero, lo, hi] = bounds.map((b) => Number((b as { value: number }).value));
  return { result: { k: "bytes", dtype: value.dtype, zero, lo, hi }, sum, scale };
}

const sameResult = (a: Result, b: Result): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Where results go: the first one's access, and how far apart the others are. */
interface Target {
  readonly y: Access;
  readonly result: Result;
  readonly rowStep: number;
  readonly colStep: number;
  readonly scale: (c: number) => Expr | null;
}

/** Sums stay where the product puts them. */
function sumsTarget({ product, tile }: Parts): Target {
  const [acc] = product.args;
  const [rowStep, colStep] = acc.buf.strides.slice(-2);
  const result: Result = { k: "sums" };
  return { y: acc, result, rowStep: tile.rows > 1 ? rowStep : 0, colStep, scale: () => null };
}

/** Elements between the sums of two rows. */
const sumsPitch = ({ args: [acc] }: Intrin, { rows, cols }: Tile): number =>
  rows > 1 ? acc.buf.strides.at(-2)! : cols;

function bytesTarget({ product, tile, results }: Parts): Target | null {
  const [acc] = product.args;
  const sums = acc.buf, from = address(sums, acc.idx), pitch = sumsPitch(product, tile);
  const found = results.map((s) => ({ s, of: resultOf(s, sums) }));
  if (found.some((x) => x.of === null)) return null;
  const placed = arranged(results, tile, (s) => {
    const d = distance(from, address(sums, resultOf(s, sums)!.sum.idx));
    return d === null || d < 0 ? null : [Math.floor(d / pitch), d % pitch];
  });
  if (!placed) return null;
  const of = (p: number, c: number) => resultOf(placed[p][c], sums)!;
  const first = placed[0][0], start = address(first.buf, first.idx);
  const apart = (p: number, c: number) =>
    distance(start, address(placed[p][c].buf, placed[p][c].idx));
  const rowStep = tile.rows > 1 ? apart(1, 0) : 0, colStep = tile.cols > 1 ? apart(0, 1) : 1;
  if (rowStep === null || colStep === null) return null;
  for (let p = 0; p < tile.rows; p++) {
    for (let c = 0; c < tile.cols; c++) {
      const own = of(p, c);
      const fits = placed[p][c].buf === first.buf && apart(p, c) === p * rowStep + c * colStep &&
        sameResult(own.result, of(0, 0).result) &&
        (p === 0 || sameScale(own.scale, of(0, c).scale));
      if (!fits) return null;
    }
  }
  const axis = first.buf.strides.indexOf(1);
  if (axis < 0) return null;
  return {
    y: { buf: first.buf, idx: first.idx, axis },
    result: of(0, 0).result,
    rowStep,
    colStep,
    scale: (c) => of(0, c).scale,
  };
}

/** Whether two scales are one constant. */
function sameScale(a: Expr, b: Expr): boolean {
  if (a.k === "imm" && b.k === "imm") return a.value === b.value;
  if (a.k !== "load" || b.k !== "load" || a.src !== b.src) return false;
  return distance(address(a.src as Buffer, a.idx), address(b.src as Buffer, b.idx)) === 0;
}

/**
 * The call that does what a loop over blocks does, or one block; null where the loop has another form
 * or its results lie where no instruction reaches them.
 *
 * @param name of the stream
 * @param own whether a whole tile gets a text of its own
 * @param alike whether the text must not depend on the scales
 */
export function streamed(s: Stmt, name: string, own: boolean, alike: boolean): Streamed | null {
  const parts = partsOf(s);
  if (!parts) return null;
  const { v, blocks, tile, product } = parts;
  const [acc, rows, w] = product.args;
  const origin = address(acc.buf, acc.idx);
  const pitch = sumsPitch(product, tile);
  const starts = arranged(parts.starts, tile, (x) => {
    const d = x.buf === acc.buf ? distance(origin, address(x.buf, x.idx)) : null;
    return d === null || d < 0 ? null : [Math.floor(d / pitch), d % pitch];
  });
  const target = parts.results.length === 0 ? sumsTarget(parts) : bytesTarget(parts);
  if (!starts || !target) return null;
  const form: Columns = {
    tile,
    blocks,
    result: target.result,
    rowStep: target.rowStep,
    colStep: target.colStep,
    fixed: null,
    shared: false,
    bytes: null,
  };
  const plain = { ...form, shared: canShare(form) && !(own && tile.rows === tile.pitch) };
  // The results of each block follow those of the one before, and all blocks take the same rows.
  const moves = (a: Access): number | null =>
    v === null ? null : coefficient(linear(address(a.buf, a.idx)), v);
  const follows = v === null ||
    (moves(target.y) === tile.cols * target.colStep && moves(rows) === 0);
  if (!follows || !columnsFit(plain)) return null;
  const wordsOf = (f: Columns, around: Env): number[] | null => {
    const words = headOf(f);
    for (let g = 0; g < blocks; g++) {
      const env = new Map([...around, ...(v ? [[v, g] as const] : [])]);
      const block = blockOf(f, starts, w, target, env);
      if (block === null) return null;
      words.push(...block);
    }
    return words;
  };
  const around = loopAround(starts, w, target, v);
  if (around === undefined) return null;
  const turns = around ? around.range![1] + 1 : 1;
  const fixed: Columns = { ...plain, fixed: canFix(plain) ? 1 : null };
  const streams: number[][] = [];
  for (let t = 0; t < turns; t++) {
    const words = wordsOf(fixed, new Map(around ? [[around, t] as const] : []));
    if (words === null) return null;
    streams.push(words);
  }
  const words = streams.flat(), { length } = streams[0];
  // Without any multiplier the words are those of floats.
  const part = canFix(plain)
    ? streams.reduce((sum, x) => sum + fixedPart(plain, x), 0) / turns
    : null;
  const f: Columns = { ...plain, fixed: part !== null && (part > 0 || alike) ? part : null };
  const stream: StreamBuffer = {
    parts: {
      head: HEAD,
      blocks,
      ...blockWords(f),
      wide: tile.wide,
    },
    name,
    dtype: "int32",
    shape: around ? [turns, length] : [length],
    strides: around ? [length, 1] : [1],
    offset: 0,
    scope: "param",
    length: words.length,
    align: 4,
    data: tensor("int32", around ? [turns, length] : [length], words),
  };
  const from: Access = around
    ? { buf: stream, idx: [around, imm(0)], axis: 1 }
    : { buf: stream, idx: [imm(0)], axis: 0 };
  const begin = (a: Access): Access => ({ ...a, idx: a.idx.map((e) => first(e, v)) });
  const call: Intrin = {
    k: "intrin",
    op: columns(f),
    args: [begin(target.y), begin(rows), from],
    scalars: [],
  };
  return { call, stream };
}

/** An index in the first block. */
const first = (e: Expr, v: Var | null): Expr =>
  v === null ? e : simplify(transform(e, (x) => x === v ? imm(0) : undefined));

/**
 * The loop around that the constants are different in, each turn of which has a stream of its own;
 * null where there is none, undefined where there are more, or others than loops from 0.
 */
function loopAround(
  starts: readonly (readonly Store[])[],
  w: Access,
  target: Target,
  v: Var | null,
): Var | null | undefined {
  const scales = starts[0].flatMap((_, c) => target.scale(c) ?? []);
  const values = [...starts.flat().map((s) => s.value), ...scales];
  const addresses = values.flatMap(loads).map((l) => address(l.src as Buffer, l.idx));
  const found = variables(address(w.buf, w.idx), ...addresses);
  if (v) found.delete(v);
  if (found.size === 0) return null;
  const [only, ...others] = found;
  return others.length === 0 && only.range?.[0] === 0 ? only : undefined;
}

/** The words of a block. */
function blockOf(
  f: Columns,
  starts: readonly (readonly Store[])[],
  w: Access,
  target: Target,
  env: Env,
): number[] | null {
  const { rows, cols, wide } = f.tile;
  const base = evaluate(address(w.buf, w.idx), env);
  if (base === null || !w.buf.data) return null;
  const { data } = w.buf.data, { strides } = w.buf;
  const own: number[] = [], scales: number[] = [];
  for (let c = 0; c < cols; c++) {
    const value = constantValue(starts[0][c].value, env);
    for (let p = 1; p < rows; p++) {
      if (constantValue(starts[p][c].value, env) !== value) return null;
    }
    const scale = target.scale(c);
    const s = scale === null ? 0 : constantValue(scale, env);
    if (value === null || s === null) return null;
    own.push(value);
    scales.push(s);
  }
  const [, groups, words, pairs, halves, second] = strides;
  const constant = (k: number, c: number): number => {
    const at = base + groups * Math.floor(k / GROUP) + words * (k % 2) + halves * (k % GROUP >> 1);
    if (wide) return Number(data[at + pairs * c]);
    const even = Number(data[at + pairs * (c >> 1)]);
    if (c % 2 === 0) return even;
    return Number(data[at + pairs * (c >> 1) + second]) + (even < 0 ? 1 : 0);
  };
  return streamBlock(f, (c) => own[c], constant, (c) => scales[c]);
}
