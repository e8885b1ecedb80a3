/** Expressions as C99 that -Wconversion accepts and that means the same on every target. */
import { type DType, DTYPES, isFloat, isInt } from "../util/dtype.ts";
import type { Target } from "../target/target.ts";
import type { Bin, Call, Expr, Load, Var } from "../tir/expr.ts";
import type { ScalarFn } from "../tir/expr.ts";
import { intervalOf, valueRange } from "../tir/expr.ts";
import { hasSpecialText, specialCall } from "../tir/scalar_c.ts";

const COMPARE: Readonly<Record<string, string>> = {
  eq: "==",
  ne: "!=",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
};
const INFIX: Readonly<Record<string, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  mod: "%",
  and: "&",
  or: "|",
  xor: "^",
  shl: "<<",
  shr: ">>",
};
const SUFFIX: Partial<Record<DType, string>> = {
  float32: "f32",
  float64: "f64",
  int32: "i32",
  uint32: "u32",
  int64: "i64",
  uint64: "u64",
};

/** Precedence of C's operators, as far as expressions use them; a higher one binds closer. */
const UNARY = 14, COMPARISON = 8;
const OPERATOR: Readonly<Record<string, number>> = {
  mul: 13,
  div: 13,
  mod: 13,
  floordiv: 13,
  floormod: 13,
  add: 12,
  sub: 12,
  lt: COMPARISON,
  le: COMPARISON,
  gt: COMPARISON,
  ge: COMPARISON,
  eq: 7,
  ne: 7,
};

/** The precedence of the C that an expression is printed as. */
function precedence(e: Expr): number {
  switch (e.k) {
    case "imm":
      return Number(e.value) < 0 || Object.is(e.value, -0) ? UNARY - 1 : UNARY;
    case "bits":
      return DTYPES[e.dtype].cType === DTYPES[e.a.dtype].cType ? precedence(e.a) : UNARY;
    case "select":
      return isNative(e.dtype) ? 1 : UNARY;
    case "un":
      return e.op === "abs" ? 1 : e.op === "neg" ? UNARY - 1 : UNARY;
    case "bin":
      if (e.dtype === "bool") return e.a.dtype === "bool" ? 2 : OPERATOR[e.op];
      if (e.op === "min" || e.op === "max" || !isNative(e.dtype)) return UNARY;
      if (e.op === "mod" && isFloat(e.dtype)) return UNARY;
      return OPERATOR[e.op] ?? 1;
    default:
      return UNARY;
  }
}

/** `+ 128` for what would read `- -128`; null for anything else. */
function opposite({ op, b }: Bin): string | null {
  if ((op !== "sub" && op !== "add") || b.k !== "imm" || b.dtype !== "int32") return null;
  const value = -Number(b.value);
  // The least integer has no opposite.
  if (value <= 0 || value > 2 ** 31 - 1) return null;
  return `${op === "sub" ? "+" : "-"} ${literal(value, b.dtype)}`;
}

/** Types that C computes with as they are; narrower ones it widens to int. */
const isNative = (d: DType): boolean => SUFFIX[d] !== undefined;

/** Prints expressions and collects the helper functions that they need. */
export class CExpr {
  /** Helper functions in the order in which they must be defined. */
  readonly helpers = new Map<string, string>();
  /** Functions of libm that are called. */
  readonly libm = new Set<string>();
  readonly #names = new Map<Var, string>();

  /** @param access prints an element access */
  constructor(readonly target: Target, readonly access: (l: Load) => string) {}

  name(v: Var): string {
    return this.#names.get(v) ?? v.name;
  }
  /** Gives a variable its name in the C. */
  bind(v: Var, name: string): void {
    this.#names.set(v, name);
  }
  helper(name: string, text: string): string {
    if (!this.helpers.has(name)) this.helpers.set(name, text);
    return name;
  }

