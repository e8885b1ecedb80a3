/** How many bytes a kernel reads and writes of each of its buffers. */
import { bytesOf } from "../util/dtype.ts";
import { children, type Expr } from "../te/expr.ts";
import { type Buffer, expressions, type Kernel, memoryOf, visitStmt } from "./stmt.ts";
import { countTrips } from "./trips.ts";

/**
 * Bytes by buffer, in the order of `kernel.buffers`, as counted on the loops: every element that is
 * loaded or stored, as often as it is.
 */
export function countTraffic(kernel: Kernel): number[] {
  const bytes = new Map<string, number>();
  const { runs } = countTrips(kernel.body);
  const count = (b: Buffer, elements: number): void => {
    const m = memoryOf(b);
    bytes.set(m, (bytes.get(m) ?? 0) + elements * bytesOf(b.dtype));
  };
  const loads = (e: Expr, times: number): void => {
    if (e.k === "load") count(e.src as Buffer, times);
    for (const c of children(e)) loads(c, times);
  };
  visitStmt(kernel.body, (s) => {
    const times = runs.get(s) ?? 0;
    for (const e of expressions(s)) loads(e, times);
    if (s.k === "store") count(s.buf, times);
    if (s.k !== "intrin") return;
    s.args.forEach((a, i) => {
      const arg = s.op.args[i];
      count(a.buf, times * arg.count * (arg.mode === "update" ? 2 : 1));
    });
  });
  return kernel.buffers.map((b) => Math.round(bytes.get(memoryOf(b)) ?? 0));
}
