/**
 * What a loop program touches, without its arithmetic: a kernel becomes a function that tells a
 * watcher of every element that it writes, and of those that it reads where somebody wants to know.
 */
import { bytesOf } from "../util/dtype.ts";
import type { ElementArray } from "../util/tensor.ts";
import { children, type Expr, type Load, type Var } from "../te/expr.ts";
import { compileJs, JsPrinter } from "../te/js.ts";
import { simplify } from "../te/linear.ts";
import { addressOf, type Buffer, type Kernel, memoryOf, type Stmt, visitStmt } from "./stmt.ts";
import { countTrips } from "./trips.ts";

/** Told of accesses; `m` numbers a memory, `at` is the first byte in it, `n` their number. */
export interface Watcher {
  /** For each memory whether its reads are to be told; looked at before each of them. */
  readonly watched: ArrayLike<number>;
  /** `maybe`: data decide whether it happens, and it may lie outside where it does not. */
  read(m: number, at: number, n: number, maybe: boolean): void;
  write(m: number, at: number, n: number, maybe: boolean): void;
  /** An element that data choose. */
  readAny(m: number): void;
  writeAny(m: number): void;
  /** An outcome of a condition that data decide. */
  coin(): boolean;
}

export interface TraceOptions {
  /**
   * Statements to walk, about. Beyond that, loops that only read leave turns out; where the writes
   * alone are more, all loops do. Default: no limit.
   */
  readonly budget?: number;
}

/** A kernel's trace. */
export interface Trace {
  run(watcher: Watcher): void;
  /** Data decide about a write, or turns of loops are left out: not all that may happen is told. */
  readonly sampled: boolean;
}

/** How often the stores to `memories` run, and all statements that touch one of them. */
export function touches(k: Kernel, memories: readonly number[]): { writes: number; all: number } {
  const known = new Set(k.buffers.flatMap((b, i) => memories[i] < 0 ? [] : [memoryOf(b)]));
  const { runs } = countTrips(k.body);
  let writes = 0, all = 0;
  for (const [s, times] of runs) {
    if (s.k === "store" && known.has(memoryOf(s.buf))) writes += times;
    if (s.k === "intrin") {
      s.args.forEach((a, i) => {
        if (known.has(memoryOf(a.buf)) && s.op.args[i].mode !== "read") {
          writes += times * s.op.args[i].count;
        }
      });
    }
    if (s.k === "store" || s.k === "intrin") all += times;
  }
  return { writes, all };
}

/**
 * Translates a kernel.
 * @param memories for each of the kernel's buffers the number of its memory, −1 for one that nobody
 *   watches
 */
export function traceKernel(
  k: Kernel,
  memories: readonly number[],
  options: TraceOptions = {},
): Trace {
  const { writes, all } = touches(k, memories);
  const { budget = Infinity } = options;
  const whole = writes <= budget / 2;
  const every = Math.max(1, all / Math.max(1, whole ? budget - writes : budget));
  const tracer = new Tracer(k, memories, whole);
  const code = tracer.statement(k.body, every);
  const names = ["watcher", "watched", ...tracer.constants.map((_, i) => `p${i}`)];
  const run = compileJs(tracer.js, names, code);
  return {
    run: (w) => run(w, w.watched, ...tracer.constants),
    sampled: tracer.sampled,
  };
}

const NOTHING = "";

class Tracer {
  readonly js: JsPrinter;
  readonly constants: ElementArray[] = [];
  sampled = false;
  readonly #memory: ReadonlyMap<string, number>;
  readonly #params: ReadonlyMap<string, string>;
  /** Variables whose values data decide. */
  readonly #unknown = new Set<Var>();
  /** What is not told. */
  #muted: "read" | "write" | null = null;