  /** An expression of exactly the C type of its dtype. */
  readonly print = (e: Expr): string => {
    switch (e.k) {
      case "imm":
        return literal(e.value, e.dtype);
      case "var":
        return this.name(e);
      case "load":
        return this.access(e);
      case "select":
        return this.#narrow(
          e.dtype,
          `${this.#operand(e.cond, COMPARISON)} ? ${this.#operand(e.a, COMPARISON)} : ${
            this.#operand(e.b, COMPARISON)
          }`,
        );
      case "bits":
        return this.#bits(e.dtype, e.a);
      case "cast":
        return this.#cast(e.dtype, e.a);
      case "un":
        return this.#unary(e.op, e.dtype, e.a);
      case "bin":
        return this.#binary(e);
      case "call":
        return this.#call(e);
      case "reduce":
        throw new TypeError("a reduction is lowered before it is printed");
    }
  };

  /** An expression that can stand where C wants one of at least this precedence. */
  #operand(e: Expr, least = UNARY): string {
    return grouped(e, this.print(e), least);
  }

  /** C computes narrow types as int; the result goes back into its type. */
  #narrow(d: DType, s: string): string {
    return isNative(d) ? s : `(${DTYPES[d].cType})(${s})`;
  }

  #minmax(op: string, d: DType): string {
    const suffix = SUFFIX[d] ?? "i32", t = isNative(d) ? DTYPES[d].cType : "int32_t";
    const sign = op === "min" ? "<" : ">";
    return this.helper(
      `${op}_${suffix}`,
      `static inline ${t} ${op}_${suffix}(${t} a, ${t} b)\n{\n    return a ${sign} b ? a : b;\n}`,
    );
  }

  #binary(e: Bin): string {
    const d = e.a.dtype;
    // The same operator again needs no parentheses on its left: C groups from there.
    const level = OPERATOR[e.op] ?? UNARY;
    // Printed once: deep expressions would take twice the time with every level.
    const left = this.print(e.a), right = this.print(e.b);
    // gcc asks for parentheses around a comparison that is compared.
    const least = d === "bool" ? UNARY : level;
    const a = grouped(e.a, left, least), b = grouped(e.b, right, Math.max(least, level + 1));
    if (e.op in COMPARE) return decided(e) ?? `${a} ${COMPARE[e.op]} ${b}`;
    if (d === "bool") {
      if (e.op === "xor") return `${grouped(e.a, left, UNARY)} != ${grouped(e.b, right, UNARY)}`;
      const [x, y] = [grouped(e.a, left, COMPARISON), grouped(e.b, right, COMPARISON)];
      if (e.op === "or") return `${x} || ${y}`;
      // gcc asks for no parentheses in a chain of &&.
      return `${e.a.k === "bin" && e.a.op === "and" ? left : x} && ${y}`;
    }
    switch (e.op) {
      case "min":
      case "max":
        return this.#narrow(d, `${this.#minmax(e.op, d)}(${left}, ${right})`);
      case "floordiv":
      case "floormod":
        return this.#floor(e, [left, right], [a, b]);
      case "mod":
        if (isFloat(d)) return `${this.#libm(d, "fmod")}(${left}, ${right})`;
    }
    const positive = opposite(e);
    return this.#narrow(
      d,
      positive === null ? `${a} ${INFIX[e.op]} ${b}` : `${a} ${positive}`,
    );
  }

  #floor(e: Bin, args: readonly string[], [a, b]: readonly string[]): string {
    const op = e.op === "floordiv" ? "/" : "%";
    const r = e.dtype === "int32" ? intervalOf(e.a) : null;
    if (DTYPES[e.dtype].kind === "uint" || (r && r[0] >= 0)) {
      return this.#narrow(e.dtype, `${a} ${op} ${b}`);
    }
    const suffix = SUFFIX[e.dtype] ?? "i32",
      t = isNative(e.dtype) ? DTYPES[e.dtype].cType : "int32_t";
    const quotient = `static inline ${t} floordiv_${suffix}(${t} a, ${t} b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}`;
    const name = e.op === "floordiv" ? this.helper(`floordiv_${suffix}`, quotient) : this.helper(
      `floormod_${suffix}`,
      `static inline ${t} floormod_${suffix}(${t} a, ${t} b)
{
    const ${t} r = a % b;

    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}`,
    );
    return this.#narrow(e.dtype, `${name}(${args.join(", ")})`);
  }

  #unary(op: string, d: DType, x: Expr): string {
    const bare = this.print(x), a = grouped(x, bare, UNARY);
    switch (op) {
      case "neg":
        return this.#narrow(d, `-${a}`);
      case "not":
        return `!${a}`;
      case "bitnot":
        return this.#narrow(d, `~${a}`);
      case "abs":
        if (isFloat(d)) return `${this.#libm(d, "fabs")}(${bare})`;
        return DTYPES[d].kind === "uint" || (valueRange(x)?.[0] ?? -1) >= 0
          ? bare
          : this.#narrow(d, `${a} < 0 ? -${a} : ${a}`);
      default:
        return `${this.#libm(d, op)}(${bare})`;
    }
  }

  #libm(d: DType, name: string): string {
    const full = d === "float32" ? `${name}f` : name;
    this.libm.add(full);
    return full;
  }

  #cast(to: DType, x: Expr): string {
    const from = x.dtype, t = DTYPES[to].cType;
    if (to === "bool") return `(uint8_t)(${this.#operand(x)} != 0)`;
    if (isFloat(from) && isInt(to)) return `${this.#saturate(from, to)}(${this.print(x)})`;
    // int holds every narrower type: no cast is needed where C promotes anyway.
    if (to === "int32" && ["int8", "uint8", "int16", "uint16"].includes(from)) return this.print(x);
    return `(${t})${this.#operand(x)}`;
  }

  /** Float to integer: truncates, saturates, NaN is 0; plain C leaves all but the first undefined. */
  #saturate(from: DType, to: DType): string {
    const { bytes, kind, cType } = DTYPES[to];
    const name = `${SUFFIX[from]}_to_${kind === "int" ? "i" : "u"}${bytes * 8}`;
    const C = `${kind === "int" ? "INT" : "UINT"}${bytes * 8}`;
    const top = `${DTYPES[from].cType === "float" ? "f" : ""}`;
    const past = `${2 ** (bytes * 8 - (kind === "int" ? 1 : 0))}.0${top}`;
    const low = kind === "int" ? `-${past}` : `0.0${top}`;
    const min = kind === "int" ? `${C}_MIN` : "0";
    return this.helper(
      name,
      `static inline ${cType} ${name}(${DTYPES[from].cType} x)
{
    if (!(x > ${low})) {
        return x <= ${low} ? ${min} : 0;
    }
    return x >= ${past} ? ${C}_MAX : (${cType})x;
}`,
    );
  }

  #bits(to: DType, x: Expr): string {
    if (DTYPES[to].cType === DTYPES[x.dtype].cType) return this.print(x);
    const [from, t] = [DTYPES[x.dtype].cType, DTYPES[to].cType];
    // One helper a pair of types: a signed word is none for an unsigned parameter.
    const name = `bits_${SUFFIX[to]}${x.dtype === "int32" ? "_of_i32" : ""}`;
    return `${
      this.helper(
        name,
        `static inline ${t} ${name}(${from} x)\n{\n    ${t} r;\n\n    memcpy(&r, &x, sizeof(r));\n    return r;\n}`,
      )
    }(${this.print(x)})`;
  }

  #call(e: Call): string {
    const special = specialCall(e.fn, e.args, this.target);
    special?.helpers.forEach(([name, text]) => this.helper(name, text));
    const name = special?.name ?? this.#function(e.fn);
    return `${name}(${(special?.args ?? e.args).map(this.print).join(", ")})`;
  }

  #function(fn: ScalarFn): string {
    if (fn.def.kind === "libm") {
      this.libm.add(fn.def.c);
      return fn.def.c;
    }
    const name = hasSpecialText(fn) ? `${fn.name}_wide` : fn.name;
    if (this.helpers.has(name)) return name;
    const { params, lets, result } = fn.def;
    const decl = (v: Var): string => `${DTYPES[v.dtype].cType} ${this.name(v)}`;
    const body = lets.map(([v, x]) => `    const ${decl(v)} = ${this.print(x)};`);
    const text = `static inline ${DTYPES[fn.dtype].cType} ${name}(${params.map(decl).join(", ")})
{
${body.length ? `${body.join("\n")}\n\n` : ""}    return ${this.print(result)};
}`;
    return this.helper(name, text);
  }
}

