/** What every loop program has to fulfil before it is printed or run. */
import { BurinError } from "../util/errors.ts";
import { children, type Expr, type Var } from "../te/expr.ts";
import { type Buffer, type Kernel, memoryOf, type Stmt } from "./stmt.ts";

/**
 * Checks that variables are bound where they are read, buffers belong to the kernel or are allocated
 * around their use, indices fit the buffers' ranks, and stored values have the element's type.
 *
 * @throws BurinError `internal/loop-program` naming the kernel
 */
export function verifyKernel(k: Kernel): void {
  const fail = (why: string): never => {
    throw new BurinError(
      "internal/loop-program",
      `Cannot use kernel ${k.name} (${k.origin.join(", ")}) as ${why}`,
      "please report this with the model",
    );
  };
  const known = new Set([...k.buffers, ...k.params].map(memoryOf));
  const buffer = (b: Buffer, rank: number, memory: ReadonlySet<string>): void => {
    if (!memory.has(memoryOf(b))) fail(`buffer ${b.name} is not its own`);
    if (b.shape.length !== rank) fail(`${b.name} has ${b.shape.length} axes, indexed with ${rank}`);
    if (b.strides.length !== b.shape.length) fail(`${b.name} has strides of another rank`);
  };
  const expr = (e: Expr, vars: ReadonlySet<Var>, memory: ReadonlySet<string>): void => {
    if (e.k === "var" && !vars.has(e)) fail(`variable ${e.name} is not bound`);
    if (e.k === "load") buffer(e.src as Buffer, e.idx.length, memory);
    if (e.k === "reduce") fail("it holds a reduction that is not lowered");
    for (const c of children(e)) expr(c, vars, memory);
  };
  const stmt = (s: Stmt, vars: ReadonlySet<Var>, memory: ReadonlySet<string>): void => {
    const x = (e: Expr): void => expr(e, vars, memory);
    switch (s.k) {
      case "seq":
        return s.body.forEach((t) => stmt(t, vars, memory));
      case "for":
        x(s.lo);
        x(s.hi);
        return stmt(s.body, new Set([...vars, s.v]), memory);
      case "let":
        x(s.value);
        return stmt(s.body, new Set([...vars, s.v]), memory);
      case "alloc":
        return stmt(s.body, vars, new Set([...memory, memoryOf(s.buf)]));
      case "if":
        x(s.cond);
        stmt(s.then, vars, memory);
        return s.else ? stmt(s.else, vars, memory) : undefined;
      case "store":
        buffer(s.buf, s.idx.length, memory);
        s.idx.forEach(x);
        x(s.value);
        if (s.buf.scope === "input" || s.buf.scope === "param") fail(`it writes to ${s.buf.name}`);
        if (s.value.dtype !== s.buf.dtype) {
          fail(`it stores ${s.value.dtype} into ${s.buf.name}, which is ${s.buf.dtype}`);
        }
        return;
      case "intrin":
        s.args.forEach((a, i) => {
          buffer(a.buf, a.idx.length, memory);
          a.idx.forEach(x);
          const arg = s.op.args[i];
          if (a.buf.dtype !== arg.dtype) fail(`${s.op.name} takes ${arg.dtype} as ${arg.name}`);
        });
    }
  };
  stmt(k.body, new Set(), known);
}
