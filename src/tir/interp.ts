/** Runs loop programs: the definition of what the generated C must do. */
import { allocate, type ElementArray } from "../util/tensor.ts";
import { intRange } from "../util/dtype.ts";
import type { Expr, Load } from "../te/expr.ts";
import { simplify } from "../te/linear.ts";
import { compileJs, JsPrinter } from "../te/js.ts";
import { outerNames } from "./outer.ts";
import { addressOf, type Buffer, type Kernel, mapStmt, memoryOf, type Stmt } from "./stmt.ts";

/** A kernel made runnable: takes the memory of each of its buffers, then of its params, in order. */
export type RunnableKernel = (memory: readonly ElementArray[]) => void;

/**
 * Characters of a loop's text from which it becomes a function of its own: what calls such functions
 * stays short, and a JavaScript engine translates short functions to better code, long ones to none.
 */
const LONG = 300;

/** The program with what its intrinsics stand for. */
const spelledOut = (s: Stmt): Stmt =>
  mapStmt(s, {
    stmt: (t) => t.k === "intrin" ? spelledOut(t.op.meaning(t.args, t.scalars)) : t,
  });

/**
 * Translates a kernel for the interpreter. With `checked`, every access outside a buffer's memory
 * throws, and so does a value that its integer element type cannot hold.
 */
export function interpretKernel(k: Kernel, options: { checked?: boolean } = {}): RunnableKernel {
  const outer = [...k.buffers, ...k.params];
  const names = new Map(outer.map((b, i) => [memoryOf(b), `b${i}`]));
  const locals = new Map<string, Buffer>();
  const nameOf = (b: Buffer): string => {
    const memory = memoryOf(b);
    let n = names.get(memory);
    if (!n) {
      names.set(memory, n = `l${names.size}`);
      locals.set(n, b);
    }
    return n;
  };
  const address = (b: Buffer, idx: readonly Expr[], print: (e: Expr) => string): string => {
    const sum = addressOf(b, idx);
    const a = print(simplify(sum));
    return options.checked ? `at(${a},${b.length},${JSON.stringify(b.name)})` : a;
  };
  const js = new JsPrinter((l: Load, print) => {
    const b = l.src as Buffer;
    return `${nameOf(b)}[${address(b, l.idx, print)}]`;
  });
  const fit = (b: Buffer, value: string): string => {
    if (!options.checked || !["int8", "uint8", "int16", "uint16"].includes(b.dtype)) return value;
    const { min, max } = intRange(b.dtype);
    return `fits(${value},${min},${max},${JSON.stringify(b.name)})`;
  };
  const functions: string[] = [];
  const apart = (s: Stmt, text: string): string => {
    if (text.length < LONG) return text;
    const { vars, buffers } = outerNames(s);
    const names = [...new Set([...buffers].map(nameOf)), ...[...vars].map((v) => js.name(v))];
    const call = `s${functions.length}(${names})`;
    functions.push(`function ${call}{${text}}`);
    return `${call};`;
  };
  const stmt = (s: Stmt): string => s.k === "for" ? apart(s, text(s)) : text(s);
  const text = (s: Stmt): string => {
    switch (s.k) {
      case "seq":
        return s.body.map(stmt).join("");
      case "for": {
        const v = js.name(s.v);
        if (s.reversed) {
          const head = `let ${v}=(${js.print(s.hi)})-1,e=${js.print(s.lo)};${v}>=e;${v}--`;
          return `for(${head}){${stmt(s.body)}}`;
        }
        return `{const e=${js.print(s.hi)};for(let ${v}=${js.print(s.lo)};${v}<e;${v}++){${
          stmt(s.body)
        }}}`;
      }
      case "store":
        return `${nameOf(s.buf)}[${address(s.buf, s.idx, js.print)}]=${
          fit(s.buf, js.print(s.value))
        };`;
      case "if":
        return `if(${js.print(s.cond)}){${stmt(s.then)}}${s.else ? `else{${stmt(s.else)}}` : ""}`;
      case "let":
        return `{const ${js.name(s.v)}=${js.print(s.value)};${stmt(s.body)}}`;
      case "alloc":
        nameOf(s.buf);
        return stmt(s.body);
      case "intrin":
        throw new TypeError(`${s.op.name} is not spelled out`);
    }
  };
  const body = stmt(spelledOut(k.body));
  const checks = options.checked
    ? `const at=(a,n,name)=>{if(!(a>=0&&a<n))throw new RangeError(name+"["+a+"] of "+n);return a;};` +
      `const fits=(v,lo,hi,name)=>{if(v<lo||v>hi)throw new RangeError(v+" into "+name);return v;};`
    : "";
  const run = compileJs(js, [...outer.map((_, i) => `b${i}`), ...locals.keys()], body, [
    checks,
    ...functions,
  ]);
  return (memory) =>
    run(...memory, ...[...locals.values()].map((b) => allocate(b.dtype, b.length)));
}
