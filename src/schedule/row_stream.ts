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
  select,
  variable,
} from "../te/expr.ts";
import { simplify, simplifyCondition } from "../te/linear.ts";
import { mapBuffers } from "../tir/remap.ts";
import { bytesOf } from "../util/dtype.ts";
import { type Buffer, type Kernel, memoryOf, type Over, seq, type Stmt } from "../tir/stmt.ts";
import { isConsumed, type Pieces, piecesOf, shiftsOver, shiftsUnder } from "./over_input.ts";
import type { StreamMemory, StreamPart, StreamPlan, StreamUse } from "./row_stream_plan.ts";

/** The kernel of a stream. */
export function streamKernel(
  parts: readonly StreamPart[],
  memories: readonly StreamMemory[],
  plan: StreamPlan,
): Kernel {
  const { paces, steps, rings } = plan;
  const outside = new Map<number, Buffer>();
  const scratch = new Map<string, Buffer>();
  const params: Buffer[] = [];
  const inputs = memories.flatMap((m, i) => {
    const use = parts.flatMap((p) => p.uses).find((u) => u?.memory === i);
    return use && isConsumed(m, plan.firstWrite[i] ?? [])
      ? [{ memory: i, name: m.name, bytes: m.stride * bytesOf(use.buffer.dtype) }]
      : [];
  });
  const outputs = memories.flatMap((m, i) => {
    const use = parts.flatMap((p) => [...p.uses, ...(p.finish?.uses ?? [])]).find((u) =>
      u?.writes && u.memory === i
    );
    return use && !m.inside
      ? [{ memory: i, name: m.name, bytes: m.stride * bytesOf(use.buffer.dtype) }]
      : [];
  });
  const overInputs = (pieces: Pick<Pieces, "bytes" | "born">): Over[] =>
    inputs.map(({ memory, name, bytes }) => ({
      buffer: name,
      shifts: shiftsOver(pieces, plan.lastRead[memory], bytes),
    })).filter(({ shifts }) => shifts.length > 0);
  const overOthers = (m: number, bytes: number): Over[] => {
    const pieces = piecesOf(m, bytes, plan);
    return [
      ...overInputs(pieces),
      ...outputs.map(({ memory, name, bytes: rowBytes }): Over => ({
        buffer: name,
        shifts: shiftsUnder(pieces, plan.firstWrite[memory], rowBytes),
      })),
    ].filter(({ shifts }) => shifts.length > 0);
  };
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
    const { rows: kept, within, pool } = rings[use.memory];
    if (pool) {
      const { count, stride: apart, length } = pool;
      const b: Buffer = {
        ...use.buffer,
        name: `pool${pool.pool}`,
        shape: use.buffer.shape.map((n, i) => i === use.axis && n > 1 ? count : n),
        strides: use.buffer.strides.map((n, i) => i === use.axis ? apart : n),
        length,
        scope: "scratch",
      };
      const over = overOthers(use.memory, apart * bytesOf(b.dtype));
      const align = Math.max(b.align, scratch.get(memoryOf(b))?.align ?? 1);
      scratch.set(memoryOf(b), { ...b, align, ...(over.length > 0 && { over }) });
      return b;
    }
    const shape = use.buffer.shape.map((n, i) => i === use.axis ? Math.min(kept, n) : n);
    const length = kept < rows ? kept * stride : use.buffer.length;
    const b: Buffer = { ...use.buffer, name, shape, length, scope: "scratch" };
    const over = overOthers(use.memory, stride * bytesOf(b.dtype));
    scratch.set(memoryOf(b), { ...b, ...(within && { within }), ...(over.length > 0 && { over }) });
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
  const body = (
    { kernel, uses }: { kernel: Kernel; uses: readonly (StreamUse | null)[] },
    k: number,
    phase: number,
    start: Expr,
  ): Stmt => {
    const byMemory = new Map(kernel.buffers.map((b, i) => [memoryOf(b), uses[i] ?? null]));
    const { kept } = parts[k];
    // Scratch has its length from here, where there are no views.
    kernel.buffers.forEach((b, i) => uses[i] || own(b, k, phase, kept.has(b.name)));
    params.push(...kernel.params.map((p) => own(p, k, phase, false)));
    return mapBuffers(kernel.body, (b, idx) => {
      const use = byMemory.get(memoryOf(b));
      if (!use) return { buf: own(b, k, phase, kept.has(b.name)), idx };
      const buf = ring(use), { rows, classes, pool } = rings[use.memory];
      const isRing = memories[use.memory].inside && rows < memories[use.memory].rows;
      const row = (e: Expr): Expr => {
        const at = use.writes ? add(e, start) : e;
        if (pool) return slotOfPool(at, pool.slots);
        return isRing ? slot(at, classes) : simplify(at);
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
  // An output may lie over an input too, where that has been consumed.
  for (const { memory, bytes } of outputs) {
    const b = outside.get(memory), born = plan.firstWrite[memory] ?? [-1];
    if (!b || !born.every((time) => time >= 0)) continue;
    const over = overInputs({ bytes, born });
    if (over.length > 0) outside.set(memory, { ...b, over });
  }
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

/** Where a row lies in a ring that keeps so many rows of each class, one class after the other. */
function slot(row: Expr, classes: readonly number[]): Expr {
  const count = classes.length, [of, turn] = [floormod(row, count), floordiv(row, count)];
  let begin = classes.reduce((a, b) => a + b, 0);
  return classes.reduceRight<Expr | null>((others, kept, n) => {
    begin -= kept;
    const here = simplify(add(floormod(turn, kept), begin));
    return others ? select(simplifyCondition(eq(of, n)), here, others) : here;
  }, null)!;
}

/** Where a row lies in a pool: choices between as few runs of slots at one distance as there are. */
function slotOfPool(row: Expr, slots: readonly number[]): Expr {
  const at = simplify(floormod(row, slots.length));
  const choose = (from: number, to: number): Expr => {
    const step = to - from > 1 ? slots[from + 1] - slots[from] : 0;
    const isRun = slots.slice(from, to).every((s, i) => s === slots[from] + i * step);
    if (isRun) return simplify(add(mul(at, step), slots[from] - from * step));
    const middle = (from + to) >> 1;
    return select(simplifyCondition(lt(at, middle)), choose(from, middle), choose(middle, to));
  };
  return choose(0, slots.length);
}

/** What is left of a conjunction without what always holds. */
function conjuncts(e: Expr): Expr[] {
  if (e.k === "bin" && e.op === "and") return [...conjuncts(e.a), ...conjuncts(e.b)];
  return e.k === "imm" && e.value ? [] : [e];
}