  /** @param allWrites loops with writes leave no turn out */
  constructor(k: Kernel, memories: readonly number[], readonly allWrites: boolean) {
    this.#memory = new Map(
      k.buffers.flatMap((b, i) => memories[i] < 0 ? [] : [[memoryOf(b), memories[i]] as const]),
    );
    this.#params = new Map(k.params.flatMap((b) => {
      if (!b.data) return [];
      return [[memoryOf(b), `p${this.constants.push(b.data.data) - 1}`] as const];
    }));
    this.js = new JsPrinter((l: Load) => {
      const b = l.src as Buffer;
      return `${this.#params.get(memoryOf(b))}[${this.#address(b, l.idx)}]`;
    });
  }

  /** Whether an expression's value follows from loops and constants alone. */
  #known(e: Expr): boolean {
    if (e.k === "var") return !this.#unknown.has(e);
    if (e.k === "load" && !this.#params.has(memoryOf(e.src as Buffer))) return false;
    return children(e).every((c) => this.#known(c));
  }

  #address(b: Buffer, idx: readonly Expr[]): string {
    const sum = addressOf(b, idx);
    return this.js.print(simplify(sum));
  }

  #access(verb: "read" | "write", b: Buffer, idx: readonly Expr[], maybe: boolean): string {
    const m = this.#memory.get(memoryOf(b));
    if (m === undefined || verb === this.#muted) return NOTHING;
    const bytes = bytesOf(b.dtype);
    const call = idx.every((e) => this.#known(e))
      ? `${verb}(${m},${bytes}*(${this.#address(b, idx)}),${bytes},${maybe})`
      : `${verb}Any(${m})`;
    return `${verb === "read" ? `if(watched[${m}])` : ""}watcher.${call};`;
  }

  /** Tells the reads of an expression. */
  #reads(e: Expr, maybe: boolean): string {
    switch (e.k) {
      case "load":
        return e.idx.map((x) => this.#reads(x, maybe)).join("") +
          this.#access("read", e.src as Buffer, e.idx, maybe);
      case "select": {
        const [a, b] = [e.a, e.b];
        return this.#reads(e.cond, maybe) + this.#branches(
          e.cond,
          (unsure) => this.#reads(a, maybe || unsure),
          (unsure) => this.#reads(b, maybe || unsure),
        );
      }
      case "bin":
        // C does not look at the second operand where the first one decides.
        if (e.dtype === "bool" && (e.op === "and" || e.op === "or")) {
          const { a, b, op } = e;
          const second = (unsure: boolean): string => this.#reads(b, maybe || unsure);
          const none = (): string => NOTHING;
          return this.#reads(a, maybe) +
            (op === "and" ? this.#branches(a, second, none) : this.#branches(a, none, second));
        }
        return this.#reads(e.a, maybe) + this.#reads(e.b, maybe);
      default:
        return children(e).map((c) => this.#reads(c, maybe)).join("");
    }
  }

  /** Both sides of a condition on data where no order between them counts. */
  #branches(
    cond: Expr,
    then: (unsure: boolean) => string,
    otherwise: (unsure: boolean) => string,
  ): string {
    if (!this.#known(cond)) return then(true) + otherwise(true);
    const [a, b] = [then(false), otherwise(false)];
    if (a === NOTHING && b === NOTHING) return NOTHING;
    return `if(${this.js.print(cond)}){${a}}else{${b}}`;
  }

  /** The memories that a statement writes or reads. */
  #memories(s: Stmt, verb: "read" | "write"): number[] {
    if (verb === this.#muted) return [];
    const found = new Set<number>();
    const note = (b: Buffer): void => {
      const m = this.#memory.get(memoryOf(b));
      if (m !== undefined) found.add(m);
    };
    const loads = (e: Expr): void => {
      if (e.k === "load") note(e.src as Buffer);
      children(e).forEach(loads);
    };
    visitStmt(s, (t) => {
      if (t.k === "store") {
        if (verb === "write") note(t.buf);
        else [...t.idx, t.value].forEach(loads);
      } else if (t.k === "intrin") {
        t.args.forEach((a, i) => {
          const { mode } = t.op.args[i];
          if (mode === "update" || (mode === "read") === (verb === "read")) note(a.buf);
          if (verb === "read") a.idx.forEach(loads);
        });
      } else if (verb === "read") {
        if (t.k === "for") [t.lo, t.hi].forEach(loads);
        if (t.k === "if") loads(t.cond);
        if (t.k === "let") loads(t.value);
      }
    });
    return [...found];
  }

  /** @param every one turn in so many is walked where the statement's loops have as many */
  statement(s: Stmt, every: number, maybe = false): string {
    if (s.k !== "seq" && this.#memories(s, "write").length === 0) {
      // Nothing changes meanwhile: reads that nobody watches need no walk.
      const read = this.#memories(s, "read");
      if (read.length === 0) return NOTHING;
      return `if(${read.map((m) => `watched[${m}]`).join("||")}){${this.#walk(s, every, maybe)}}`;
    }
    return this.#walk(s, every, maybe);
  }

  #walk(s: Stmt, every: number, maybe: boolean): string {
    switch (s.k) {
      case "seq":
        return s.body.map((t) => this.statement(t, every, maybe)).join("");
      case "alloc":
        return this.statement(s.body, every, maybe);
      case "let": {
        const reads = this.#reads(s.value, maybe);
        if (!this.#known(s.value)) {
          this.#unknown.add(s.v);
          return reads + this.statement(s.body, every, maybe);
        }
        const value = `const ${this.js.name(s.v)}=${this.js.print(s.value)};`;
        return `${reads}{${value}${this.statement(s.body, every, maybe)}}`;
      }
      case "if":
        return this.#if(s.cond, s.then, s.else, every, maybe);
      case "for":
        return this.#for(s, every, maybe);
      case "store":
        return [...s.idx, s.value].map((e) => this.#reads(e, maybe)).join("") +
          this.#access("write", s.buf, s.idx, maybe);
      case "intrin": {
        const meaning = s.op.meaning(s.args, s.scalars);
        const index = s.args.flatMap((a) => a.idx).map((e) => this.#reads(e, maybe)).join("");
        // The C may read some operands after it has written others.
        const told = (t: Stmt): string =>
          this.statement(t, 1, maybe) + this.#only("read", t, maybe);
        if (s.op.inTurns && meaning.k === "for") return index + this.#for(meaning, 1, maybe, told);
        if (s.op.readsFirst) {
          return index + this.#only("read", meaning, maybe) + this.#only("write", meaning, maybe);
        }
        return index + told(meaning);
      }
    }
  }

  /** The reads or the writes of a statement without the others. */
  #only(verb: "read" | "write", s: Stmt, maybe: boolean): string {
    this.#muted = verb === "read" ? "write" : "read";
    const text = this.statement(s, 1, maybe);
    this.#muted = null;
    return text;
  }

  #if(cond: Expr, then: Stmt, otherwise: Stmt | null, every: number, maybe: boolean): string {
    const reads = this.#reads(cond, maybe);
    const known = this.#known(cond);
    const a = this.statement(then, every, maybe || !known);
    const b = otherwise ? this.statement(otherwise, every, maybe || !known) : NOTHING;
    if (known) return `${reads}if(${this.js.print(cond)}){${a}}else{${b}}`;
    const writes = [then, ...(otherwise ? [otherwise] : [])]
      .some((t) => this.#memories(t, "write").length > 0);
    if (!writes) return reads + a + b;
    this.sampled = true;
    return `${reads}if(watcher.coin()){${a}}else{${b}}`;
  }

  #for(
    s: Extract<Stmt, { k: "for" }>,
    every: number,
    maybe: boolean,
    inside?: (body: Stmt) => string,
  ): string {
    const reads = this.#reads(s.lo, maybe) + this.#reads(s.hi, maybe);
    const known = this.#known(s.lo) && this.#known(s.hi);
    const range = s.v.range ?? [0, 0];
    const [lo, end] = known
      ? [this.js.print(s.lo), this.js.print(s.hi)]
      : [String(range[0]), String(range[1] + 1)];
    if (!known) this.sampled = true;
    const turns = s.lo.k === "imm" && s.hi.k === "imm"
      ? Number(s.hi.value) - Number(s.lo.value)
      : 1;
    const whole = this.allWrites && this.#memories(s.body, "write").length > 0;
    const stride = whole ? 1 : Math.max(1, Math.floor(Math.min(every, turns / 2)));
    const body = inside?.(s.body) ?? this.statement(s.body, every / stride, maybe || !known);
    const v = this.js.name(s.v);
    if (stride > 1) this.sampled = true;
    if (s.reversed) {
      const back = stride === 1 ? `${v}--` : `${v}=${v}>e&&${v}-${stride}<e?e:${v}-${stride}`;
      return `${reads}{const e=${lo};for(let ${v}=(${end})-1;${v}>=e;${back}){${body}}}`;
    }
    // The last turn is among those that are walked.
    const next = stride === 1 ? `${v}++` : `${v}=${v}<e-1&&${v}+${stride}>=e?e-1:${v}+${stride}`;
    return `${reads}{const e=${end};for(let ${v}=${lo};${v}<e;${next}){${body}}}`;
  }
}
