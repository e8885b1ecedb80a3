/** The nests of Winograd's transforms and products as the calls that do the same. */
import { add, cast, type Expr, type Load, load, rewrite, select, sub } from "../te/expr.ts";
import { loads } from "../te/analyze.ts";
import { keyOf, simplify, simplifyCondition } from "../te/linear.ts";
import type { Access, Buffer, Intrin, Stmt, Store } from "../tir/stmt.ts";
import { OUTPUTS, SIDE, STEPS, winogradInput } from "../tir/winograd.ts";
import { winogradBytes, winogradOutput } from "../tir/winograd_output.ts";
import { WINOGRAD_COLS, winogradProducts } from "../tir/winograd_products.ts";
import { numbers } from "../util/tensor.ts";
import { REQUANTIZE_WORD } from "../te/rounding.ts";
import { begin, flat, stepsOf, type Turn, turnsAround } from "./nest.ts";
import { winogradInputs, winogradOutputs, winogradTerm } from "./winograd.ts";

/** Tiles side by side at most; where one is left over, it is the first of so many. */
const MOST_TILES = 2;

/** The call in place of one of the three nests; null where it is another. */
export function matchWinograd(s: Stmt): Intrin | null {
  const nest = turnsAround(s);
  if (!nest) return null;
  const { turns, body } = nest;
  if (body.k === "seq") return matchProducts(turns, body.body);
  if (body.k !== "store") return null;
  return matchInput(turns, body) ?? matchOutput(turns, body) ?? matchBytes(turns, body);
}

const extents = (turns: readonly Turn[]): string => turns.map((t) => t.extent).join();

/** An expression with its indices and conditions in one form. */
const normal = (e: Expr): string =>
  keyOf(
    rewrite(e, (x) =>
      x.k === "load"
        ? { ...x, idx: x.idx.map(simplify) }
        : x.k === "select"
        ? select(simplifyCondition(x.cond), x.a, x.b)
        : undefined),
  );

/** Whether the steps of an access are these, turn by turn. */
const moves = (
  buf: Buffer,
  idx: readonly Expr[],
  turns: readonly Turn[],
  steps: readonly number[],
): boolean => {
  const found = stepsOf(flat(buf, idx), turns);
  return found !== null && turns.every((t, i) => t.extent === 1 || found[i] === steps[i]);
};

const call = (op: Intrin["op"], args: readonly Access[]): Intrin => ({
  k: "intrin",
  op,
  args,
  scalars: [],
});

const bufferOf = (l: Load): Buffer => l.src as Buffer;

function matchInput(turns: readonly Turn[], { buf, idx, value }: Store): Intrin | null {
  const [j, step, lane] = turns;
  if (extents(turns) !== `${SIDE},${SIDE},2` || buf.dtype !== "int16") return null;
  const [first] = loads(value);
  if (!first || first.dtype !== "int16" || first.idx.length !== 4 || idx.length !== 7) return null;
  // The first of all steps begins with its row, and with the first column.
  const [n, at, col, channel] = first.idx, row = sub(at, STEPS[0]), x0 = [n, row, col, channel];
  const expected = winogradInputs(
    j.v,
    step.v,
    (a, b) => cast("int32", load(first.src, [n, add(row, a), add(col, b), channel])),
  );
  const x = bufferOf(first), position = buf.strides[3];
  const fits = normal(value) === normal(expected) && x.strides[3] === 1 && x.strides[2] % 2 === 0 &&
    x.strides[1] % 2 === 0 && moves(buf, idx, turns, [SIDE * position, position, 1]) &&
    moves(x, first.idx, [lane], [1]);
  if (!fits) return null;
  const op = winogradInput({ row: x.strides[1], col: x.strides[2], position });
  return call(op, [begin(buf, idx, turns), begin(x, x0, turns)]);
}