/** The text of an expression, in parentheses where C needs them at this precedence. */
const grouped = (e: Expr, text: string, least: number): string =>
  precedence(e) >= least ? text : `(${text})`;

/** A comparison that the operands' types decide, which compilers warn about: 0 or 1; else null. */
function decided({ op, a, b }: Bin): string | null {
  const x = valueRange(a), y = valueRange(b);
  if (!x || !y) return null;
  const apart = x[1] < y[0] || x[0] > y[1];
  const truth: Readonly<Record<string, boolean | null>> = {
    lt: x[1] < y[0] || (x[0] >= y[1] ? false : null),
    le: x[1] <= y[0] || (x[0] > y[1] ? false : null),
    gt: x[0] > y[1] || (x[1] <= y[0] ? false : null),
    ge: x[0] >= y[1] || (x[1] < y[0] ? false : null),
    eq: apart ? false : null,
    ne: apart ? true : null,
  };
  return truth[op] === null ? null : String(Number(truth[op]));
}

/** A literal of exactly this value and type. */
export function literal(value: number | bigint, dtype: DType): string {
  switch (dtype) {
    case "float32":
    case "float64":
      return floatLiteral(Number(value), dtype);
    case "int64":
      return BigInt(value) === -(2n ** 63n) ? "INT64_MIN" : `INT64_C(${value})`;
    case "uint64":
      return `UINT64_C(${value})`;
    case "uint32":
      return `${value}u`;
    case "int32":
      return Number(value) === -2147483648 ? "INT32_MIN" : String(value);
    case "bool":
      return String(value);
    default:
      return `(${DTYPES[dtype].cType})${Number(value) < 0 ? `(${value})` : value}`;
  }
}

function floatLiteral(v: number, dtype: "float32" | "float64"): string {
  const f = dtype === "float32" ? "f" : "";
  if (Number.isNaN(v)) return f ? "NAN" : "(double)NAN";
  if (!Number.isFinite(v)) return `${v < 0 ? "-" : ""}${f ? "INFINITY" : "(double)INFINITY"}`;
  if (!f) return withPoint(Object.is(v, -0) ? "-0" : String(v));
  for (let digits = 1; digits <= 9; digits++) {
    const s = v.toPrecision(digits);
    if (Math.fround(Number(s)) === v) return `${withPoint(Object.is(v, -0) ? "-0" : s)}f`;
  }
  return `${withPoint(v.toPrecision(9))}f`;
}
const withPoint = (s: string): string => /[.e]/.test(s) ? s : `${s}.0`;
