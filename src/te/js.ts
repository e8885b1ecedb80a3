/**
 * Expressions as JavaScript text: the interpreter's half of their meaning. Both interpreters (of
 * definitions and of loop programs) print through here, so that an operation means one thing.
 */
import { type DType, DTYPES, isFloat, isStored } from "../util/dtype.ts";
import type { Expr, Load, Var } from "./expr.ts";
import type { ScalarFn } from "./functions.ts";

/** What the printed code calls; passed to the compiled function as `rt`. */
export const runtime = {
  /** Round half to even. */
  rint(x: number): number {
    const r = Math.round(x);
    return r - x === 0.5 && r % 2 !== 0 ? r - 1 : r;
  },
  /** Minimum and maximum of floats as the C does them: the second operand where they do not compare. */
  min(a: number, b: number): number {
    return a < b ? a : b;
  },
  max(a: number, b: number): number {
    return a > b ? a : b;
  },
  /** Float to integer: truncates, saturates, NaN is 0. */
  toInt(x: number, lo: number, hi: number): number {
    return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), lo), hi);
  },
  toInt64(x: number, lo: bigint, hi: bigint): bigint {
    if (Number.isNaN(x)) return 0n;
    if (x >= Number(hi)) return hi;
    return x <= Number(lo) ? lo : BigInt(Math.trunc(x));
  },
  floatBits(x: number): number {
    F32[0] = x;
    return I32[0];
  },
  bitsFloat(x: number): number {
    I32[0] = x;
    return F32[0];
  },
  doubleBits(x: number): bigint {
    F64[0] = x;
    return I64[0];
  },
  bitsDouble(x: bigint): number {
    I64[0] = x;
    return F64[0];
  },
  floorDivBig(a: bigint, b: bigint): bigint {
    const q = a / b;
    return a % b !== 0n && (a < 0n) !== (b < 0n) ? q - 1n : q;
  },
};
const F32 = new Float32Array(1);
const I32 = new Int32Array(F32.buffer);
const F64 = new Float64Array(1);
const I64 = new BigInt64Array(F64.buffer);

const is64 = (d: DType): boolean => d === "int64" || d === "uint64";

/** Brings the result of an integer operation back into its type. */
function wrap(d: DType, s: string): string {
  switch (d) {
    case "int8":
      return `(${s})<<24>>24`;
    case "int16":
      return `(${s})<<16>>16`;
    case "int32":
      return `(${s})|0`;
    case "uint8":
      return `(${s})&255`;
    case "uint16":
      return `(${s})&65535`;
    case "uint32":
      return `(${s})>>>0`;
    case "int64":
      return `BigInt.asIntN(64,${s})`;
    case "uint64":
      return `BigInt.asUintN(64,${s})`;
    case "float32":
      return `Math.fround(${s})`;
    default:
      return s;
  }
}

/** Prints expressions; collects the functions that they call. */
export class JsPrinter {
  readonly #functions = new Map<ScalarFn, string>();
  readonly #libm: ((...a: number[]) => number)[] = [];
  readonly #vars = new Map<Var, string>();

  /** @param load prints an element access */
  constructor(readonly load: (l: Load, print: (e: Expr) => string) => string) {}

  /** The JavaScript name of a variable. */
  name(v: Var): string {
    let n = this.#vars.get(v);
    if (!n) this.#vars.set(v, n = `${v.name.replace(/\W/g, "_")}_${this.#vars.size}`);
    return n;
  }

  /** Declarations of the called functions, to stand before the code. */
  prelude(): string {
    return [...this.#functions.values()].join("\n");
  }
  /** Functions of libm in the order of their numbers, passed as `libm`. */
  get libm(): readonly ((...a: number[]) => number)[] {
    return this.#libm;
  }

  readonly print = (e: Expr): string => {
    const p = this.print;
    switch (e.k) {
      case "imm":
        return typeof e.value === "bigint" ? `(${e.value}n)` : this.#number(e.value);
      case "var":
        return this.name(e);
      case "load":
        return this.load(e, p);
      case "select":
        return `(${p(e.cond)}?${p(e.a)}:${p(e.b)})`;
      case "call":
        return `${this.#call(e.fn)}(${e.args.map(p).join(",")})`;
      case "bits":
        if (isStored(e.dtype) || isStored(e.a.dtype)) return p(e.a);
        if (e.dtype === "float64") return `rt.bitsDouble(${p(e.a)})`;
        if (e.dtype === "int64") return `rt.doubleBits(${p(e.a)})`;
        if (e.dtype === "float32") return `rt.bitsFloat(${p(e.a)})`;
        return e.dtype === "uint32" ? `(rt.floatBits(${p(e.a)})>>>0)` : `rt.floatBits(${p(e.a)})`;
      case "cast":
        return this.#cast(e.dtype, e.a);
      case "un":
        return this.#unary(e.op, e.dtype, p(e.a));
      case "bin":
        return this.#binary(e.op, e.a.dtype, p(e.a), p(e.b));
      case "reduce":
        throw new TypeError("a reduction stands only at the top of a definition");
    }
  };

  #number(v: number): string {
    if (Object.is(v, -0)) return "-0";
    return v < 0 ? `(${v})` : String(v);
  }

