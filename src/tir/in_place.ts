/** When a kernel may write its output over one of its inputs. */
import { bytesOf } from "../util/dtype.ts";
import type { Expr } from "../te/expr.ts";
import { loads } from "../te/analyze.ts";
import { keyOf, simplify } from "../te/linear.ts";
import { addressOf, type Buffer, expressions, type Kernel, visitStmt } from "./stmt.ts";

const address = (b: Buffer, idx: readonly Expr[]): string => keyOf(simplify(addressOf(b, idx)));

/**
 * Whether `output` can lie where `input` lies: every element of the input is read only by the
 * statement that writes the same element of the output, so it is consumed before it is replaced.
 */
export function canOverwrite(k: Kernel, input: Buffer, output: Buffer): boolean {
  if (bytesOf(input.dtype) !== bytesOf(output.dtype) || input.length !== output.length) {
    return false;
  }
  let safe = true;
  visitStmt(k.body, (s) => {
    if (s.k === "intrin" && s.args.some((a) => a.buf === input)) safe = false;
    const target = s.k === "store" && s.buf === output ? address(output, s.idx) : null;
    for (const e of expressions(s)) {
      for (const l of loads(e)) {
        if (l.src === input && address(input, l.idx) !== target) safe = false;
      }
    }
  });
  return safe;
}
