/**
 * What a loop program costs on a core, counted before any C compiler has seen it.
 *
 * Every statement's operations are counted as often as the statement runs; an operation whose
 * operands do not change in the inner loops is counted where they last change, as the C compiler
 * moves it there. Elements of one memory whose addresses differ by a constant share a pointer. What
 * an operation costs in instructions is data per kind of core (cost_table.ts).
 */
import type { DType } from "../util/dtype.ts";
import { bytesOf, isFloat } from "../util/dtype.ts";
import { has, isHost, type Target } from "../target/target.ts";
import { type Bin, children, type Expr, type Load, type Var } from "../te/expr.ts";
import type { ScalarFn } from "../te/functions.ts";
import { keyOf, type Linear, linear } from "../te/linear.ts";
import { REQUANTIZE, REQUANTIZE_WORD, ROUND_CLAMP, SHIFT_CLAMP } from "../te/rounding.ts";
import { type Costs, costsOf, type Operation } from "./cost_table.ts";
import {
  type Access,
  addressOf,
  type Buffer,
  type For,
  type Intrin,
  type Kernel,
  memoryOf,
  type Stmt,
  visitStmt,
} from "./stmt.ts";
import { type CVariant, variantFor } from "./intrinsics.ts";
import { countTrips, type Trips } from "./trips.ts";

/** What a kernel does in one call. */
export interface Operations {
  /** How often it does each kind of operation; what intrinsics take is among them. */
  readonly counts: ReadonlyMap<Operation, number>;
  /** Instructions of each intrinsic's text. */
  readonly texts: ReadonlyMap<CVariant, number>;
}

/** Instructions of one call of a kernel on a core, as predicted. */
export function predictInstructions(kernel: Kernel, target: Target): number {
  return Math.round(weigh(countOperations(kernel, target), costsOf(target)));
}

/** What operations take, each so much. */
export const weigh = (counts: ReadonlyMap<Operation, number>, costs: Costs): number =>
  [...counts].reduce((sum, [op, times]) => sum + costs[op] * times, 0);

/** How often a kernel does each kind of operation. */
export const countOperations = (kernel: Kernel, target: Target): ReadonlyMap<Operation, number> =>
  operationsOf(kernel, target).counts;

/** @param trips how often statements run: as often as they do, or once for what stands in the code */
export function operationsOf(
  kernel: Kernel,
  target: Target,
  trips: (body: Stmt) => Trips = countTrips,
): Operations {
  const counter = new Counter(target, trips(kernel.body), trips);
  counter.statement(kernel.body);
  counter.charge("kernel", 1);
  return counter;
}

/** Turns of a loop that the C compiler writes out. */
const UNROLLED = 2;
/** Stores in such a loop. */
const UNROLLED_WEIGHT = 4;

/** Longest local array that the C compiler keeps in registers. */
const REGISTERS = 8;

/** Bytes behind and before a pointer that an access reaches without arithmetic (Thumb-2). */
const NEAR_BACK = 255, NEAR = 4095;

const isConstantIndex = (idx: readonly Expr[]): boolean =>
  idx.every((e) => linear(e).terms.size === 0);

/** Whether the C compiler writes the turns of a loop out one after the other. */
function isUnrolled({ lo, hi, body }: For): boolean {
  if (lo.k !== "imm" || hi.k !== "imm") return false;
  const turns = Number(hi.value) - Number(lo.value);
  if (turns <= 1) return true;
  let weight = 0;
  visitStmt(body, (s) => void (weight += s.k === "intrin" ? UNROLLED_WEIGHT : +(s.k === "store")));
  return turns <= UNROLLED && weight < UNROLLED_WEIGHT;
}

/** Whether a store to one memory may change what is read from another, by C's rules. */
function mayAlias(written: Buffer, read: Buffer): boolean {
  if (memoryOf(written) === memoryOf(read)) return true;
  if (written.scope === "local" || read.scope === "local") return false;
  return bytesOf(written.dtype) === 1 || bytesOf(read.dtype) === 1 || written.dtype === read.dtype;
}