  #unary(op: string, d: DType, a: string): string {
    switch (op) {
      case "neg":
        return `(${wrap(d, `-${a}`)})`;
      case "not":
        return `(${a}?0:1)`;
      case "bitnot":
        return `(${wrap(d, `~${a}`)})`;
      case "abs":
        return is64(d) ? `(${a}<0n?-${a}:${a})` : `(${wrap(d, `Math.abs(${a})`)})`;
      case "rint":
        return `rt.rint(${a})`;
      default:
        return `(${wrap(d, `Math.${op}(${a})`)})`;
    }
  }

  #binary(op: string, d: DType, a: string, b: string): string {
    const plain: Record<string, string> = { add: "+", sub: "-", and: "&", or: "|", xor: "^" };
    const compare: Record<string, string> = {
      eq: "===",
      ne: "!==",
      lt: "<",
      le: "<=",
      gt: ">",
      ge: ">=",
    };
    if (op in compare) return `(${a}${compare[op]}${b}?1:0)`;
    if (d === "bool") return `(${a}${op === "and" ? "&&" : op === "or" ? "||" : "!=="}${b}?1:0)`;
    if (op in plain) return `(${wrap(d, `${a}${plain[op]}${b}`)})`;
    switch (op) {
      case "mul":
        return d === "int32" || d === "uint32"
          ? `(${wrap(d, `Math.imul(${a},${b})`)})`
          : `(${wrap(d, `${a}*${b}`)})`;
      case "div":
        return `(${wrap(d, isFloat(d) || is64(d) ? `${a}/${b}` : `Math.trunc(${a}/${b})`)})`;
      case "mod":
        return `(${a}%${b})`;
      case "floordiv":
        return is64(d) ? `rt.floorDivBig(${a},${b})` : `Math.floor(${a}/${b})`;
      case "floormod":
        return is64(d)
          ? `(${a}-${b}*rt.floorDivBig(${a},${b}))`
          : `(${a}-${b}*Math.floor(${a}/${b}))`;
      case "shl":
        return `(${wrap(d, is64(d) ? `${a}<<${b}` : `${a}<<${b}`)})`;
      case "shr":
        return is64(d) ? `(${a}>>${b})` : `(${d === "uint32" ? `${a}>>>${b}` : `${a}>>${b}`})`;
      case "min":
        if (isFloat(d)) return `rt.min(${a},${b})`;
        return is64(d) ? `(${a}<${b}?${a}:${b})` : `Math.min(${a},${b})`;
      case "max":
        if (isFloat(d)) return `rt.max(${a},${b})`;
        return is64(d) ? `(${a}>${b}?${a}:${b})` : `Math.max(${a},${b})`;
    }
    throw new TypeError(`no such operation: ${op}`);
  }

  #cast(to: DType, e: Expr): string {
    const a = this.print(e);
    if (to === "bool") return is64(e.dtype) ? `(${a}!==0n?1:0)` : `(${a}!==0?1:0)`;
    if (isFloat(to)) {
      const x = is64(e.dtype) ? `Number(${a})` : a;
      return to === "float32" ? `Math.fround(${x})` : x;
    }
    if (isFloat(e.dtype)) {
      const { min, max } = DTYPES[to];
      return is64(to) ? `rt.toInt64(${a},${min}n,${max}n)` : `rt.toInt(${a},${min},${max})`;
    }
    if (is64(to)) return `${is64(e.dtype) ? `(${wrap(to, a)})` : `BigInt(${a})`}`;
    return is64(e.dtype) ? `(${wrap(to, `Number(BigInt.asIntN(32,${a}))`)})` : `(${wrap(to, a)})`;
  }

  #call(fn: ScalarFn): string {
    const name = `f_${fn.name}`;
    if (!this.#functions.has(fn)) {
      this.#functions.set(fn, ""); // before its body, which may call others
      if (fn.def.kind === "libm") {
        const i = this.#libm.push(fn.def.js) - 1;
        this.#functions.set(fn, `const ${name}=(...a)=>${wrap(fn.dtype, `libm[${i}](...a)`)};`);
      } else {
        const { params, lets, result } = fn.def;
        const body = lets.map(([v, x]) => `const ${this.name(v)}=${this.print(x)};`).join("");
        this.#functions.set(
          fn,
          `function ${name}(${params.map((v) => this.name(v)).join(",")}){${body}return ${
            this.print(result)
          };}`,
        );
      }
    }
    return name;
  }
}

/**
 * Compiles printed code into a function of the named arguments.
 *
 * @param declared functions that the code calls
 */
export function compileJs(
  printer: JsPrinter,
  argNames: readonly string[],
  body: string,
  declared: readonly string[] = [],
): (...args: unknown[]) => void {
  const code = `"use strict";\n${printer.prelude()}\n${declared.join("\n")}\nreturn function(${
    argNames.join(",")
  }){${body}};`;
  return new Function("rt", "libm", code)(runtime, printer.libm);
}
