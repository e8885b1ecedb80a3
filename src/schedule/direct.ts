/** Rows that are read as bytes: where they lie, or from a copy of half the size. */
import { bytesOf, type DType, intRange } from "../util/dtype.ts";
import { add, type Expr, imm, mul } from "../te/expr.ts";
import { simplify } from "../te/linear.ts";
import type { BlankIntrin } from "../tir/blank.ts";
import { copyBytes, fillBytes } from "../tir/byte_rows.ts";
import { columns, type ColumnsIntrin } from "../tir/columns.ts";
import type { SpreadIntrin } from "../tir/spread.ts";
import {
  type Access,
  type Buffer,
  type Intrin,
  mapStmt,
  memoryOf,
  seq,
  type Stmt,
  visitStmt,
} from "../tir/stmt.ts";
import { refuse, replaceStage, stageOf, type State } from "./state.ts";

/**
 *     rows[k] = x[k] − zero                  y[c] = Σ k: (x[k] − zero)·w[k, c]
 *     y[c] = Σ k: rows[k]·w[k, c]       →
 *
 * One row at a time. Where its bytes do not follow each other in memory, they are copied.
 */
export interface DirectStep {
  readonly do: "direct";
  /** The stage of the rows. */
  readonly stage: string;
}

export function direct(s: State, step: DirectStep): State {
  const st = stageOf(s, step.stage);
  if (!st.rows?.tiles || st.rows.tiles.rows !== 1) {
    refuse(`read ${step.stage} directly`, "it is no single row of a tile", "make tiles of one row");
  }
  return replaceStage(s, step.stage, { ...st, direct: true });
}

const isSpread = (s: Stmt): s is Intrin & { op: SpreadIntrin } =>
  s.k === "intrin" && "runs" in s.op;
const isColumns = (s: Stmt): s is Intrin & { op: ColumnsIntrin } =>
  s.k === "intrin" && "columns" in s.op;
const isBlank = (s: Stmt): s is Intrin & { op: BlankIntrin } =>
  s.k === "intrin" && "blanks" in s.op;

const touching = (rows: Buffer) => (s: Stmt): boolean =>
  s.k === "intrin" && s.args.some((a) => memoryOf(a.buf) === memoryOf(rows));

function isTouched(body: Stmt, rows: Buffer): boolean {
  let found = false;
  visitStmt(body, (s) => found ||= touching(rows)(s) || (s.k === "store" && isOf(s.buf, rows)));
  return found;
}
const isOf = (b: Buffer, rows: Buffer): boolean => memoryOf(b) === memoryOf(rows);

/**
 * The program that reads a stage's rows as bytes: where they lie, if a row is one run of them, else
 * from a copy of their bytes.
 */
export function readDirectly(body: Stmt, rows: Buffer): { body: Stmt; copy: Buffer | null } {
  const made = withoutCopy(body, rows);
  return isTouched(made, rows) ? copiedBytes(body, rows) : { body: made, copy: null };
}

/** The program without the copy of a stage's rows, wherever it is one run that fills all of a row. */
function withoutCopy(body: Stmt, rows: Buffer): Stmt {
  const touches = touching(rows);
  const stmt = (s: Stmt): Stmt => {
    if (s.k !== "seq") return s;
    let copy: (Intrin & { op: SpreadIntrin }) | null = null;
    return seq(
      ...s.body.flatMap((x) => {
        if (isSpread(x) && touches(x) && isWholeRow(x, rows)) {
          copy = x;
          return [];
        }
        if (!copy || !isColumns(x) || !touches(x)) return [x];
        const { op: { from }, args: [, src], scalars: [zero] } = copy;
        return [fromBytes(x, from, src, zero) ?? x];
      }),
    );
  };
  return mapStmt(body, { stmt });
}

/** Whether a copy is one run that fills all of a row. */
const isWholeRow = ({ op: { runs }, args: [dst] }: Intrin & { op: SpreadIntrin }, rows: Buffer) =>
  runs.times === 1 && runs.count === rows.length && bytesOf(dst.buf.dtype) === 2;

/** The columns of a row of bytes; null where there are none. */
function fromBytes(
  call: Intrin & { op: ColumnsIntrin },
  from: DType,
  row: Access,
  zero: number,
): Stmt | null {
  const form = call.op.columns, [y, , stream] = call.args;
  const { tile } = form;
  if (tile.rows !== 1 || tile.pitch !== 1 || (from !== "int8" && from !== "uint8")) return null;
  return {
    ...call,
    op: columns({ ...form, bytes: from }),
    args: [y, row, stream],
    scalars: [zero],
  };
}

/** The program with rows of bytes in place of differences from the zero point. */
function copiedBytes(body: Stmt, rows: Buffer): { body: Stmt; copy: Buffer } {
  const touches = touching(rows), kinds = new Map<string, readonly [DType, number]>();
  visitStmt(body, (s) => {
    if (isSpread(s) && touches(s)) {
      const { op: { from }, scalars: [zero] } = s;
      kinds.set(`${from} ${zero}`, [from, zero]);
    }
  });
  const [kind, ...more] = kinds.values();
  const range = kind && intRange(kind[0]);
  if (
    !range || more.length > 0 || bytesOf(kind[0]) !== 1 || kind[1] < range.min ||
    kind[1] > range.max
  ) {
    refuse(`read ${rows.name} directly`, "it is no copy of bytes", "copy it to rows");
  }
  const [dtype, zero] = kind;
  const copy: Buffer = { ...rows, dtype, shape: [rows.length], strides: [1], offset: 0 };
  // Runs begin at whole fours, whose order alone differs.
  const at = ({ buf, idx }: Access): Access => ({
    buf: copy,
    idx: [simplify(idx.reduce<Expr>((e, x, i) => add(e, mul(x, buf.strides[i])), imm(0)))],
    axis: 0,
  });
  const stmt = (s: Stmt): Stmt => {
    if (!touches(s)) return s;
    if (isSpread(s) && s.op.runs.times === 1) {
      const { args: [dst, src], op: { runs: { count } } } = s;
      const op = copyBytes(dtype, count);
      return { ...s, op, args: [at(dst), src], scalars: [count] };
    }
    if (isBlank(s)) {
      const op = fillBytes(dtype, s.op.blanks);
      return { ...s, op, args: [at(s.args[0])], scalars: [zero, s.op.blanks] };
    }
    return isColumns(s) ? fromBytes(s, dtype, at(s.args[1]), zero) ?? s : s;
  };
  const made = mapStmt(body, { stmt });
  let left = false;
  visitStmt(made, (s) => {
    if (s.k === "store") left ||= isOf(s.buf, rows);
    if (s.k === "intrin") left ||= s.args.some((a) => isOf(a.buf, rows) && a.buf !== copy);
  });
  if (left) {
    refuse(
      `read ${rows.name} directly`,
      "its elements do not lie in runs of fours",
      "copy it to rows",
    );
  }
  return { body: made, copy };
}