/** Whether an index depends on elements of tensors. */
const readsData = (e: Expr): boolean => e.k === "load" || children(e).some(readsData);

/** The memories that an expression reads, but for constants. */
function memories(e: Expr): Buffer[] {
  const own = e.k === "load" && (e.src as Buffer).scope !== "param" ? [e.src as Buffer] : [];
  return [...own, ...children(e).flatMap(memories)];
}

/** Whether an access can move its pointer on to the next turn's element. */
function isStep(b: Buffer, offset: Linear, v: Var | undefined): boolean {
  const step = v && offset.terms.get(keyOf(v))?.coeff;
  if (step === undefined) return false;
  return isFloat(b.dtype) ? step === 1 : Math.abs(step) * bytesOf(b.dtype) <= NEAR_BACK;
}

/** Whether a local array is long, indexed by variables, or taken by an intrinsic that wants memory. */
function liesInMemory(local: Buffer, body: Stmt, target: Target): boolean {
  if (local.length === 1) return false;
  if (local.length > REGISTERS) return true;
  const own = (b: Buffer) => b.scope === "local" && b.name === local.name;
  const indexed = (e: Expr): boolean =>
    e.k === "load" && own(e.src as Buffer) && !isConstantIndex(e.idx) || children(e).some(indexed);
  let found = false;
  visitStmt(body, (s) => {
    if (s.k === "store") {
      found ||= (own(s.buf) && !isConstantIndex(s.idx)) || indexed(s.value);
    } else if (s.k === "intrin" && s.args.some((a) => own(a.buf))) {
      found ||= variantFor(s.op, target).inMemory === true ||
        s.args.some((a) => own(a.buf) && !isConstantIndex(a.idx));
    }
  });
  return found;
}

/** Walks a loop program and keeps in mind what the code before a statement has at hand. */
class Counter {
  readonly counts = new Map<Operation, number>();
  readonly texts = new Map<CVariant, number>();
  /** Loops around the statement, outermost first. */
  readonly #loops: For[] = [];
  /** The number of loops outside which a variable does not change. */
  readonly #depth = new Map<Var, number>();
  /** What the straight-line code around the statement has computed already, and from which memory. */
  #known = new Map<string, readonly Buffer[]>();
  /** Loops that the C compiler writes out. */
  readonly #unrolled = new Set<For>();
  /** Local arrays of more than one element that lie in memory. */
  readonly #inMemory = new Set<string>();
  /** How often the statement runs. */
  #runs = 1;

  constructor(
    readonly target: Target,
    readonly trips: Trips,
    readonly count: (body: Stmt) => Trips,
  ) {}

  charge(op: Operation, times: number): void {
    this.counts.set(op, (this.counts.get(op) ?? 0) + times);
  }

