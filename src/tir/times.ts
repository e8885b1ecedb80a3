/** When a kernel touches each element of its buffers: its loops are walked, its arithmetic is not. */
import { children, type Expr, type Var } from "../te/expr.ts";
import { simplify } from "../te/linear.ts";
import { compileJs, JsPrinter } from "../te/js.ts";
import { outerNames } from "./outer.ts";
import {
  addressOf,
  type Buffer,
  expressions,
  type Kernel,
  memoryOf,
  type Stmt,
  visitStmt,
} from "./stmt.ts";

/**
 * Times of one run, per buffer of the kernel and element of its memory; -1: never. A statement
 * reads at an even time and writes at the next odd one; what an intrinsic reads counts as read
 * after all that it writes, as its instructions may come in any order.
 */
export interface Times {
  readonly lastRead: readonly Int32Array[];
  readonly firstWrite: readonly Int32Array[];
  /** Whether an iteration of an outermost loop reads what another one wrote. */
  readonly carried: boolean;
}

/** Accesses that are walked before the walk is given up. */
const BUDGET = 20_000_000;

/**
 * Walks a kernel once.
 *
 * @param of memories whose times are asked for; the others' are left out, and `carried` with them
 * @returns null where data decides what is touched, or where the walk would take too long
 */
export function timeAccesses(k: Kernel, of?: readonly string[]): Times | null {
  const names = new Map(k.buffers.map((b, i) => [memoryOf(b), i] as const).reverse());
  const locals = new Map<string, Buffer>();
  // A time an element is kept: no board has memory for so many.
  if (k.buffers.reduce((sum, b) => sum + b.length, 0) > BUDGET) return null;
  try {
    const tracer = new Tracer(names, locals, of && new Set(of));
    const body = tracer.top(k.body);
    const lastRead = k.buffers.map((b) => new Int32Array(b.length).fill(-1));
    const firstWrite = k.buffers.map((b) => new Int32Array(b.length).fill(-1));
    const owners = [...k.buffers, ...locals.values()].map((b) => new Int32Array(b.length).fill(-1));
    const state = { left: BUDGET, carried: false, stop: TOO_LONG };
    const run = compileJs(new JsPrinter(refuse), MEMORY, TURN + body, tracer.functions);
    run(lastRead, firstWrite, owners, state);
    return { lastRead, firstWrite, carried: state.carried };
  } catch (e) {
    if (e === DATA || e === TOO_LONG) return null;
    throw e;
  }
}

const DATA = new Error("data decides what is touched");
const TOO_LONG = new RangeError("the walk is given up");

/** Reads, writes and owners by buffer, and what else is kept. */
const MEMORY = ["r", "w", "o", "st"];

/** `t` is the time, `it` the iteration of the outermost loops. */
const TURN = "let t=0,it=0;";

const refuse = (): string => {
  throw DATA;
};

class Tracer {
  /** One for each intrinsic: a JavaScript engine translates short functions to better code. */
  readonly functions: string[] = [];
  readonly #js = new JsPrinter(refuse);
  /** Variables that hold what was read from a buffer. */
  readonly #data = new Set<Var>();
  /** Memories that an intrinsic has for itself. */
  readonly #hidden = new Set<string>();

  constructor(
    readonly names: Map<string, number>,
    readonly locals: Map<string, Buffer>,
    /** What is followed; absent: all. */
    readonly of?: ReadonlySet<string>,
  ) {}