function matchProducts(turns: readonly Turn[], body: readonly Stmt[]): Intrin | null {
  const [start, loops] = body, inner = body.length === 2 ? turnsAround(loops) : null;
  if (start.k !== "store" || start.value.k !== "imm" || start.value.value !== 0) return null;
  const sum = inner?.body;
  if (!inner || sum?.k !== "store" || turns.length < 3 || inner.turns.length !== 3) return null;
  const [own, v, u] = loads(sum.value);
  if (!own || !v || !u || bufferOf(own).name !== sum.buf.name) return null;
  if (v.dtype !== "int16" || u.dtype !== "int16" || sum.buf.dtype !== "int32") return null;
  const [r] = turns, [step, c, lane] = inner.turns;
  const tile = turns.length === 4 ? [turns[2]] : [], tiles = tile.at(0)?.extent ?? 1;
  const expected = add(
    own,
    winogradTerm(r.v, step.v, cast("int32", v), cast("int32", u)),
  );
  const sizes = `${OUTPUTS},${SIDE},${tile.map(() => "2,").join("")}${WINOGRAD_COLS}`;
  const known = extents(turns) === sizes && step.extent === SIDE && lane.extent === 2 &&
    c.extent % 2 === 0 && bufferOf(u).scope === "param" &&
    normal(sum.value) === normal(expected);
  if (!known) return null;
  const pairs = c.extent, position = sum.buf.strides[3], run = pairs * 2;
  const apart = position / WINOGRAD_COLS;
  if (apart !== tiles && (tiles !== 1 || apart !== MOST_TILES)) return null;
  const none = tile.map(() => 0);
  const at = [...turns, ...inner.turns];
  const fits = moves(sum.buf, sum.idx, at, [
    ...[SIDE * position, position],
    ...tile.map(() => WINOGRAD_COLS),
    ...[1, 0, 0, 0],
  ]) &&
    moves(bufferOf(v), v.idx, at, [
      ...[0, SIDE * run * apart],
      ...tile.map(() => 2),
      ...[0, run * apart, 2 * apart, 1],
    ]) &&
    moves(bufferOf(u), u.idx, at, [0, 2 * SIDE * run, ...none, 2, 2 * run, 4, 1]);
  if (!fits) return null;
  return call(winogradProducts({ tiles, apart }, run), [
    begin(sum.buf, sum.idx, at),
    begin(bufferOf(v), v.idx, at),
    begin(bufferOf(u), u.idx, at),
  ]);
}

/** Loads of half transformed products and of a start, where a value begins with them. */
function halves(value: Expr): { h: Load; start: Load; of: (j: number) => Expr } | null {
  const found = loads(value), h = found[0];
  const start = found.find((l) => l.dtype === "int32" && l.idx.length === 1);
  if (!h || !start || h.dtype !== "int32" || h.idx.length !== 6) return null;
  const [n, y, r, j, x, co] = h.idx;
  return { h, start, of: (by) => load(h.src, [n, y, r, add(j, by), x, co]) };
}

function matchOutput(turns: readonly Turn[], { buf, idx, value }: Store): Intrin | null {
  const [, q] = turns;
  if (extents(turns) !== `${OUTPUTS},${OUTPUTS}` || buf.dtype !== "int32") return null;
  const parts = halves(value);
  if (!parts) return null;
  const { h, start, of } = parts, position = bufferOf(h).strides[3];
  const fits = normal(value) === normal(winogradOutputs(q.v, of, start)) &&
    moves(buf, idx, turns, [OUTPUTS, 1]) &&
    moves(bufferOf(h), h.idx, turns, [SIDE * position, 0]) &&
    moves(bufferOf(start), start.idx, turns, [0, 0]);
  if (!fits) return null;
  return call(winogradOutput(position), [
    begin(buf, idx, turns),
    begin(bufferOf(h), h.idx, turns),
    begin(bufferOf(start), start.idx, turns),
  ]);
}

/** Nests over rows and columns of tiles, tiles and columns of the output. */
function matchBytes(turns: readonly Turn[], { buf, idx, value }: Store): Intrin | null {
  if (buf.dtype !== "int8" && buf.dtype !== "uint8") return null;
  if (value.k !== "cast" || value.a.k !== "call" || value.a.fn !== REQUANTIZE_WORD) return null;
  const [acc, word, ...bounds] = value.a.args, parts = halves(acc);
  if (!parts || word.k !== "load" || bounds.some((b) => b.k !== "imm")) return null;
  const [, q] = turns, tile = turns.length === 4 ? [turns[2]] : [];
  const tiles = tile.at(0)?.extent ?? 1;
  const sizes = `${OUTPUTS},${OUTPUTS},${tile.map(() => "2,").join("")}${WINOGRAD_COLS}`;
  if (extents(turns) !== sizes) return null;
  const { h, start, of } = parts, outputs = OUTPUTS * OUTPUTS, none = tile.map(() => 0);
  const position = bufferOf(h).strides[3], apart = position / WINOGRAD_COLS;
  if (apart !== tiles && (tiles !== 1 || apart !== MOST_TILES)) return null;
  const fits = normal(acc) === normal(winogradOutputs(q.v, of, start)) &&
    moves(buf, idx, turns, [
      ...[OUTPUTS, 1],
      ...tile.map(() => outputs * WINOGRAD_COLS),
      outputs,
    ]) &&
    moves(bufferOf(h), h.idx, turns, [
      ...[SIDE * position, 0],
      ...tile.map(() => WINOGRAD_COLS),
      1,
    ]) &&
    [start, word].every((l) => moves(bufferOf(l), l.idx, turns, [0, 0, ...none, 1]));
  const data = bufferOf(word).data;
  if (!fits || !data) return null;
  const [zero, lo, hi] = bounds.map((b) => Number((b as { value: number }).value));
  const words = numbers(data);
  const op = winogradBytes({
    tiles,
    apart,
    y: buf.dtype,
    zero,
    limits: [lo, hi],
    fixed: words.filter((x) => x < 0).length / words.length,
  });
  return call(op, [
    begin(buf, idx, turns),
    ...[h, start, word].map((l) => begin(bufferOf(l), l.idx, turns)),
  ]);
}