  #text(c: CVariant, instructions: number): void {
    this.charge("instruction", instructions);
    this.texts.set(c, (this.texts.get(c) ?? 0) + instructions);
  }

  /** Charges an operation whose operands change in `depth` loops around the statement. */
  #at(op: Operation, depth: number): number {
    const turns = depth >= this.#loops.length
      ? this.#runs
      : depth === 0
      ? 1
      : this.trips.iterations.get(this.#loops[depth - 1]) ?? 0;
    this.charge(op, Math.min(turns, this.#runs));
    return depth;
  }

  statement(s: Stmt): void {
    const runs = this.trips.runs.get(s) ?? 0;
    if (runs === 0) return;
    this.#runs = runs;
    switch (s.k) {
      case "seq":
        return s.body.forEach((t) => this.statement(t));
      case "alloc":
        if (liesInMemory(s.buf, s.body, this.target)) this.#inMemory.add(s.buf.name);
        else this.#inMemory.delete(s.buf.name);
        return this.statement(s.body);
      case "let":
        this.#depth.set(s.v, this.#expr(s.value));
        return this.statement(s.body);
      case "if":
        this.#condition(s.cond);
        this.#apart(() => this.statement(s.then));
        if (s.else) this.#apart(() => this.statement(s.else!));
        return;
      case "for":
        return this.#loop(s);
      case "store":
        return this.#store(s.buf, s.idx, s.value);
      case "intrin":
        return this.#intrinsic(s);
    }
  }

  /** What is computed inside is not known behind it. */
  #apart(f: () => void): void {
    const known = this.#known;
    this.#known = new Map(known);
    f();
    this.#known = known;
  }

  #loop(s: For): void {
    const turns = this.trips.iterations.get(s) ?? 0;
    if (s.lo.k !== "imm" || s.hi.k !== "imm") {
      this.#expr(s.lo);
      this.#expr(s.hi);
      this.charge("branch", this.#runs);
      this.charge("bounds", this.#runs);
      if (s.body.k === "intrin") this.charge("count", turns);
    }
    if (isUnrolled(s)) this.#unrolled.add(s);
    else {
      this.charge("enter", this.#runs);
      this.charge("turn", turns);
    }
    this.#loops.push(s);
    this.#depth.set(s.v, this.#loops.length);
    this.#apart(() => this.statement(s.body));
    this.#loops.pop();
  }

  /** Whether a memory is a few registers of the function. */
  #inRegisters(b: Buffer): boolean {
    return b.scope === "local" && !this.#inMemory.has(b.name);
  }

  #store(b: Buffer, idx: readonly Expr[], value: Expr): void {
    if (
      value.k === "load" && b.scope === "local" && !this.#inRegisters(b) && has(this.target, "mve")
    ) {
      // gcc copies four neighbours at once.
      this.#address(value.src as Buffer, value.idx);
      this.#forget(b);
      this.#at("copy", this.#loops.length);
      return;
    }
    if (this.#isWord(b) || (value.k === "load" && this.#isWord(value.src as Buffer))) {
      // A word of bytes is set and moved as a whole.
      this.#address(b, idx);
      this.#forget(b);
      this.charge(value.k === "imm" ? "store" : "copy", this.#runs / 4);
      return;
    }
    this.#value(value, b.dtype);
    this.#forget(b);
    if (this.#inRegisters(b)) {
      if (value.k === "imm") this.#at("move", this.#loops.length);
      return;
    }
    this.#address(b, idx);
    this.#at("store", this.#loops.length);
  }

  /** Whether a local array is four bytes in memory, which cores that reach words anywhere take as one. */
  #isWord(b: Buffer): boolean {
    return b.scope === "local" && b.length === 4 && bytesOf(b.dtype) === 1 &&
      !this.#inRegisters(b) && has(this.target, "umull");
  }

  /** What was read of a memory is no longer known after a store to it. */
  #forget(written: Buffer): void {
    for (const [key, read] of this.#known) {
      if (read.some((b) => mayAlias(written, b))) this.#known.delete(key);
    }
  }

  /** A value to be stored: narrowing it costs nothing. */
  #value(e: Expr, to: DType): number {
    return e.k === "cast" && !isFloat(e.a.dtype) && e.dtype === to
      ? this.#expr(e.a)
      : this.#expr(e);
  }

  /** Pointers: one for all elements of a memory whose addresses differ by a constant. */
  #address(b: Buffer, idx: readonly Expr[], stepped = true): number {
    const offset = linear(addressOf(b, idx));
    const depth = this.#depthOf(offset);
    const key = `&${b.scope}:${b.name}:${
      [...offset.terms].map(([k, t]) => `${t.coeff}${k}`).sort()
    }`;
    if (!stepped && (offset.constant < -NEAR_BACK || offset.constant > NEAR)) {
      this.#at("alu", this.#loops.length);
    }
    if (this.#known.has(key)) {
      if (this.#known.has(`${key}+`)) return depth;
      // The second element: the pointer can no longer be stepped by the access itself.
      this.#known.set(`${key}+`, []);
      if (depth > 0 && depth === this.#loops.length) this.#step(depth);
      return depth;
    }
    this.#known.set(key, []);
    const depths = new Set([...offset.terms.values()].map((t) => this.#depthOfExpr(t.atom)));
    depths.delete(0);
    const free = stepped && isStep(b, offset, this.#loops.at(-1)?.v);
    for (const d of depths) {
      if (d < this.#loops.length || !free) this.#step(d);
      this.#setUp(d);
    }
    if (!free) this.#known.set(`${key}+`, []);
    for (const t of offset.terms.values()) if (readsData(t.atom)) this.#expr(t.atom);
    return depth;
  }

  /** A pointer goes on in a loop. */
  #step(depth: number): void {
    if (!this.#unrolled.has(this.#loops[depth - 1])) this.#at("pointer", depth);
  }

  /** A pointer is set to where a loop begins. */
  #setUp(depth: number): void {
    const loop = this.#loops[depth - 1];
    if (this.#unrolled.has(loop)) return;
    this.charge("setUp", Math.min(this.#runs, this.trips.runs.get(loop) ?? 0));
  }

  #depthOf(l: Linear): number {
    return Math.max(0, ...[...l.terms.values()].map((t) => this.#depthOfExpr(t.atom)));
  }
  #depthOfExpr(e: Expr): number {
    if (e.k === "var") return this.#depth.get(e) ?? 0;
    if (readsData(e)) return this.#loops.length;
    return Math.max(0, ...children(e).map((c) => this.#depthOfExpr(c)));
  }

  #condition(e: Expr): void {
    if (e.k === "bin" && e.op === "and") {
      this.#condition(e.a);
      this.#condition(e.b);
      return;
    }
    const depth = children(e).map((c) => this.#expr(c));
    this.#at(
      e.k === "bin" && isFloat(e.a.dtype) ? "floatCompare" : "branch",
      Math.max(0, ...depth, this.#loops.length),
    );
  }

  /** Charges an expression and says in how many loops its value changes. */
  #expr(e: Expr): number {
    if (e.k === "imm") return 0;
    if (e.k === "var") return this.#depth.get(e) ?? 0;
    const key = keyOf(e);
    const depth = this.#known.has(key) ? this.#depthOfExpr(e) : this.#fresh(e);
    if (!this.#known.has(key)) this.#known.set(key, memories(e));
    return depth;
  }

  #fresh(e: Expr): number {
    switch (e.k) {
      case "load":
        return this.#load(e);
      case "select": {
        this.#condition(e.cond);
        const a = this.#expr(e.a), b = this.#expr(e.b);
        return Math.max(a, b, this.#at("move", this.#loops.length));
      }
      case "cast":
        return this.#cast(e.dtype, e.a);
      case "bits":
        return this.#at("move", this.#expr(e.a));
      case "un": {
        const depth = this.#expr(e.a);
        if (!isFloat(e.dtype)) return this.#at("alu", depth);
        if (e.op === "neg" || e.op === "abs") return this.#at("floatAdd", depth);
        return this.#at(e.op === "sqrt" ? "floatSqrt" : "floatRound", depth);
      }
      case "bin":
        return this.#binary(e);
      case "call":
        return this.#call(e.fn, e.args);
      default:
        return 0;
    }
  }

  #load(e: Load): number {
    const b = e.src as Buffer;
    if (this.#inRegisters(b)) return this.#loops.length;
    const depth = this.#address(b, e.idx);
    const at = b.scope === "param" ? depth : this.#loops.length;
    return this.#at(isFloat(b.dtype) ? "floatLoad" : "load", at);
  }

  #cast(to: DType, from: Expr): number {
    const depth = this.#expr(from);
    if (isFloat(to) && isFloat(from.dtype)) return this.#at("floatConvert", depth);
    if (isFloat(to)) return this.#at("toFloat", depth);
    if (isFloat(from.dtype)) return this.#at("fromFloat", depth);
    const widens = to === "int32" || to === "uint32";
    return widens || from.k === "load" ? depth : this.#at("alu", depth);
  }

  #binary(e: Bin): number {
    const { op, a, b } = e, d = a.dtype;
    if (isFloat(d)) {
      const depth = Math.max(this.#expr(a), this.#expr(b));
      const name: Operation = op === "add" || op === "sub"
        ? "floatAdd"
        : op === "mul"
        ? "floatMul"
        : op === "div"
        ? "floatDiv"
        : op === "min" || op === "max"
        ? "floatMax"
        : op === "mod"
        ? "libm"
        : "floatCompare";
      return this.#at(name, depth);
    }
    const wide = d === "int64" || d === "uint64";
    if ((op === "add" || op === "sub") && !wide) return this.#sum(e);
    const depth = Math.max(this.#expr(a), this.#expr(b));
    if (wide) return this.#at("wide", depth);
    switch (op) {
      case "mul":
        return this.#at(b.k === "imm" || a.k === "imm" ? "alu" : "mul", depth);
      case "min":
      case "max":
        return this.#at("select", depth);
      case "div":
      case "mod":
      case "floordiv":
      case "floormod":
        if (b.k !== "imm") return this.#at("divide", depth);
        // By a power of two it is a shift or a mask.
        return this.#at(Number.isInteger(Math.log2(Number(b.value))) ? "alu" : "divideBy", depth);
      case "and":
        return this.#at("alu", depth);
      case "eq":
      case "ne":
      case "lt":
      case "le":
      case "gt":
      case "ge":
        return this.#at("branch", depth);
      default:
        return this.#at("alu", depth);
    }
  }

  /** A sum; a product in it is one instruction with it. */
  #sum({ a, b }: Bin): number {
    const product = [a, b].find((x) =>
      x.k === "bin" && x.op === "mul" && x.a.k !== "imm" && x.b.k !== "imm"
    ) as Bin | undefined;
    if (!product) return this.#at("alu", Math.max(this.#expr(a), this.#expr(b)));
    const rest = product === a ? b : a;
    const depth = Math.max(this.#expr(product.a), this.#expr(product.b));
    return this.#at("mac", Math.max(depth, this.#expr(rest)));
  }

  #call(fn: ScalarFn, args: readonly Expr[]): number {
    const depths = args.map((x) => this.#expr(x));
    const depth = Math.max(0, ...depths);
    if (fn === REQUANTIZE) return this.#at("requantize", depth);
    if (fn === REQUANTIZE_WORD && !has(this.target, "fpu") && !isHost(this.target)) {
      return this.#at("requantizeWord", depth);
    }
    if (fn === ROUND_CLAMP) return this.#at("roundClamp", depth);
    if (fn === SHIFT_CLAMP && has(this.target, "sat")) return this.#at("alu", depth);
    if (fn.def.kind === "libm") return this.#at("libm", depth);
    fn.def.params.forEach((v, i) => this.#depth.set(v, depths[i]));
    const known = this.#known;
    this.#known = new Map();
    for (const [v, x] of fn.def.lets) this.#depth.set(v, this.#expr(x));
    const result = this.#expr(fn.def.result);
    this.#known = known;
    return Math.max(depth, result);
  }

  #intrinsic(s: Intrin): void {
    const c = variantFor(s.op, this.target);
    s.args.forEach((a: Access) => {
      if (!this.#inRegisters(a.buf)) this.#address(a.buf, a.idx, false);
    });
    if (c.instructions !== undefined) {
      this.#text(c, c.instructions * this.#runs);
      s.args.forEach((a, i) => {
        const key = `${s.op.name}:${i}:${a.buf.name}:${a.idx.map(keyOf)}`;
        if (!this.#known.has(key)) this.#text(c, (c.operands?.[i] ?? 0) * this.#runs);
        this.#known.set(key, []);
      });
      return;
    }
    const meaning = s.op.meaning(s.args, s.scalars);
    const inner = this.count(meaning);
    for (const [t, n] of inner.runs) this.trips.runs.set(t, n * this.#runs);
    for (const [t, n] of inner.iterations) this.trips.iterations.set(t, n * this.#runs);
    this.statement(meaning);
  }
}
