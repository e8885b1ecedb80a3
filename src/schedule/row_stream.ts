/**
 * Several kernels as one that passes rows on as they come: each part computes a block of rows when
 * the parts behind it need them, and what lies between two parts is a ring of the rows that are
 * still to be read.
 */
import {
  add,
  and,
  eq,
  type Expr,
  floordiv,
  floormod,
  ge,
  imm,
  lt,
  mul,
  sub,
  variable,
} from "../te/expr.ts";
import { intervalOf, simplify, simplifyCondition } from "../te/linear.ts";
import { loads } from "../te/analyze.ts";
import { mapBuffers } from "../tir/remap.ts";
import {
  type Buffer,
  expressions,
  type Kernel,
  memoryOf,
  seq,
  type Stmt,
  visitStmt,
} from "../tir/stmt.ts";
import type { StreamMemory, StreamPart, StreamPlan, StreamUse } from "./row_stream_plan.ts";

/** @returns null where an intrinsic of a part would leave the rows of a ring */
export function streamKernel(
  parts: readonly StreamPart[],
  memories: readonly StreamMemory[],
  { paces, steps, rings }: StreamPlan,
): Kernel | null {
  const outside = new Map<number, Buffer>();
  const scratch = new Map<string, Buffer>();
  const params: Buffer[] = [];
  const ring = (use: StreamUse): Buffer => {
    const { name, inside, rows, stride } = memories[use.memory];
    if (!inside) {
      const written = parts.some((p) =>
        [...p.uses, ...(p.finish?.uses ?? [])].some((u) => u?.writes && u.memory === use.memory)
      );
      const b: Buffer = { ...use.buffer, name, scope: written ? "output" : "input" };
      if (!outside.has(use.memory)) outside.set(use.memory, b);
      return b;
    }
    const { rows: kept, within } = rings[use.memory];
    const shape = use.buffer.shape.map((n, i) => i === use.axis ? Math.min(kept, n) : n);
    const length = kept < rows ? kept * stride : use.buffer.length;
    const b: Buffer = { ...use.buffer, name, shape, length, scope: "scratch" };
    scratch.set(memoryOf(b), { ...b, ...(within && { within }) });
    return b;
  };
  const own = (b: Buffer, k: number, phase: number, kept: boolean): Buffer => {
    const { within: _, ...plain } = b;
    if (b.scope === "param") return { ...plain, name: `p${phase}_${b.name}` };
    const scope = kept ? "scratch" : b.scope;
    const name = `${b.name}_${kept ? k : phase}`;
    const renamed: Buffer = { ...plain, name, scope };
    if (scope === "scratch" && !scratch.has(memoryOf(renamed))) {
      scratch.set(memoryOf(renamed), kept ? renamed : { ...renamed, within: [phase, phase] });
    }
    return renamed;
  };
  let fits = true;
  const body = (
    { kernel, uses }: { kernel: Kernel; uses: readonly (StreamUse | null)[] },
    k: number,
    phase: number,
    start: Expr,
  ): Stmt => {
    const byMemory = new Map(kernel.buffers.map((b, i) => [memoryOf(b), uses[i] ?? null]));
    if (!staysInRows(kernel, byMemory, memories)) fits = false;
    const { kept } = parts[k];
    // Scratch has its length from here, where there are no views.
    kernel.buffers.forEach((b, i) => uses[i] || own(b, k, phase, kept.has(b.name)));
    params.push(...kernel.params.map((p) => own(p, k, phase, false)));
    return mapBuffers(kernel.body, (b, idx) => {
      const use = byMemory.get(memoryOf(b));
      if (!use) return { buf: own(b, k, phase, kept.has(b.name)), idx };
      const buf = ring(use), { rows } = rings[use.memory];
      const isRing = memories[use.memory].inside && rows < memories[use.memory].rows;
      const row = (e: Expr): Expr => {
        const at = use.writes ? add(e, start) : e;
        return simplify(isRing ? floormod(at, rows) : at);
      };
      return { buf, idx: idx.map((e, i) => i === use.axis ? row(e) : e) };
    });
  };
  const y = variable("step", "int32", [0, steps - 1]);
  const turns = parts.map((p, k): Stmt => {
    const inner = body(p, k, k, mul(p.block, p.rows));
    const { period, offset } = paces[k];
    const at = add(y, -offset);
    const cond = simplifyCondition(and(
      ...(period > 1 ? [eq(floormod(at, period), 0)] : []),
      ge(at, 0),
      lt(at, period * p.blocks),
    ));
    const value = simplify(floordiv(at, period));
    const bound: Stmt = { k: "let", v: p.block, value, body: inner };
    const open = conjuncts(cond);
    return open.length === 0 ? bound : { k: "if", cond: and(...open), then: bound, else: null };
  });
  const ends = parts.flatMap((p, k) =>
    p.finish ? [body(p.finish, k, parts.length + k, imm(0))] : []
  );
  if (!fits) return null;
  const list = [...outside.values()];
  const inOrder = [
    ...list.filter((b) => b.scope === "input"),
    ...list.filter((b) => b.scope === "output"),
  ];
  const heavy = parts.reduce((a, b) => b.kernel.macs > a.kernel.macs ? b : a);
  return {
    name: heavy.kernel.name,
    buffers: [...inOrder, ...scratch.values()],
    params,
    body: seq({ k: "for", v: y, lo: imm(0), hi: imm(steps), body: seq(...turns) }, ...ends),
    origin: [...new Set(parts.flatMap((p) => p.kernel.origin))],
    ops: parts.flatMap((p) => p.kernel.ops),
    macs: parts.reduce((sum, p) => sum + p.kernel.macs, 0),
  };
}

/** What is left of a conjunction without what always holds. */
function conjuncts(e: Expr): Expr[] {
  if (e.k === "bin" && e.op === "and") return [...conjuncts(e.a), ...conjuncts(e.b)];
  return e.k === "imm" && e.value ? [] : [e];
}

/** Whether no intrinsic goes on from one row to another, which need not lie behind it in a ring. */
function staysInRows(
  k: Kernel,
  uses: ReadonlyMap<string, StreamUse | null>,
  memories: readonly StreamMemory[],
): boolean {
  let stays = true;
  visitStmt(k.body, (s) => {
    if (s.k !== "intrin") return;
    s.args.forEach((a, i) => {
      const use = uses.get(memoryOf(a.buf));
      if (!use || !memories[use.memory].inside) return;
      const most = furthest(s, i);
      const isRow = a.axis === use.axis;
      if (isRow ? most > 0 : most * a.buf.strides[a.axis] >= memories[use.memory].stride) {
        stays = false;
      }
    });
  });
  return stays;
}

/** The furthest element of an operand that an intrinsic touches, from its first one along its axis. */
function furthest(s: Extract<Stmt, { k: "intrin" }>, i: number): number {
  const { buf, idx, axis } = s.args[i];
  let most = s.op.args[i].count - 1;
  const touch = (b: Buffer, at: readonly Expr[]): void => {
    if (memoryOf(b) !== memoryOf(buf)) return;
    const range = intervalOf(sub(at[axis], idx[axis]));
    most = Math.max(most, range ? range[1] : Infinity);
  };
  visitStmt(s.op.meaning(s.args, s.scalars), (t) => {
    if (t.k === "store") touch(t.buf, t.idx);
    for (const l of expressions(t).flatMap(loads)) touch(l.src as Buffer, l.idx);
  });
  return most;
}
