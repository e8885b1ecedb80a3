/** A nest that computes bytes from bytes through floats, as one call (MVE). */
import type { Expr, Load } from "../te/expr.ts";
import { ROUND_CLAMP } from "../te/rounding.ts";
import { mapBytes, type MapExpr } from "../tir/mve_map.ts";
import { isByte } from "../tir/mve_requantize.ts";
import type { Buffer, Intrin, Stmt } from "../tir/stmt.ts";
import { begin, flat, mergeTurns, stepsOf, turnsAround } from "./nest.ts";

/** An integer of a byte less a constant. */
function byte(e: Expr): { l: Load; zero: number } | null {
  if (e.k === "bin" && (e.op === "sub" || e.op === "add") && e.b.k === "imm") {
    const inner = byte(e.a), by = Number(e.b.value);
    return inner && { l: inner.l, zero: inner.zero + (e.op === "sub" ? by : -by) };
  }
  if (e.k === "cast" && e.dtype === "int32" && e.a.k === "load" && isByte(e.a.dtype)) {
    return { l: e.a, zero: 0 };
  }
  return e.k === "load" && isByte(e.dtype) ? { l: e, zero: 0 } : null;
}

/** The value, its loads in the order in which they come; null where something else is in it. */
function mapped(e: Expr, inputs: Load[]): MapExpr | null {
  if (e.k === "imm" && e.dtype === "float32") return { op: "literal", value: Number(e.value) };
  if (e.k === "cast" && e.dtype === "float32") {
    const found = byte(e.a);
    if (!found) return null;
    return { op: "input", index: inputs.push(found.l) - 1, zero: found.zero };
  }
  if (e.k !== "bin" || e.dtype !== "float32") return null;
  if (e.op !== "add" && e.op !== "sub" && e.op !== "mul" && e.op !== "div") return null;
  const a = mapped(e.a, inputs), b = a && mapped(e.b, inputs);
  return a && b && { op: e.op, a, b };
}

/** The call in place of a nest over elements; null where the nest does something else. */
export function matchMap(s: Stmt): Intrin | null {
  const nest = turnsAround(s);
  if (!nest || nest.turns.length === 0 || nest.body.k !== "store") return null;
  const { turns, body: { buf, idx, value } } = nest;
  if (!isByte(buf.dtype) || value.k !== "cast" || value.a.k !== "call") return null;
  const { fn, args: [x, ...limits] } = value.a;
  if (fn !== ROUND_CLAMP || limits.some((e) => e.k !== "imm")) return null;
  const inputs: Load[] = [], e = mapped(x, inputs);
  if (!e || inputs.length === 0) return null;
  const steps = [flat(buf, idx), ...inputs.map((l) => flat(l.src as Buffer, l.idx))]
    .map((l) => stepsOf(l, turns));
  if (steps.some((x) => x === null)) return null;
  const run = mergeTurns(turns.map((t) => t.extent), ...steps as number[][]);
  if (!run || run.extent === 1 || run.steps.some((n) => n !== 1)) return null;
  const [zero, lo, hi] = limits.map((l) => Number((l as { value: number }).value));
  const op = mapBytes({
    count: run.extent,
    inputs: inputs.map((l) => l.dtype as "int8" | "uint8"),
    value: e,
    bounds: { dtype: buf.dtype, zero, lo, hi },
  });
  if (!op) return null;
  const args = [
    begin(buf, idx, turns),
    ...inputs.map((l) => begin(l.src as Buffer, l.idx, turns)),
  ];
  return { k: "intrin", op, args, scalars: [] };
}