  #follows(b: Buffer): boolean {
    const memory = memoryOf(b);
    return b.scope !== "param" && !this.#hidden.has(memory) && (!this.of || this.of.has(memory));
  }

  /** The outermost statements: each iteration of a loop among them has a number of its own. */
  top(s: Stmt): string {
    if (s.k === "seq") return s.body.map((x) => this.top(x)).join("");
    if (s.k === "alloc") return this.#alloc(s.buf) + this.top(s.body);
    if (s.k === "for") return this.#loop(s, `it++;${this.stmt(s.body)}`);
    return `it++;${this.stmt(s)}`;
  }

  stmt(s: Stmt): string {
    if (!this.#touches(s)) return "";
    switch (s.k) {
      case "seq":
        return s.body.map((x) => this.stmt(x)).join("");
      case "for":
        return this.#loop(s, this.stmt(s.body));
      case "let":
        return `t+=2;${this.#reads(s.value, "t")}{${this.#let(s)}${this.stmt(s.body)}}`;
      case "alloc":
        return this.#alloc(s.buf) + this.stmt(s.body);
      case "if":
        if (this.#isData(s.cond)) throw DATA;
        return `if(${this.#print(s.cond)}){${this.stmt(s.then)}}${
          s.else ? `else{${this.stmt(s.else)}}` : ""
        }`;
      case "store":
        return `t+=2;${this.#reads(s.value, "t")}${this.#write(s.buf, s.idx)}`;
      case "intrin": {
        const meaning = s.op.meaning(s.args, s.scalars);
        return s.op.inTurns && meaning.k === "for"
          ? this.#loop(meaning, `t+=2;${this.#apart(meaning.body)}`)
          : `t+=2;${this.#apart(meaning)}`;
      }
    }
  }

  /** What an intrinsic stands for as a call of a function of its own. */
  #apart(s: Stmt): string {
    const text = this.#meaning(s);
    if (text === "") return "";
    const vars = [...outerNames(s).vars].filter((v) => !this.#data.has(v));
    const call = `m${this.functions.length}(${[
      ...MEMORY,
      "t",
      "it",
      ...vars.map((v) => this.#js.name(v)),
    ]})`;
    this.functions.push(`function ${call}{${text}}`);
    return `${call};`;
  }

  /**
   * What an intrinsic stands for: one moment, after which its operands are still read. To tell twice
   * what is touched in one moment is to tell it once.
   */
  #meaning(s: Stmt): string {
    return [...new Set(this.#pieces(s))].join("");
  }

  #pieces(s: Stmt): string[] {
    switch (s.k) {
      case "seq":
        return s.body.flatMap((x) => this.#pieces(x));
      case "for":
        return [this.#turns(s, [...new Set(this.#pieces(s.body))])];
      case "alloc": {
        // Nobody else sees it, and nothing of it is read that was not written before.
        const outer = this.#hidden.has(memoryOf(s.buf));
        this.#hidden.add(memoryOf(s.buf));
        const pieces = this.#pieces(s.body);
        if (!outer) this.#hidden.delete(memoryOf(s.buf));
        return pieces;
      }
      case "let":
        return [
          `${this.#reads(s.value, "t+2")}{${this.#let(s)}${this.#meaning(s.body)}}`,
        ];
      case "if":
        if (this.#isData(s.cond)) throw DATA;
        return [
          `if(${this.#print(s.cond)}){${this.#meaning(s.then)}}${
            s.else ? `else{${this.#meaning(s.else)}}` : ""
          }`,
        ];
      case "store":
        return [this.#reads(s.value, "t+2") + this.#write(s.buf, s.idx)];
      case "intrin":
        return this.#pieces(s.op.meaning(s.args, s.scalars));
    }
  }

  /** The loop within one moment: what touches the same in every turn is told in the first one. */
  #turns(s: Extract<Stmt, { k: "for" }>, pieces: readonly string[]): string {
    const v = this.#js.name(s.v), isMoved = new RegExp(`\\b${v}\\b`);
    const some = pieces.filter((p) => p !== "");
    if (some.some((p) => isMoved.test(p))) {
      const lo = this.#print(s.lo);
      const first = (p: string) => s.reversed ? p : `if(${v}===${lo}){${p}}`;
      return this.#loop(s, some.map((p) => isMoved.test(p) ? p : first(p)).join(""));
    }
    if (some.length === 0) return "";
    if (this.#isData(s.lo) || this.#isData(s.hi)) throw DATA;
    return `if(${this.#print(s.lo)}<${this.#print(s.hi)}){${some.join("")}}`;
  }

  #loop(s: Extract<Stmt, { k: "for" }>, body: string): string {
    if (body === "") return "";
    if (this.#isData(s.lo) || this.#isData(s.hi)) throw DATA;
    const v = this.#js.name(s.v), lo = this.#print(s.lo), hi = this.#print(s.hi);
    const head = s.reversed
      ? `for(let ${v}=(${hi})-1,e=${lo};${v}>=e;${v}--)`
      : `for(let ${v}=${lo},e=${hi};${v}<e;${v}++)`;
    return `${head}{if(--st.left<0)throw st.stop;${body}}`;
  }

  #let(s: Extract<Stmt, { k: "let" }>): string {
    if (this.#isData(s.value)) {
      this.#data.add(s.v);
      return "";
    }
    return `const ${this.#js.name(s.v)}=${this.#print(s.value)};`;
  }

  #alloc(b: Buffer): string {
    const i = this.#index(b);
    return i === null ? "" : `o[${i}].fill(-1);`;
  }

  #isData(e: Expr): boolean {
    return e.k === "load" || (e.k === "var" && this.#data.has(e)) ||
      children(e).some((x) => this.#isData(x));
  }

  #print(e: Expr): string {
    return this.#js.print(e);
  }

  /** The number of a memory that is followed; constants are not. */
  #index(b: Buffer): number | null {
    if (!this.#follows(b)) return null;
    const key = memoryOf(b);
    let i = this.names.get(key);
    if (i === undefined) {
      this.names.set(key, i = this.names.size);
      this.locals.set(key, b);
    }
    return i;
  }

  #address(b: Buffer, idx: readonly Expr[]): string {
    if (idx.some((e) => this.#isData(e))) throw DATA;
    const sum = addressOf(b, idx);
    return this.#print(simplify(sum));
  }

  #reads(e: Expr, time: string): string {
    if (e.k === "select" && !this.#isData(e.cond)) {
      const [a, b] = [this.#reads(e.a, time), this.#reads(e.b, time)];
      if (a === "" && b === "") return "";
      return `if(${this.#print(e.cond)}){${a}}else{${b}}`;
    }
    const own = e.k === "load" ? this.#read(e.src as Buffer, e.idx, time) : "";
    return own + children(e).map((x) => this.#reads(x, time)).join("");
  }

  #read(b: Buffer, idx: readonly Expr[], time: string): string {
    const i = this.#index(b);
    if (i === null) return "";
    const a = this.#address(b, idx);
    if (b.scope === "input") return `r[${i}][${a}]=${time};`;
    return `if(o[${i}][${a}]!==it)st.carried=true;`;
  }

  #write(b: Buffer, idx: readonly Expr[]): string {
    const i = this.#index(b);
    if (i === null) return "";
    const a = this.#address(b, idx);
    const owned = `o[${i}][${a}]=it;`;
    if (b.scope !== "output") return owned;
    return `{const a=${a};if(w[${i}][a]<0)w[${i}][a]=t+1;o[${i}][a]=it;}`;
  }

  #touches(s: Stmt): boolean {
    let found = false;
    const any = (b: Buffer): boolean => this.#follows(b);
    const inside = (e: Expr): boolean =>
      (e.k === "load" && any(e.src as Buffer)) || children(e).some(inside);
    visitStmt(s, (x) => {
      if (x.k === "store" || x.k === "alloc") found ||= any(x.buf);
      if (x.k === "intrin") found ||= x.args.some((a) => any(a.buf));
      if (!found) found = expressions(x).some(inside);
    });
    return found;
  }
}
