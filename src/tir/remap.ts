/** Loop programs on other buffers. */
import { type Expr, type Load, rewrite } from "../te/expr.ts";
import { type Buffer, mapStmt, type Stmt } from "./stmt.ts";

/** What stands in the place of an element of a buffer. */
export interface Element {
  readonly buf: Buffer;
  readonly idx: readonly Expr[];
}

/** The program with every access and allocation of a buffer replaced. */
export function mapBuffers(
  s: Stmt,
  element: (b: Buffer, idx: readonly Expr[]) => Element,
): Stmt {
  const expr = (e: Expr): Expr =>
    rewrite(e, (x) => {
      if (x.k !== "load") return undefined;
      const { buf, idx } = element(x.src as Buffer, x.idx);
      return { ...x, src: buf, idx } as Load;
    });
  return mapStmt(s, {
    expr,
    stmt: (t) => {
      if (t.k === "store") return { ...t, ...element(t.buf, t.idx) };
      if (t.k === "alloc") return { ...t, buf: element(t.buf, t.buf.shape.map(() => ZERO)).buf };
      if (t.k !== "intrin") return t;
      return { ...t, args: t.args.map((a) => ({ ...a, ...element(a.buf, a.idx) })) };
    },
  });
}

const ZERO: Expr = { k: "imm", dtype: "int32", value: 0 };
