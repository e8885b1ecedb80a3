/**
 * Loop programs: what a kernel does, step by step, on buffers. The same grammar is verified,
 * interpreted and printed as C.
 *
 *   stmt ::= for v in [lo, hi) stmt | buf[idx] = expr | if (cond) stmt else stmt | let v = expr in stmt
 *          | alloc buf in stmt | intrinsic(access, …) | { stmt … }
 */
import type { DType } from "../util/dtype.ts";
import { sizeOf, type TensorData } from "../util/tensor.ts";
import { add, type Expr, imm, type Indexable, mul, type Var } from "../te/expr.ts";
import type { TensorIntrin } from "./intrinsics.ts";

/**
 * Where a buffer lives: `input` and `output` are pointers that the caller passes, `param` constants
 * of the model, `scratch` arena memory for this kernel alone, `local` an array of the C function.
 */
export type Scope = "input" | "output" | "param" | "scratch" | "local";

/** Strided memory with a shape; strides and offset in elements. */
export interface Buffer extends Indexable {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly scope: Scope;
  /** Elements that the memory behind it holds. */
  readonly length: number;
  /** Alignment in bytes that the code relies on. */
  readonly align: number;
  readonly data?: TensorData;
  /** While it is scheduled: the distance of its rows where these may lie anywhere in the end. */
  readonly rowsApart?: number;
  /** Of scratch: the first and the last part of the kernel that it holds something in; all, if absent. */
  readonly within?: readonly [number, number];
  /**
   * Of scratch or an output: bytes behind the begin of an input at which it may lie over it, if nobody
   * else reads that; of scratch: the same of an output that nobody has written before.
   */
  readonly over?: readonly Over[];
}

/** Leave to lie over an input or output: whatever is overwritten has been read. */
export interface Over {
  /** The name of the kernel's buffer. */
  readonly buffer: string;
  readonly shifts: readonly number[];
}

export interface For {
  readonly k: "for";
  readonly v: Var;
  readonly lo: Expr;
  readonly hi: Expr;
  readonly body: Stmt;
  /** From the last to the first. */
  readonly reversed?: boolean;
}
export interface Store {
  readonly k: "store";
  readonly buf: Buffer;
  readonly idx: readonly Expr[];
  readonly value: Expr;
}
export interface If {
  readonly k: "if";
  readonly cond: Expr;
  readonly then: Stmt;
  readonly else: Stmt | null;
}
export interface Let {
  readonly k: "let";
  readonly v: Var;
  readonly value: Expr;
  readonly body: Stmt;
}
export interface Alloc {
  readonly k: "alloc";
  readonly buf: Buffer;
  readonly body: Stmt;
}
export interface Seq {
  readonly k: "seq";
  readonly body: readonly Stmt[];
}
/** The first element that an intrinsic touches of a buffer, and the axis along which it goes on. */
export interface Access {
  readonly buf: Buffer;
  readonly idx: readonly Expr[];
  readonly axis: number;
}

/** The index of the element so many behind an access, along its axis. */
export const behind = (a: Access, by: Expr | number): Expr[] =>
  a.idx.map((e, i) => i === a.axis ? add(e, by) : e);

export interface Intrin {
  readonly k: "intrin";
  readonly op: TensorIntrin;
  readonly args: readonly Access[];
  /** Compile-time integers of the intrinsic, such as a zero point. */
  readonly scalars: readonly number[];
}
export type Stmt = For | Store | If | Let | Alloc | Seq | Intrin;

/** A kernel: a loop program over its buffers. */
export interface Kernel {
  readonly name: string;
  /** Inputs, outputs, scratch, in the order of the C function's parameters; params are globals. */
  readonly buffers: readonly Buffer[];
  readonly params: readonly Buffer[];
  readonly body: Stmt;
  /** ONNX nodes that it computes. */
  readonly origin: readonly string[];
  readonly ops: readonly string[];
  readonly macs: number;
  /** Its loops run as they are written: no element may be computed in another order. */
  readonly ordered?: true;
}

/** Bytes of the memory behind a buffer. */
export const bufferBytes = (b: Buffer, elementBytes: number): number => b.length * elementBytes;
/** The place of an element in the memory behind a buffer, in elements. */
export const addressOf = ({ strides, offset }: Buffer, idx: readonly Expr[]): Expr =>
  idx.reduce<Expr>((e, x, i) => add(e, mul(x, strides[i])), imm(offset));

/** Names the memory behind a buffer: views of it share scope and name. */
export const memoryOf = (b: Buffer): string => `${b.scope}:${b.name}`;

/** A sequence without empty or single-element nesting. */
export function seq(...parts: (Stmt | null)[]): Stmt {
  const body = parts.flatMap((s) => s === null ? [] : s.k === "seq" ? s.body : [s]);
  return body.length === 1 ? body[0] : { k: "seq", body };
}

/** Rebuilds a program: statements bottom up through `stmt`, expressions through `expr`. */
export function mapStmt(
  s: Stmt,
  f: { stmt?: (s: Stmt) => Stmt; expr?: (e: Expr) => Expr },
): Stmt {
  const x = f.expr ?? ((e: Expr) => e);
  const r = (t: Stmt): Stmt => mapStmt(t, f);
  const rebuilt = ((): Stmt => {
    switch (s.k) {
      case "for":
        return { ...s, lo: x(s.lo), hi: x(s.hi), body: r(s.body) };
      case "store":
        return { ...s, idx: s.idx.map(x), value: x(s.value) };
      case "if":
        return { ...s, cond: x(s.cond), then: r(s.then), else: s.else && r(s.else) };
      case "let":
        return { ...s, value: x(s.value), body: r(s.body) };
      case "alloc":
        return { ...s, body: r(s.body) };
      case "seq":
        return seq(...s.body.map(r));
      case "intrin":
        return { ...s, args: s.args.map((a) => ({ ...a, idx: a.idx.map(x) })) };
    }
  })();
  return f.stmt ? f.stmt(rebuilt) : rebuilt;
}

/** Visits every statement, outermost first. */
export function visitStmt(s: Stmt, f: (s: Stmt) => void): void {
  f(s);
  if (s.k === "seq") s.body.forEach((t) => visitStmt(t, f));
  else if (s.k === "if") {
    visitStmt(s.then, f);
    if (s.else) visitStmt(s.else, f);
  } else if (s.k === "for" || s.k === "let" || s.k === "alloc") visitStmt(s.body, f);
}

/** The expressions that a statement itself evaluates (not those of statements inside it). */
export function expressions(s: Stmt): readonly Expr[] {
  switch (s.k) {
    case "for":
      return [s.lo, s.hi];
    case "store":
      return [...s.idx, s.value];
    case "if":
      return [s.cond];
    case "let":
      return [s.value];
    case "intrin":
      return s.args.flatMap((a) => a.idx);
    default:
      return [];
  }
}

/** A dense row-major buffer. */
export function denseBuffer(
  name: string,
  dtype: DType,
  shape: readonly number[],
  scope: Scope,
  strides: readonly number[],
  align: number,
): Buffer {
  return { name, dtype, shape, strides, offset: 0, scope, length: sizeOf(shape), align };
}
