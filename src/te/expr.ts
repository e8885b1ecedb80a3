/**
 * Scalar expressions: the one grammar that operator definitions (te), loop programs (tir), the
 * interpreter and the C printer share. The constructors fold constants as they build, so that an
 * expression which is built twice is the same expression.
 *
 * Meaning. Integers of up to 32 bits and float32 round or wrap after every operation as their C
 * types do; an integer overflow is a defect of the definition, not something to rely on. `div` and
 * `mod` truncate as C does; `floordiv` and `floormod` are for indices and shapes. `rint` rounds half
 * to even.
 */
import { type DType, isFloat, isStored } from "../util/dtype.ts";
import type { ScalarFn } from "./functions.ts";
import { fromStored, OVERFLOWING, toStored } from "./stored.ts";

/** A literal. bool literals are 0 and 1. */
export interface Imm {
  readonly k: "imm";
  readonly dtype: DType;
  readonly value: number | bigint;
}
/** A loop or let variable; two variables are the same only if they are the same object. */
export interface Var {
  readonly k: "var";
  readonly dtype: DType;
  readonly name: string;
  /** Smallest and largest value, where they are known: what index simplification rests on. */
  readonly range?: Interval;
}
/** Both ends included. */
export type Interval = readonly [number, number];
export type BinOp =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "mod"
  | "floordiv"
  | "floormod"
  | "min"
  | "max"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr"
  | "eq"
  | "ne"
  | "lt"
  | "le"
  | "gt"
  | "ge";
export interface Bin {
  readonly k: "bin";
  readonly op: BinOp;
  readonly dtype: DType;
  readonly a: Expr;
  readonly b: Expr;
}
export type UnOp = "neg" | "not" | "abs" | "sqrt" | "floor" | "ceil" | "trunc" | "rint" | "bitnot";
export interface Un {
  readonly k: "un";
  readonly op: UnOp;
  readonly dtype: DType;
  readonly a: Expr;
}
/** Value conversion as in C; float to integer truncates, and saturates where C leaves it open. */
export interface Cast {
  readonly k: "cast";
  readonly dtype: DType;
  readonly a: Expr;
}
/** The same bits as another type of equal size. */
export interface Bits {
  readonly k: "bits";
  readonly dtype: DType;
  readonly a: Expr;
}
/** Only the chosen branch is evaluated, so a guarded load may be out of range otherwise. */
export interface Select {
  readonly k: "select";
  readonly dtype: DType;
  readonly cond: Expr;
  readonly a: Expr;
  readonly b: Expr;
}
/** Anything that can be indexed: a tensor of a definition, a buffer of a loop program. */
export interface Indexable {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}
export interface Load {
  readonly k: "load";
  readonly dtype: DType;
  readonly src: Indexable;
  readonly idx: readonly Expr[];
}
export interface Call {
  readonly k: "call";
  readonly dtype: DType;
  readonly fn: ScalarFn;
  readonly args: readonly Expr[];
}
export type ReduceOp = "sum" | "prod" | "max" | "min";
/** The operation that takes one more element into a reduction. */
export const REDUCE_STEP: Readonly<Record<ReduceOp, BinOp>> = {
  sum: "add",
  prod: "mul",
  max: "max",
  min: "min",
};
/** An axis of a reduction and its extent. */
export interface ReduceAxis {
  readonly v: Var;
  readonly extent: number;
}
/**
 * A reduction over axes in their order (floats keep it under every schedule). Where `where` does not
 * hold, the element contributes nothing; `init` is what the accumulator starts with.
 */
export interface Reduce {
  readonly k: "reduce";
  readonly dtype: DType;
  readonly op: ReduceOp;
  readonly axes: readonly ReduceAxis[];
  readonly init: Expr;
  readonly where: readonly Expr[];
  readonly body: Expr;
}

export type Expr = Imm | Var | Bin | Un | Cast | Bits | Select | Load | Call | Reduce;

const COMPARE = new Set<BinOp>(["eq", "ne", "lt", "le", "gt", "ge"]);

/** A literal of a type; integers of 64 bits become BigInt. */
export function imm(value: number | bigint, dtype: DType = "int32"): Imm {
  if (dtype === "int64" || dtype === "uint64") return { k: "imm", dtype, value: BigInt(value) };
  return {
    k: "imm",
    dtype,
    value: dtype === "float32" ? Math.fround(Number(value)) : Number(value),
  };
}
export const f32 = (value: number): Imm => imm(value, "float32");
export const TRUE: Imm = { k: "imm", dtype: "bool", value: 1 };
export const FALSE: Imm = { k: "imm", dtype: "bool", value: 0 };
export const variable = (name: string, dtype: DType = "int32", range?: Interval): Var => ({
  k: "var",
  dtype,
  name,
  range,
});

type Operand = Expr | number;
const lift = (x: Operand, dtype: DType): Expr => typeof x === "number" ? imm(x, dtype) : x;
const isImm = (e: Expr, value: number): boolean => e.k === "imm" && Number(e.value) === value;

