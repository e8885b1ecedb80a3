/** Facts about expressions that schedules decide by. */
import type { Compute } from "./compute.ts";
import { type DType, intRange, isInt } from "../util/dtype.ts";
import {
  children,
  type Expr,
  type Indexable,
  type Interval,
  type Load,
  type Var,
  visit,
} from "./expr.ts";

/** Every element access of an expression. */
export function loads(e: Expr): Load[] {
  const found: Load[] = [];
  visit(e, (x) => void (x.k === "load" && found.push(x)));
  return found;
}

/** Every variable of an expression. */
export function variables(...es: readonly Expr[]): Set<Var> {
  const found = new Set<Var>();
  for (const e of es) visit(e, (x) => void (x.k === "var" && found.add(x)));
  return found;
}

/** The variables that an element access runs with itself, not by values that it is looked up by. */
export function ownVariables({ idx }: Load): Set<Var> {
  const found = new Set<Var>();
  const visitOwn = (e: Expr): void => {
    if (e.k === "var") found.add(e);
    else if (e.k !== "load") children(e).forEach(visitOwn);
  };
  idx.forEach(visitOwn);
  return found;
}

/** Whether an expression reads this tensor. */
export const reads = (e: Expr, t: Indexable): boolean => loads(e).some((l) => l.src === t);

/** Whether a load reads the element at the position that the definition computes. */
export const isPointwise = (l: Load, c: Compute): boolean =>
  l.idx.length === c.axes.length &&
  l.idx.every((e, i) => {
    // A padding at the end alone reads at its own position too, and not everywhere.
    const [from, to] = [l.src.shape[i], c.out.shape[i]];
    return from === to && (e === c.axes[i] || from === 1);
  });

/** Types whose bounds say something of a value. */
const NARROW: ReadonlySet<DType> = new Set(["int8", "uint8", "int16", "uint16"]);

const rangeOfType = (d: DType): Interval => [intRange(d).min, intRange(d).max];

/** Smallest and largest value of an integer expression as its operand types allow; null: unknown. */
export function valueRange(e: Expr): Interval | null {
  switch (e.k) {
    case "imm":
      return [Number(e.value), Number(e.value)];
    case "var":
      return e.range ?? null;
    case "load":
      if (!isInt(e.dtype) || e.dtype.endsWith("64")) return null;
      return [intRange(e.dtype).min, intRange(e.dtype).max];
    case "cast":
      if (!isInt(e.dtype) || !isInt(e.a.dtype)) return null;
      return valueRange(e.a) ?? (NARROW.has(e.dtype) ? rangeOfType(e.dtype) : null);
    case "select": {
      const a = valueRange(e.a), b = valueRange(e.b);
      return a && b && [Math.min(a[0], b[0]), Math.max(a[1], b[1])];
    }
    case "bin": {
      const a = valueRange(e.a), b = valueRange(e.b);
      if (!a || !b) return null;
      const all = (f: (x: number, y: number) => number): Interval => {
        const v = a.flatMap((x) => b.map((y) => f(x, y)));
        return [Math.min(...v), Math.max(...v)];
      };
      switch (e.op) {
        case "add":
          return all((x, y) => x + y);
        case "sub":
          return all((x, y) => x - y);
        case "mul":
          return all((x, y) => x * y);
        case "min":
          return all(Math.min);
        case "max":
          return all(Math.max);
        default:
          return null;
      }
    }
    default:
      return null;
  }
}
