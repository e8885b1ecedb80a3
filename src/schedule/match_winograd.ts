/** The nests of Winograd's transforms and products as the calls that do the same. */
import { add, cast, type Expr, type Load, load, rewrite, select } from "../te/expr.ts";
import { loads } from "../te/analyze.ts";
import { keyOf, simplify, simplifyCondition } from "../te/linear.ts";
import type { Access, Buffer, Intrin, Stmt, Store } from "../tir/stmt.ts";
import {
  OUTPUTS,
  SIDE,
  WINOGRAD_COLS,
  winogradInput,
  winogradOutput,
  winogradProducts,
} from "../tir/winograd.ts";
import { begin, flat, stepsOf, type Turn, turnsAround } from "./nest.ts";
import { winogradInputs, winogradOutputs } from "./winograd.ts";

/** The call in place of one of the three nests; null where it is another. */
export function matchWinograd(s: Stmt): Intrin | null {
  const nest = turnsAround(s);
  if (!nest) return null;
  const { turns, body } = nest;
  if (body.k === "seq") return matchProducts(turns, body.body);
  if (body.k !== "store") return null;
  return matchInput(turns, body) ?? matchOutput(turns, body);
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
  const [i, j, lane] = turns;
  if (extents(turns) !== `${SIDE},${SIDE},2` || buf.dtype !== "int16") return null;
  const [first] = loads(value);
  if (!first || first.dtype !== "int16" || first.idx.length !== 4 || idx.length !== 7) return null;
  const [n, row, col, channel] = first.idx;
  const expected = winogradInputs(
    i.v,
    j.v,
    (a, b) => cast("int32", load(first.src, [n, add(row, a), add(col, b), channel])),
  );
  const x = bufferOf(first), position = buf.strides[3];
  const fits = normal(value) === normal(expected) && x.strides[3] === 1 && x.strides[2] % 2 === 0 &&
    x.strides[1] % 2 === 0 && moves(buf, idx, turns, [SIDE * position, position, 1]) &&
    moves(x, first.idx, [lane], [1]);
  if (!fits) return null;
  const op = winogradInput({ row: x.strides[1], col: x.strides[2], position });
  return call(op, [begin(buf, idx, turns), begin(x, first.idx, turns)]);
}

function matchProducts(turns: readonly Turn[], body: readonly Stmt[]): Intrin | null {
  const [start, loops] = body, inner = body.length === 2 ? turnsAround(loops) : null;
  if (start.k !== "store" || start.value.k !== "imm" || start.value.value !== 0) return null;
  const sum = inner?.body;
  if (!inner || sum?.k !== "store" || sum.value.k !== "bin" || sum.value.op !== "add") return null;
  const { a, b } = sum.value;
  if (a.k !== "load" || bufferOf(a).name !== sum.buf.name) return null;
  if (b.k !== "bin" || b.op !== "mul" || b.a.k !== "cast" || b.b.k !== "cast") return null;
  const [v, u] = [b.a.a, b.b.a];
  if (v.k !== "load" || u.k !== "load" || v.dtype !== "int16" || u.dtype !== "int16") return null;
  const tiles = turns.length === 4 ? turns[2].extent : 1;
  const cols = turns.at(-1)!, [c, lane] = inner.turns;
  const tile = turns.length === 4 ? [turns[2]] : [];
  const positions = turns.slice(0, 2);
  const known = [
    ...tile.map((t) => t.extent === 2),
    cols.extent === WINOGRAD_COLS,
    lane?.extent === 2,
  ]
    .every((x) => x);
  if (!known || extents(positions) !== `${SIDE},${SIDE}` || turns.length < 3) return null;
  if (inner.turns.length !== 2 || c.extent % 2 !== 0 || bufferOf(u).scope !== "param") return null;
  const pairs = c.extent;
  const steps = (position: number) => [SIDE * position, position];
  const all = [...positions, ...tile, cols];
  const fits = sum.buf.dtype === "int32" &&
    moves(sum.buf, sum.idx, all, [...steps(2 * tiles), ...tile.map(() => 2), 1]) &&
    moves(bufferOf(v), v.idx, [...positions, ...tile, cols, c, lane], [
      ...steps(pairs * 2 * tiles),
      ...tile.map(() => 2),
      0,
      2 * tiles,
      1,
    ]) &&
    moves(bufferOf(u), u.idx, [...positions, ...tile, cols, c, lane], [
      ...steps(4 * pairs),
      ...tile.map(() => 0),
      2,
      4,
      1,
    ]);
  if (!fits) return null;
  const at = [...turns, ...inner.turns];
  return call(winogradProducts(tiles, 2 * pairs), [
    begin(sum.buf, sum.idx, at),
    begin(bufferOf(v), v.idx, at),
    begin(bufferOf(u), u.idx, at),
  ]);
}

function matchOutput(turns: readonly Turn[], { buf, idx, value }: Store): Intrin | null {
  const [r, q] = turns;
  if (extents(turns) !== `${OUTPUTS},${OUTPUTS}` || buf.dtype !== "int32") return null;
  const found = loads(value);
  const [m, start] = [found[0], found.at(-1)!];
  if (found.length < 2 || m.dtype !== "int32" || m.idx.length !== 6 || start.idx.length !== 1) {
    return null;
  }
  const [n, y, i, j, x, co] = m.idx;
  const product = (a: number, b: number): Expr => load(m.src, [n, y, add(i, a), add(j, b), x, co]);
  const expected = winogradOutputs(r.v, q.v, product, start);
  const position = bufferOf(m).strides[3];
  const fits = value.k === "bin" && normal(value) === normal(expected) &&
    bufferOf(m).strides[2] === SIDE * position && moves(buf, idx, turns, [OUTPUTS, 1]);
  if (!fits) return null;
  return call(winogradOutput(position), [
    begin(buf, idx, turns),
    begin(bufferOf(m), m.idx, turns),
    begin(bufferOf(start), start.idx, turns),
  ]);
}
