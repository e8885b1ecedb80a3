/** Memory that intrinsics work in and that no stage is computed into. */
import { type Buffer, mapStmt, memoryOf, type Stmt, visitStmt } from "../tir/stmt.ts";

/** The program with one buffer for each such memory, as large as its largest use, and these buffers. */
export function provideWork(
  body: Stmt,
  known: readonly Buffer[],
): { body: Stmt; buffers: readonly Buffer[] } {
  const own = new Set(known.map(memoryOf)), work = new Map<string, Buffer>();
  visitStmt(body, (s) => {
    if (s.k !== "intrin") return;
    for (const { buf } of s.args) {
      const key = memoryOf(buf), before = work.get(key);
      if (buf.scope !== "scratch" || own.has(key)) continue;
      if (!before || before.length < buf.length) work.set(key, buf);
    }
  });
  if (work.size === 0) return { body, buffers: [] };
  const stmt = (s: Stmt): Stmt =>
    s.k !== "intrin"
      ? s
      : { ...s, args: s.args.map((a) => ({ ...a, buf: work.get(memoryOf(a.buf)) ?? a.buf })) };
  return { body: mapStmt(body, { stmt }), buffers: [...work.values()] };
}
