/** Expressions and definitions as text, stable for golden files. */
import type { Compute } from "./compute.ts";
import type { BinOp, Expr } from "./expr.ts";

const INFIX: Partial<Record<BinOp, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  mod: "%",
  floordiv: "div",
  floormod: "mod",
  and: "&",
  or: "|",
  xor: "^",
  shl: "<<",
  shr: ">>",
  eq: "==",
  ne: "!=",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
};

/** One expression; operands that are operations themselves stand in parentheses. */
export function exprText(e: Expr): string {
  const operand = (x: Expr): string =>
    x.k === "bin" && INFIX[x.op] ? `(${exprText(x)})` : exprText(x);
  switch (e.k) {
    case "imm":
      return e.dtype === "int32" || e.dtype === "bool" ? `${e.value}` : `${e.value}:${e.dtype}`;
    case "var":
      return e.name;
    case "load":
      return `${e.src.name}[${e.idx.map(exprText).join(", ")}]`;
    case "bin": {
      const op = INFIX[e.op];
      return op
        ? `${operand(e.a)} ${op} ${operand(e.b)}`
        : `${e.op}(${exprText(e.a)}, ${exprText(e.b)})`;
    }
    case "un":
      return `${e.op}(${exprText(e.a)})`;
    case "cast":
      return `${e.dtype}(${exprText(e.a)})`;
    case "bits":
      return `bits_${e.dtype}(${exprText(e.a)})`;
    case "select":
      return `select(${[e.cond, e.a, e.b].map(exprText).join(", ")})`;
    case "call":
      return `${e.fn.name}(${e.args.map(exprText).join(", ")})`;
    case "reduce": {
      const axes = e.axes.map((a) => `${a.v.name} < ${a.extent}`).join(", ");
      const where = e.where.length ? ` where ${e.where.map(exprText).join(", ")}` : "";
      return `${e.op}{${axes}${where}} ${operand(e.body)} from ${exprText(e.init)}`;
    }
  }
}

/** `y[n < 1, c < 8] = …` */
export function computeText(c: Compute): string {
  const axes = c.axes.map((v, i) => `${v.name} < ${c.out.shape[i]}`).join(", ");
  return `${c.out.name}: ${c.out.dtype}[${axes}] = ${exprText(c.body)}`;
}
