/** The expressions of loop programs, for those who read loop programs only. */
export {
  add,
  type Bin,
  type Call,
  type Expr,
  imm,
  type Load,
  mul,
  sub,
  type Var,
} from "../te/expr.ts";
export type { ScalarFn } from "../te/functions.ts";
export { valueRange } from "../te/analyze.ts";
export { intervalOf, simplify } from "../te/linear.ts";
