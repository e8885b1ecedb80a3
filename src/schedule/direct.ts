/** Rows that are read where they lie: no copy of them is made. */
import { bytesOf } from "../util/dtype.ts";
import { columns, type ColumnsIntrin } from "../tir/columns.ts";
import type { SpreadIntrin } from "../tir/spread.ts";
import {
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
 * One row at a time, whose bytes follow each other in memory.
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

/** The program without the copy of a stage's rows. */
export function readDirectly(body: Stmt, rows: Buffer): Stmt {
  const memory = memoryOf(rows);
  const touches = (s: Stmt): boolean =>
    s.k === "intrin" && s.args.some((a) => memoryOf(a.buf) === memory);
  const stmt = (s: Stmt): Stmt => {
    if (s.k !== "seq") return s;
    let copy: (Intrin & { op: SpreadIntrin }) | null = null;
    return seq(
      ...s.body.flatMap((x) => {
        if (isSpread(x) && touches(x) && isWholeRow(x, rows)) {
          copy = x;
          return [];
        }
        return copy && isColumns(x) && touches(x) ? [fromBytes(copy, x)] : [x];
      }),
    );
  };
  const made = mapStmt(body, { stmt });
  let left = false;
  visitStmt(made, (s) => left ||= touches(s));
  if (left) {
    refuse(
      `read ${rows.name} directly`,
      "its elements do not follow each other",
      "copy it to rows",
    );
  }
  return made;
}

/** Whether a copy is one run that fills all of a row. */
const isWholeRow = ({ op: { runs }, args: [dst] }: Intrin & { op: SpreadIntrin }, rows: Buffer) =>
  runs.times === 1 && runs.count === rows.length && bytesOf(dst.buf.dtype) === 2;

function fromBytes(
  { op: { from }, args: [, src], scalars: [zero] }: Intrin & { op: SpreadIntrin },
  call: Intrin & { op: ColumnsIntrin },
): Intrin {
  const form = call.op.columns, [y, , stream] = call.args;
  const { tile } = form;
  if (tile.rows !== 1 || tile.pitch !== 1 || (from !== "int8" && from !== "uint8")) return call;
  return {
    ...call,
    op: columns({ ...form, bytes: from }),
    args: [y, src, stream],
    scalars: [zero],
  };
}
