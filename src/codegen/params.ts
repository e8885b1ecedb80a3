/** The model's constants as C arrays that hold exactly their bits. */
import template from "../../templates/c/params.c.hbs" with { type: "text" };
import { type DType, DTYPES } from "../util/dtype.ts";
import type { TensorData } from "../util/tensor.ts";
import { render } from "../util/template.ts";
import { comment, macroPrefix, paramSymbol } from "./names.ts";
import type { Param, Program } from "./program.ts";

/** Elements of an array's row, by the bytes of an element. */
const ROW: Readonly<Record<number, number>> = { 1: 20, 2: 14, 4: 8, 8: 4 };

/** Exponent of the smallest normal number, and what marks a literal's type. */
const FORMAT = {
  float32: { minimum: -126, suffix: "f" },
  float64: { minimum: -1022, suffix: "" },
} as const;

/**
 * A hexadecimal float literal, which C99 reads back to the same bits. Infinities and NaN need
 * <math.h>; a NaN's payload is not kept.
 */
export function floatText(value: number, dtype: "float32" | "float64"): string {
  const { minimum, suffix } = FORMAT[dtype];
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (Number.isNaN(value)) return dtype === "float32" ? "NAN" : "(double)NAN";
  if (!Number.isFinite(value)) return `${sign}${dtype === "float32" ? "" : "(double)"}INFINITY`;
  if (value === 0) return `${sign}0.0${suffix}`;
  let fraction = Math.abs(value);
  let exponent = 0;
  for (; fraction >= 2; exponent++) fraction /= 2;
  for (; fraction < 1 && exponent > minimum; exponent--) fraction *= 2;
  return `${sign}0x${fraction.toString(16)}p${exponent}${suffix}`;
}

/** C has no literals of the most negative integers: `-2147483648` is a minus and a larger type. */
function integerText(value: number | bigint, dtype: DType): string {
  if (dtype === "uint32" || dtype === "uint64") return `${value}u`;
  const most = value === -2147483648 || value === DTYPES.int64.min;
  return most ? `(${typeof value === "bigint" ? value + 1n : value + 1} - 1)` : `${value}`;
}

function elementText(dtype: DType): (value: number | bigint) => string {
  switch (dtype) {
    case "float32":
    case "float64":
      return (v) => floatText(Number(v), dtype);
    case "int32":
    case "int64":
    case "uint32":
    case "uint64":
      return (v) => integerText(v, dtype);
    default:
      return String;
  }
}

/** Elements of a constant's array: C has none without any. */
export const arrayLength = (q: Param): number => Math.max(1, q.data.data.length);

/** The elements of a tensor as the lines between an array's braces. */
export function dataRows({ data, dtype }: TensorData): string {
  const text = Array.from(data as ArrayLike<number | bigint>, elementText(dtype));
  if (text.length === 0) return "    0";
  const lines: string[] = [];
  const row = ROW[DTYPES[dtype].bytes];
  for (let i = 0; i < text.length; i += row) lines.push(`    ${text.slice(i, i + row).join(", ")}`);
  return lines.join(",\n");
}

function paramComment(q: Param): string {
  const readers = q.origin.length > 0 ? `; read by ${q.origin.join(", ")}` : "";
  return comment(`${q.name}: ${q.data.dtype} [${q.data.shape.join(", ")}]${readers}`);
}

/** src/NAME_params.c */
export function paramsSource(p: Program): string {
  const special = p.params.some((q) =>
    (q.data.dtype === "float32" || q.data.dtype === "float64") &&
    !(q.data.data as Float32Array | Float64Array).every(Number.isFinite)
  );
  return render(template, {
    title: comment(p.title),
    name: p.name,
    needs_math: special,
    params: p.params.map((q) => ({
      comment: paramComment(q),
      macro: macroPrefix(p),
      align: Math.max(q.align, DTYPES[q.data.dtype].bytes),
      declaration: `${DTYPES[q.data.dtype].cType} ${paramSymbol(p, q.name)}[${arrayLength(q)}]`,
      rows: dataRows(q.data),
    })),
  }, "c/params.c.hbs");
}
