/** Loop programs as text, stable for golden files. */
import type { Expr } from "../te/expr.ts";
import { exprText } from "../te/print.ts";
import type { Access, Buffer, Kernel, Stmt } from "./stmt.ts";

/** `kernel name(in x: int8[1,4,8,8] strides …) { … }` */
export function kernelText(k: Kernel): string {
  const head = [...k.buffers, ...k.params].map((b) => `  ${bufferText(b)}`);
  return [`kernel ${k.name}`, ...head, ...stmtLines(k.body).map((l) => `  ${l}`)].join("\n");
}

function bufferText(b: Buffer): string {
  const offset = b.offset ? ` + ${b.offset}` : "";
  return `${b.scope} ${b.name}: ${b.dtype}[${b.shape}] strides [${b.strides}]${offset}`;
}

const access = (a: Access): string => `${a.buf.name}[${a.idx.map(exprText).join(", ")} ..]`;

function stmtLines(s: Stmt): string[] {
  const inside = (t: Stmt): string[] => stmtLines(t).map((l) => `  ${l}`);
  const x = (e: Expr): string => exprText(e);
  switch (s.k) {
    case "seq":
      return s.body.flatMap(stmtLines);
    case "for":
      return [
        `for ${s.v.name} in [${x(s.lo)}, ${x(s.hi)})${s.reversed ? " downwards" : ""}`,
        ...inside(s.body),
      ];
    case "store":
      return [`${s.buf.name}[${s.idx.map(x).join(", ")}] = ${x(s.value)}`];
    case "if":
      return [`if ${x(s.cond)}`, ...inside(s.then), ...(s.else ? ["else", ...inside(s.else)] : [])];
    case "let":
      return [`let ${s.v.name} = ${x(s.value)}`, ...stmtLines(s.body)];
    case "alloc":
      return [`alloc ${bufferText(s.buf)}`, ...stmtLines(s.body)];
    case "intrin":
      return [`${s.op.name}(${[...s.args.map(access), ...s.scalars].join(", ")})`];
  }
}
