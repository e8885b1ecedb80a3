/** A copy of what a sum of products reads, with its borders filled in, so that nothing is tested. */
import { compute } from "../te/compute.ts";
import {
  add,
  and,
  bin,
  cast,
  type Expr,
  floordiv,
  floormod,
  imm,
  load,
  mul,
  rewrite,
  select,
  sub,
  type Var,
} from "../te/expr.ts";
import { loads, variables } from "../te/analyze.ts";
import { fromLinear, linear, simplify, type Term } from "../te/linear.ts";
import { conjuncts } from "./conditions.ts";
import { byteShift, columnStarts, moved, productOf, rawShift } from "./product.ts";
import { plainStage, refuse, type Stage, stageOf, type State } from "./state.ts";

/**
 *     acc[c, oh, ow] = b + Σ kh, kw where inside: x[c, oh·s + kh − p, …]·w[c, kh, kw]
 *   →
 *     acc_x[h, w, c] = inside ? x[c, h − p, …] : 0
 *     acc[c, oh, ow] = b + Σ kh, kw: acc_x[oh·s + kh, …, c]·w[c, kh, kw]
 */
export interface PadStep {
  readonly do: "pad";
  readonly stage: string;
  /** Axes of what is copied, outermost first, as positions among those of the operand. */
  readonly order: readonly number[];
  /** Copies of int8 hold the activation less a constant, as rows of a `gemm` do. */
  readonly dtype: "int8" | "int16";
  /** Elements to a multiple of which its rows are spaced; default 1. */
  readonly spacing?: number;
  /** Copies of int16 hold bytes as they are in memory; their zero point goes into the start of the sums. */
  readonly raw?: boolean;
  /** Elements that no window reads, as all are a multiple apart, are left out; default: they are not. */
  readonly sparse?: boolean;
  /** The borders are filled once, before everything else: they are the same for all parts of the copy. */
  readonly once?: boolean;
  /**
   * The last axis in blocks of so many elements, whose number is the first axis: [blocks, …, lanes].
   * What a last block lacks is nothing; it must not be computed.
   */
  readonly lanes?: number;
  /** Elements behind the last that vectors read and leave; default 0. */
  readonly behind?: number;
}

/** What an index is over all axes of the stage: from `base` + `lo` to `base` + `hi`, `step` apart. */
interface Span {
  /** The part that comes from variables outside of the stage. */
  readonly base: Expr;
  readonly lo: number;
  readonly hi: number;
  readonly step: number;
}

const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);

/** How many values an axis, or the quotient of one by a constant, takes. */
function extentOf(e: Expr, extents: ReadonlyMap<Var, number>): number | undefined {
  if (e.k === "var") return extents.get(e);
  if (e.k !== "bin" || e.op !== "floordiv" || e.a.k !== "var" || e.b.k !== "imm") return undefined;
  const extent = extents.get(e.a);
  return extent && Math.ceil(extent / Number(e.b.value));
}

/** Null where an index is not linear in the axes. */
function span(e: Expr, extents: ReadonlyMap<Var, number>): Span | null {
  const l = linear(e);
  const outside = new Map<string, Term>();
  let lo = l.constant, hi = l.constant, step = 0;
  for (const [key, { atom, coeff }] of l.terms) {
    if (![...variables(atom)].some((v) => extents.has(v))) {
      outside.set(key, { atom, coeff });
      continue;
    }
    const extent = extentOf(atom, extents);
    if (extent === undefined) return null;
    const reach = coeff * (extent - 1);
    if (extent > 1) step = gcd(step, Math.abs(coeff));
    if (reach < 0) lo += reach;
    else hi += reach;
  }
  return { base: fromLinear({ constant: 0, terms: outside }), lo, hi, step: step || 1 };
}

/** What `a − b` exceeds an index by; null where that is no constant. */
function constantAbove(a: Expr, b: Expr, index: Expr): number | null {
  const l = linear(sub(sub(a, b), index));
  return l.terms.size === 0 ? l.constant : null;
}

const LIMITS = "keep the tests in its loops";

/** The stage's operand with the range of every index. */
function operandOf(s: State, st: Stage, f: { activation: Expr }) {
  const found = loads(f.activation).filter((l) => !s.consts.has(l.src));
  if (found.length !== 1) return null;
  const { axes, out, body } = st.compute;
  const extents = new Map([
    ...axes.map((v, i) => [v, out.shape[i]] as const),
    ...(body.k === "reduce" ? body.axes.map((a) => [a.v, a.extent] as const) : []),
  ]);
  const spans = found[0].idx.map((e) => span(e, extents));
  return spans.some((x) => x === null) ? null : { l: found[0], spans: spans as Span[] };
}

/** Whether a stage's operand can be copied: its indices are linear, its conditions bounds of them. */
export function canPad(s: State, st: Stage): boolean {
  const f = productOf(s, st);
  if (typeof f === "string") return false;
  const operand = operandOf(s, st, f);
  return operand !== null &&
    f.reduce.where.flatMap(conjuncts).every((c) => bound(c, operand.l.idx));
}

