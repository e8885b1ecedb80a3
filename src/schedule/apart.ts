/**
 * Bands whose rows may lie anywhere: they are scheduled as if rows were far from each other, so that
 * no loop goes on from one to the next, and what relies on the distance is refused.
 */
import { type Expr, sub } from "../te/expr.ts";
import { loads } from "../te/analyze.ts";
import { intervalOf } from "../te/linear.ts";
import {
  addressOf,
  type Buffer,
  expressions,
  type Kernel,
  memoryOf,
  type Stmt,
  visitStmt,
} from "../tir/stmt.ts";
import { type Band, type RowAxis, rowAxis } from "./band.ts";
import type { Workload } from "./state.ts";

/** How many times further apart rows seem to be: a multiple keeps what is aligned. */
const APART = 3;

/** The rows of a band's buffer as it lies in memory; null where it has none. */
function rowsOf(b: Buffer, { sums, outputRows }: Band): RowAxis | null {
  if (b.name === sums?.name) return null;
  // A band of one row has no axis of rows that its shape would tell.
  return b.scope === "output" ? outputRows : rowAxis(b);
}

/** The workload with the rows of its inputs and output at a distance that none of its code sees. */
export const spread = (band: Band): Workload => ({
  ...band.workload,
  buffers: new Map([...band.workload.buffers].map(([t, b]) => {
    const of = rowsOf(b, band);
    if (!of) return [t, b];
    const strides = b.strides.map((s, i) => i === of.axis ? s * APART : s);
    return [t, { ...b, strides, rowsApart: strides[of.axis] }];
  })),
});

/** Whether no intrinsic of a spread band's kernel goes on from one row to another. */
export function staysInRows(k: Kernel, band: Band): boolean {
  const rows = new Map([...band.workload.buffers.values()].flatMap((b) => {
    const of = rowsOf(b, band);
    return of ? [[memoryOf(b), of] as const] : [];
  }));
  let stays = true;
  visitStmt(k.body, (s) => {
    if (s.k !== "intrin") return;
    s.args.forEach(({ buf, axis }, i) => {
      const of = rows.get(memoryOf(buf));
      if (!of) return;
      const most = Math.max((s.op.args[i].count - 1) * buf.strides[axis], furthest(s, i));
      if (most >= of.stride) stays = false;
    });
  });
  return stays;
}

/** Elements from the first to the furthest one of an operand that an intrinsic touches. */
function furthest(s: Extract<Stmt, { k: "intrin" }>, i: number): number {
  const { buf, idx } = s.args[i], start = addressOf(buf, idx);
  let most = 0;
  const touch = (b: Buffer, at: readonly Expr[]): void => {
    if (memoryOf(b) !== memoryOf(buf)) return;
    const range = intervalOf(sub(addressOf(b, at), start));
    // Other operands may begin before this one; another row is further away than any of its own.
    most = Math.max(most, range ? Math.max(range[1], -range[0]) : Infinity);
  };
  // What other operands touch of the same memory is theirs.
  const args = s.args.map((a, j) => j === i ? a : { ...a, buf: { ...a.buf, name: `${j}` } });
  visitStmt(s.op.meaning(args, s.scalars), (t) => {
    if (t.k === "store") touch(t.buf, t.idx);
    for (const l of expressions(t).flatMap(loads)) touch(l.src as Buffer, l.idx);
  });
  return most;
}