/** An integer operation on known numbers; undefined for one by zero, or where the bits matter. */
export function foldIndex(op: BinOp, a: number, b: number): number | undefined {
  switch (op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "div":
      return b === 0 ? undefined : Math.trunc(a / b);
    case "mod":
      return b === 0 ? undefined : a % b;
    case "floordiv":
      return b === 0 ? undefined : Math.floor(a / b);
    case "floormod":
      return b === 0 ? undefined : a - b * Math.floor(a / b);
    case "min":
      return Math.min(a, b);
    case "max":
      return Math.max(a, b);
    case "eq":
      return +(a === b);
    case "ne":
      return +(a !== b);
    case "lt":
      return +(a < b);
    case "le":
      return +(a <= b);
    case "gt":
      return +(a > b);
    case "ge":
      return +(a >= b);
  }
}

/** Identities that hold for every value of an integer type, used for index arithmetic. */
function simplifyInt(op: BinOp, a: Expr, b: Expr): Expr | undefined {
  switch (op) {
    case "add":
      return isImm(a, 0) ? b : isImm(b, 0) ? a : undefined;
    case "sub":
      return isImm(b, 0) ? a : undefined;
    case "mul":
      if (isImm(a, 0) || isImm(b, 0)) return imm(0, a.dtype);
      return isImm(a, 1) ? b : isImm(b, 1) ? a : undefined;
    case "div":
    case "floordiv":
      return isImm(b, 1) ? a : isImm(a, 0) ? a : undefined;
    case "mod":
    case "floormod":
      return isImm(b, 1) ? imm(0, a.dtype) : isImm(a, 0) ? a : undefined;
  }
}

/** A binary operation; both operands have one type, a number takes the other's. */
export function bin(op: BinOp, x: Operand, y: Operand): Expr {
  const dtype = typeof x !== "number" ? x.dtype : typeof y !== "number" ? y.dtype : "int32";
  const a = lift(x, dtype), b = lift(y, dtype);
  if (a.dtype !== b.dtype) throw new TypeError(`${op} of ${a.dtype} and ${b.dtype}`);
  refuseStored(op, dtype);
  if (dtype === "bool" && (op === "max" || op === "min")) op = op === "max" ? "or" : "and";
  const out = COMPARE.has(op) ? "bool" : dtype;
  if (
    a.k === "imm" && b.k === "imm" && typeof a.value === "number" && typeof b.value === "number"
  ) {
    // Float literals fold only where one rounding gives the same bits; integers where they fit.
    const r = dtype === "int32" || COMPARE.has(op) || (dtype === "float32" && op !== "mod")
      ? dtype === "float32" && op === "div" ? a.value / b.value : foldIndex(op, a.value, b.value)
      : undefined;
    if (r !== undefined && (out !== "int32" || r === (r | 0))) return imm(r, out);
  }
  if (!isFloat(dtype)) {
    if (dtype === "bool" && op === "and") {
      if (isImm(a, 1)) return b;
      if (isImm(b, 1)) return a;
    }
    const s = simplifyInt(op, a, b);
    if (s) return s;
  }
  return { k: "bin", op, dtype: out, a, b };
}

/** Bit patterns cannot be computed with: an importer converts before and after (see onnx/widen.ts). */
function refuseStored(op: string, dtype: DType): void {
  if (isStored(dtype)) throw new TypeError(`${op} of ${dtype}, which is storage only`);
}

export const add = (a: Operand, b: Operand): Expr => bin("add", a, b);
export const sub = (a: Operand, b: Operand): Expr => bin("sub", a, b);
export const mul = (a: Operand, b: Operand): Expr => bin("mul", a, b);
export const div = (a: Operand, b: Operand): Expr => bin("div", a, b);
export const floordiv = (a: Operand, b: Operand): Expr => bin("floordiv", a, b);
export const floormod = (a: Operand, b: Operand): Expr => bin("floormod", a, b);
export const min = (a: Operand, b: Operand): Expr => bin("min", a, b);
export const max = (a: Operand, b: Operand): Expr => bin("max", a, b);
export const eq = (a: Operand, b: Operand): Expr => bin("eq", a, b);
export const lt = (a: Operand, b: Operand): Expr => bin("lt", a, b);
export const le = (a: Operand, b: Operand): Expr => bin("le", a, b);
export const gt = (a: Operand, b: Operand): Expr => bin("gt", a, b);
export const ge = (a: Operand, b: Operand): Expr => bin("ge", a, b);
/** Logical conjunction; true when the list is empty. */
export const and = (...conds: Expr[]): Expr =>
  conds.reduce((a, b) => bin("and", a, b), TRUE as Expr);

export function un(op: UnOp, a: Expr): Expr {
  refuseStored(op, a.dtype);
  return { k: "un", op, dtype: a.dtype, a };
}
export const sqrt = (a: Expr): Expr => un("sqrt", a);
export const rint = (a: Expr): Expr => un("rint", a);