/** A condition as a bound of one of the indices: index + constant `op` 0. */
function bound(c: Expr, indices: readonly Expr[]) {
  if (c.k !== "bin" || (c.op !== "ge" && c.op !== "lt")) return null;
  for (const [axis, index] of indices.entries()) {
    const constant = constantAbove(c.a, c.b, index);
    if (constant !== null) return { op: c.op, axis, constant };
  }
  return null;
}

/** A sum of multiples of `by`, divided. */
function divided(e: Expr, by: number): Expr {
  const { constant, terms } = linear(e);
  const parts = [...terms].map(([k, t]) => [k, { ...t, coeff: t.coeff / by }] as const);
  return simplify(fromLinear({ constant: constant / by, terms: new Map(parts) }));
}

export function pad(s: State, step: PadStep): State {
  const st = stageOf(s, step.stage);
  const f = productOf(s, st);
  if (typeof f === "string") refuse(`pad ${step.stage}`, f, LIMITS);
  const operand = operandOf(s, st, f);
  if (!operand) refuse(`pad ${step.stage}`, "its operand's indices are not linear", LIMITS);
  const { l } = operand;
  const spans = step.sparse ? operand.spans : operand.spans.map((x) => ({ ...x, step: 1 }));
  if (s.stages.some((x) => x.compute.out === l.src || x.rows?.flat === l.src)) {
    refuse(`pad ${step.stage}`, "its operand is a stage", "copy what comes from outside");
  }
  const bounds = f.reduce.where.flatMap(conjuncts).map((c) => bound(c, l.idx));
  if (bounds.some((b) => b === null)) {
    refuse(`pad ${step.stage}`, "a condition is no bound of an index", LIMITS);
  }
  const shift = step.dtype === "int8" ? byteShift(f) : step.raw ? rawShift(f) : 0;
  if (shift === null) {
    refuse(`pad ${step.stage}`, "the activation is no byte less a constant", "copy it as int16");
  }
  const { order, lanes } = step;
  const extents = order.map((d) => (spans[d].hi - spans[d].lo) / spans[d].step + 1),
    last = extents.at(-1)!;
  const shape = lanes === undefined
    ? extents
    : [Math.ceil(last / lanes), ...extents.slice(0, -1), Math.min(last, lanes)];
  const names = order.map((d) => `d${d}`);
  const copied = compute(
    `${st.name}_x`,
    step.dtype,
    shape,
    (...given) => {
      const at = lanes === undefined
        ? given
        : [...given.slice(1, -1), add(mul(given[0], lanes), given.at(-1)!)];
      const idx = spans.map(({ base, lo, step }, d) =>
        add(add(base, mul(at[order.indexOf(d)], step)), lo)
      );
      const outside = variables(...spans.map((x) => x.base));
      const inside = bounds.map((b) => bin(b!.op, add(idx[b!.axis], b!.constant), imm(0)));
      const read = rewrite(f.activation, (e) => e === l ? load(l.src, idx) : undefined);
      if ([...variables(read)].some((v) => !given.includes(v) && !outside.has(v))) {
        refuse(`pad ${step.stage}`, "the activation depends on more than its operand", LIMITS);
      }
      const value = moved(read, shift, step.dtype);
      return inside.length === 0 ? value : select(and(...inside), value, imm(-shift, step.dtype));
    },
    lanes === undefined ? names : ["block", ...names],
  );
  const plain = order.map((d) =>
    divided(sub(l.idx[d], add(spans[d].base, spans[d].lo)), spans[d].step)
  );
  const at = lanes === undefined ? plain : [
    floordiv(plain.at(-1)!, lanes),
    ...plain.slice(0, -1),
    floormod(plain.at(-1)!, lanes),
  ];
  const activation = cast("int32", load(copied.out, at));
  const columns = st.compute.axes.filter((v) => variables(f.weights).has(v));
  if (shift !== 0 && columns.length !== 1) {
    refuse(
      `pad ${step.stage}`,
      "its constants have several axes of the output",
      "copy it as int16",
    );
  }
  const start = shift === 0 ? null : columnStarts(`${st.name}_start`, s, st, f, shift);
  const reduce = {
    ...f.reduce,
    where: [],
    body: mul(activation, f.weights),
    init: start ? load(start[0], columns) : f.reduce.init,
  };
  return {
    consts: new Map([...s.consts, ...(start ? [start] : [])]),
    stages: s.stages.flatMap((x) =>
      x === st
        ? [{
          ...plainStage(copied),
          spacing: step.spacing ?? 1,
          once: step.once ?? false,
          behind: step.behind ?? 0,
        }, {
          ...st,
          compute: { ...st.compute, body: reduce },
        }]
        : [x]
    ),
  };
}
