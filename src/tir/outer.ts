/** What a piece of a loop program needs from around it. */
import { type Var, visit } from "../te/expr.ts";
import { type Buffer, expressions, type Stmt, visitStmt } from "./stmt.ts";

/** The variables and buffers that a statement reads or writes and does not declare itself. */
export function outerNames(s: Stmt): { vars: Set<Var>; buffers: Set<Buffer> } {
  const vars = new Set<Var>(), own = new Set<Var>(), buffers = new Set<Buffer>();
  visitStmt(s, (t) => {
    if (t.k === "for" || t.k === "let") own.add(t.v);
    if (t.k === "store") buffers.add(t.buf);
    for (const e of expressions(t)) {
      visit(e, (x) => {
        if (x.k === "var") vars.add(x);
        if (x.k === "load") buffers.add(x.src as Buffer);
      });
    }
  });
  return { vars: vars.difference(own), buffers };
}