/** Converts; types that are storage only by the functions of stored.ts, large floats to infinity. */
export function cast(dtype: DType, a: Expr): Expr {
  if (a.dtype === dtype) return a;
  if (isStored(a.dtype)) return cast(dtype, fromStored(a));
  if (isStored(dtype)) return toStored(dtype, a, OVERFLOWING);
  if (a.k === "imm" && typeof a.value === "number") {
    if (dtype === "float32") return f32(a.value);
    if (dtype === "int32" && a.value === (a.value | 0)) return imm(a.value);
  }
  return { k: "cast", dtype, a };
}
export const bits = (dtype: DType, a: Expr): Expr => ({ k: "bits", dtype, a });

export function select(cond: Expr, a: Operand, b: Operand): Expr {
  const dtype = typeof a !== "number" ? a.dtype : typeof b !== "number" ? b.dtype : "int32";
  const x = lift(a, dtype), y = lift(b, dtype);
  if (x.dtype !== y.dtype) throw new TypeError(`select of ${x.dtype} and ${y.dtype}`);
  if (cond.k === "imm") return cond.value ? x : y;
  return { k: "select", dtype, cond, a: x, b: y };
}

export function load(src: Indexable, idx: readonly Operand[]): Load {
  if (idx.length !== src.shape.length) {
    throw new TypeError(`${src.name} has ${src.shape.length} axes, indexed with ${idx.length}`);
  }
  return { k: "load", dtype: src.dtype, src, idx: idx.map((i) => lift(i, "int32")) };
}

export const call = (fn: ScalarFn, ...args: Expr[]): Call => ({
  k: "call",
  dtype: fn.dtype,
  fn,
  args,
});

/** Clamps to [lo, hi]. */
export const clamp = (e: Expr, lo: Operand, hi: Operand): Expr => min(max(e, lo), hi);

/** The operands of an expression, in order (reduction bounds excluded, they are constants). */
export function children(e: Expr): readonly Expr[] {
  switch (e.k) {
    case "imm":
    case "var":
      return [];
    case "bin":
      return [e.a, e.b];
    case "un":
    case "cast":
    case "bits":
      return [e.a];
    case "select":
      return [e.cond, e.a, e.b];
    case "load":
      return e.idx;
    case "call":
      return e.args;
    case "reduce":
      return [e.init, ...e.where, e.body];
  }
}

/** The expression with `f` applied to its operands; the same object where they stay the same. */
export function mapChildren(e: Expr, f: (e: Expr) => Expr): Expr {
  const same = (xs: readonly Expr[], ys: readonly Expr[]): boolean =>
    xs.every((x, i) => x === ys[i]);
  switch (e.k) {
    case "imm":
    case "var":
      return e;
    case "bin": {
      const a = f(e.a), b = f(e.b);
      return a === e.a && b === e.b ? e : bin(e.op, a, b);
    }
    case "un": {
      const a = f(e.a);
      return a === e.a ? e : un(e.op, a);
    }
    case "cast": {
      const a = f(e.a);
      return a === e.a ? e : cast(e.dtype, a);
    }
    case "bits": {
      const a = f(e.a);
      return a === e.a ? e : bits(e.dtype, a);
    }
    case "select": {
      const c = f(e.cond), a = f(e.a), b = f(e.b);
      return c === e.cond && a === e.a && b === e.b ? e : select(c, a, b);
    }
    case "load": {
      const idx = e.idx.map(f);
      return same(idx, e.idx) ? e : { ...e, idx };
    }
    case "call": {
      const args = e.args.map(f);
      return same(args, e.args) ? e : { ...e, args };
    }
    case "reduce": {
      const init = f(e.init), where = e.where.map(f), body = f(e.body);
      return init === e.init && body === e.body && same(where, e.where)
        ? e
        : { ...e, init, where, body };
    }
  }
}

/**
 * Rebuilds an expression bottom up: `f` sees each node with its operands already rebuilt and returns
 * its replacement, or undefined to keep it. Untouched subtrees stay the same objects.
 */
export function rewrite(e: Expr, f: (e: Expr) => Expr | undefined): Expr {
  const rebuilt = mapChildren(e, (x) => rewrite(x, f));
  return f(rebuilt) ?? rebuilt;
}

/** Rebuilds an expression top down: what `f` returns stands as it is, else the operands are next. */
export const transform = (e: Expr, f: (e: Expr) => Expr | undefined): Expr =>
  f(e) ?? mapChildren(e, (x) => transform(x, f));

/** Replaces variables. */
export const substitute = (e: Expr, by: ReadonlyMap<Var, Expr>): Expr =>
  by.size === 0 ? e : rewrite(e, (x) => x.k === "var" ? by.get(x) : undefined);

/** Visits every node, outermost first. */
export function visit(e: Expr, f: (e: Expr) => void): void {
  f(e);
  for (const c of children(e)) visit(c, f);
}
