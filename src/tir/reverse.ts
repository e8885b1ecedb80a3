/** A kernel from its last iteration to its first. */
import { type Kernel, seq, type Stmt } from "./stmt.ts";

/**
 * The kernel with its outermost loops and the turns of calls among them, and the statements between
 * them, in the opposite order. It
 * computes the same where no iteration reads what another one wrote (`Times.carried`).
 */
export const reverseKernel = (k: Kernel): Kernel => ({ ...k, body: reverse(k.body) });

function reverse(s: Stmt): Stmt {
  switch (s.k) {
    case "seq":
      return seq(...s.body.toReversed().map(reverse));
    case "alloc":
      return { ...s, body: reverse(s.body) };
    case "for":
      return { ...s, reversed: !s.reversed };
    case "intrin":
      return { ...s, op: s.op.reversed?.() ?? s.op };
    default:
      return s;
  }
}
