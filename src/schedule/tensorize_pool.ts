/** Which pooling intrinsic a nest of a window's taps and four channels is. */
import { coefficient, linear } from "../te/linear.ts";
import type { Expr, Load, Var } from "../te/expr.ts";
import { type Pool, POOL_CHANNELS, poolBlock, poolFits } from "../tir/pool_block.ts";
import type { Access, Buffer, Intrin, Store } from "../tir/stmt.ts";
import { centred, type NestLoop, running } from "./tensorize.ts";

/** What is added to, or compared with, the accumulator: an element and what is taken from it. */
function operand(s: Store): { op: Pool["op"]; l: Load; zero: number } | null {
  const v = s.value;
  if (v.k !== "bin" || v.a.k !== "load" || v.a.src !== s.buf) return null;
  if (v.op === "max" && v.b.k === "load") return { op: "max", l: v.b, zero: 0 };
  if (v.op !== "add") return null;
  const found = centred(v.b, "int8") ?? centred(v.b, "uint8");
  return found && { op: "sum", ...found };
}

/** The call that takes a window into four accumulators; null where the nest has another form. */
export function tensorizePool(
  s: Store,
  taps: readonly NestLoop[],
  channel: NestLoop,
  start: (e: Expr) => Expr,
): Intrin | null {
  const found = operand(s);
  if (!found || channel.extent !== POOL_CHANNELS) return null;
  const { op, l, zero } = found, buf = l.src as Buffer;
  if (l.dtype !== "int8" && l.dtype !== "uint8") return null;
  if (s.buf.dtype !== (op === "sum" ? "int32" : l.dtype)) return null;
  const step = (v: Var) =>
    l.idx.reduce((sum, e, i) => sum + (coefficient(linear(e), v) ?? NaN) * buf.strides[i], 0);
  const real = taps.filter((t) => t.extent > 1);
  if (real.length > 2 || real.some((t) => !(step(t.v) > 0))) return null;
  if (taps.some((t) => s.idx.some((e) => coefficient(linear(e), t.v) !== 0))) return null;
  const acc = running(s, channel.v), x = running(l, channel.v);
  if (!acc || !x) return null;
  const [rows, cols] = real.length === 2 ? real : [null, real.at(0) ?? null];
  const p: Pool = {
    op,
    x: l.dtype,
    rows: rows?.extent ?? 1,
    cols: cols?.extent ?? 1,
    steps: [rows ? step(rows.v) : 0, cols ? step(cols.v) : 0],
  };
  if (!poolFits(p)) return null;
  const at = (a: Access): Access => ({ ...a, idx: a.idx.map(start) });
  return {
    k: "intrin",
    op: poolBlock(p),
    args: [at(acc), at(x)],
    scalars: op === "sum" ? [zero] : [],
  };
}
