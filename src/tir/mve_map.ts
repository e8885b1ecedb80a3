/**
 * Functions of one or two bytes through floats, element by element, as vectors (MVE): sums and products
 * of quantised tensors. There is no vector division: a product by the inverse, corrected where that is
 * needed, takes its place if it gives the same byte for all operands, which is tried while compiling.
 */
import {
  add,
  bin,
  type BinOp,
  cast,
  type Expr,
  f32,
  imm,
  load,
  sub,
  variable,
} from "../te/expr.ts";
import { quantize } from "../te/rounding.ts";
import { asmText } from "./mve_asm.ts";
import { type Bounds, boundsKey, isClamped } from "./mve_requantize.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import type { Access, Stmt } from "./stmt.ts";

/** A float: an input less its zero point, a literal, or what becomes of two of these. */
export type MapExpr =
  | { readonly op: "input"; readonly index: number; readonly zero: number }
  | { readonly op: "literal"; readonly value: number }
  | { readonly op: "add" | "sub" | "mul" | "div"; readonly a: MapExpr; readonly b: MapExpr };

export interface MapShape {
  readonly count: number;
  readonly inputs: readonly ("int8" | "uint8")[];
  readonly value: MapExpr;
  readonly bounds: Bounds;
}

/** How a quotient by a literal is computed. */
type Division = "inverse" | "corrected";

const f = Math.fround;

const rint = (x: number): number => {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
};

/** The float for some inputs; null: a true division. */
function evaluate(e: MapExpr, inputs: readonly number[], by: Division | null): number {
  if (e.op === "input") return f(inputs[e.index] - e.zero);
  if (e.op === "literal") return f(e.value);
  const a = evaluate(e.a, inputs, by), b = evaluate(e.b, inputs, by);
  switch (e.op) {
    case "add":
      return f(a + b);
    case "sub":
      return f(a - b);
    case "mul":
      return f(a * b);
    case "div": {
      if (by === null) return f(a / b);
      const inverse = f(1 / b), q = f(a * inverse);
      // The product of two floats is exact in a double, and so is what is left of a.
      return by === "inverse" ? q : f(q + f(f(a - q * b) * inverse));
    }
  }
}

/** Whether every byte comes out the same. */
function isSame(s: MapShape, by: Division): boolean {
  const bytes = s.inputs.map((d) => d === "int8" ? -128 : 0);
  const { lo, hi, zero } = s.bounds;
  const result = (x: number): number => Math.min(Math.max(rint(x), lo - zero), hi - zero);
  for (let i = 0; i < 256; i++) {
    for (let j = 0; j < (bytes.length > 1 ? 256 : 1); j++) {
      const inputs = [bytes[0] + i, bytes[1] + j];
      const want = evaluate(s.value, inputs, null), got = evaluate(s.value, inputs, by);
      if (!Number.isFinite(want) || result(want) !== result(got)) return false;
    }
  }
  return true;
}

const divides = (e: MapExpr): boolean =>
  e.op !== "input" && e.op !== "literal" && (e.op === "div" || divides(e.a) || divides(e.b));

/** The division that gives every byte, or null. */
function divisionOf(s: MapShape): Division | null {
  return (["inverse", "corrected"] as const).find((by) => isSame(s, by)) ?? null;
}

/** Core registers for literals, vectors for values. */
const LITERALS = ["r3", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12"];
const OUT = "r0", INPUTS = ["r1", "r2"];
const VECTORS = 7;

/** Too many literals or values at a time. */
class TooMany extends Error {}

interface Code {
  readonly literals: readonly number[];
  readonly lines: readonly string[];
}

/** Bits of a float, as MOVW and MOVT take them. */
const floatBits = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0];

function codeOf(s: MapShape, by: Division): Code {
  const literals: number[] = [], lines: string[] = [];
  const literal = (bits: number): string => {
    const known = literals.indexOf(bits >>> 0);
    const at = known >= 0 ? known : literals.push(bits >>> 0) - 1;
    if (at >= LITERALS.length) throw new TooMany();
    return LITERALS[at];
  };
  const vector = (n: number): string => {
    if (n >= VECTORS) throw new TooMany();
    return `q${n}`;
  };
  /** Puts a value into vector n; those above are free. */
  const put = (e: MapExpr, n: number): void => {
    const q = vector(n);
    if (e.op === "input") {
      const sign = s.inputs[e.index] === "int8" ? "s" : "u";
      lines.push(`vldrb.${sign}32 ${q}, [${INPUTS[e.index]}], #4`);
      if (e.zero !== 0) lines.push(`vadd.i32 ${q}, ${q}, ${literal(-e.zero)}`);
      lines.push(`vcvt.f32.s32 ${q}, ${q}`);
      return;
    }
    if (e.op === "literal") {
      lines.push(`vdup.32 ${q}, ${literal(floatBits(e.value))}`);
      return;
    }
    if (e.op === "div") {
      if (e.b.op !== "literal") throw new TooMany();
      const inverse = literal(floatBits(f(1 / e.b.value)));
      put(e.a, n);
      if (by === "inverse") {
        lines.push(`vmul.f32 ${q}, ${q}, ${inverse}`);
        return;
      }
      const rest = vector(n + 1);
      lines.push(
        `vmov ${rest}, ${q}`,
        `vmul.f32 ${q}, ${q}, ${inverse}`,
        `vfma.f32 ${rest}, ${q}, ${literal(floatBits(-e.b.value))}`,
        `vmul.f32 ${rest}, ${rest}, ${inverse}`,
        `vadd.f32 ${q}, ${q}, ${rest}`,
      );
      return;
    }
    put(e.a, n);
    if (e.b.op === "literal") {
      lines.push(`v${e.op}.f32 ${q}, ${q}, ${literal(floatBits(e.b.value))}`);
      return;
    }
    put(e.b, n + 1);
    lines.push(`v${e.op}.f32 ${q}, ${q}, ${vector(n + 1)}`);
  };
  put(s.value, 0);
  const { dtype, zero, lo, hi } = s.bounds;
  lines.push("vcvtn.s32.f32 q0, q0");
  if (zero !== 0) lines.push(`vqadd.s32 q0, q0, ${literal(zero)}`);
  if (isClamped(s.bounds)) {
    lines.push(
      `vdup.32 q1, ${literal(lo)}`,
      "vmax.s32 q0, q0, q1",
      `vdup.32 q1, ${literal(hi)}`,
      "vmin.s32 q0, q0, q1",
    );
  } else {
    lines.push(
      ...(dtype === "int8"
        ? ["vqmovnb.s32 q0, q0", "vqmovnb.s16 q0, q0"]
        : ["vqmovunb.s32 q0, q0", "vqmovnb.u16 q0, q0"]),
    );
  }
  lines.push(`vstrb.32 q0, [${OUT}], #4`);
  return { literals, lines };
}

/** Each input once: its pointer goes on with it. */
function readsOnce(e: MapExpr): number[] {
  if (e.op === "input") return [e.index];
  return e.op === "literal" ? [] : [...readsOnce(e.a), ...readsOnce(e.b)];
}

const hash = (text: string): string =>
  [...text].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0, 2166136261)
    .toString(16);

/** y[i] = the value of inputs[…][i] as a byte; null where there is no code for it. */
export function mapBytes(s: MapShape): TensorIntrin | null {
  if ([...readsOnce(s.value)].sort().join() !== s.inputs.map((_, i) => i).join()) return null;
  if (s.inputs.length > INPUTS.length || s.count > 65535) return null;
  const by = divides(s.value) ? divisionOf(s) : "inverse";
  if (by === null) return null;
  let code: Code;
  try {
    code = codeOf(s, by);
  } catch (e) {
    if (e instanceof TooMany) return null;
    throw e;
  }
  const names = ["a", "b"].slice(0, s.inputs.length);
  const name = `map_${s.count}_${s.inputs.map((d) => d[0] === "u" ? "u8" : "s8").join("_")}_${
    boundsKey(s.bounds)
  }_${hash(JSON.stringify(s.value))}`;
  const head = `/* y[i] = ${
    cText(s.value)
  }, rounded half to even, + ${s.bounds.zero}, in [${s.bounds.lo}, ${s.bounds.hi}], for ${s.count} elements */
__attribute__((noinline)) static void ${name}(${s.bounds.dtype}_t *y, ${
    s.inputs.map((d, i) => `const ${d}_t *${names[i]}`).join(", ")
  })`;
  const setup = code.literals.flatMap((v, i) => [
    `movw ${LITERALS[i]}, #${v & 0xffff}`,
    ...(v >>> 16 === 0 ? [] : [`movt ${LITERALS[i]}, #${v >>> 16}`]),
  ]);
  const all = [
    ...setup,
    `movw lr, #${s.count}`,
    "wlstp.32 lr, lr, 2f",
    "1:",
    ...code.lines,
    "letp lr, 1b",
    "2:",
  ];
  const registers = [OUT, ...INPUTS.slice(0, s.inputs.length)];
  const pinned = [`${s.bounds.dtype}_t *r0 __asm__("r0") = y`].concat(
    s.inputs.map((d, i) => `const ${d}_t *r${i + 1} __asm__("r${i + 1}") = ${names[i]}`),
  );
  const clobbers = [
    ...LITERALS.slice(0, code.literals.length),
    "lr",
    ...Array.from({ length: VECTORS }, (_, q) => `q${q}`),
    "memory",
  ];
  return {
    name,
    args: [
      { name: "y", dtype: s.bounds.dtype, count: s.count, mode: "write" },
      ...s.inputs.map((dtype, i) => ({
        name: names[i],
        dtype,
        count: s.count,
        mode: "read" as const,
      })),
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, s),
    c: [
      {
        feature: "mve",
        needs: [],
        instructions: 30 + setup.length + Math.ceil(s.count / 4) * (code.lines.length + 1),
        text: `${head}
{
${pinned.map((p) => `    register ${p};`).join("\n")}

    __asm__ volatile(
${asmText(all)}
        : ${registers.map((r) => `"+r"(${r})`).join(", ")}
        :
        : ${clobbers.map((c) => `"${c}"`).join(", ")});
}`,
      },
      { feature: null, needs: [], text: `${head}\n${portable(s)}` },
    ],
  };
}

/** A literal of a float that reads back as the same. */
const floatText = (x: number): string => {
  const t = String(f(x));
  return /[.e]/.test(t) ? `${t}f` : `${t}.0f`;
};

const SIGNS = { add: "+", sub: "-", mul: "*", div: "/" } as const;

function cText(e: MapExpr): string {
  if (e.op === "input") {
    const x = `${"ab"[e.index]}[i]`;
    return e.zero === 0 ? `(float)${x}` : `(float)(${x} - ${e.zero < 0 ? `(${e.zero})` : e.zero})`;
  }
  if (e.op === "literal") return floatText(e.value);
  return `(${cText(e.a)} ${SIGNS[e.op]} ${cText(e.b)})`;
}

function portable(s: MapShape): string {
  const { dtype, zero, lo, hi } = s.bounds;
  return `{
    for (int32_t i = 0; i < ${s.count}; i++) {
        const float x = ${cText(s.value)};
        const float in = x < ${floatText(lo - zero)} ? ${floatText(lo - zero)} : x > ${
    floatText(hi - zero)
  } ? ${floatText(hi - zero)} : x;

        /* Adding and subtracting 1.5 * 2^23 rounds half to even. */
        y[i] = (${dtype}_t)((int32_t)(in + 12582912.0f - 12582912.0f) + ${zero});
    }
}`;
}

function meaning([y, ...inputs]: readonly Access[], s: MapShape): Stmt {
  const i = variable("i", "int32", [0, s.count - 1]);
  const at = (x: Access): Expr[] => x.idx.map((e, d) => d === x.axis ? add(e, i) : e);
  const value = (e: MapExpr): Expr => {
    if (e.op === "input") {
      const x = inputs[e.index];
      return cast("float32", sub(cast("int32", load(x.buf, at(x))), e.zero));
    }
    return e.op === "literal" ? f32(e.value) : bin(e.op as BinOp, value(e.a), value(e.b));
  };
  const { dtype, zero, lo, hi } = s.bounds;
  const result = cast(dtype, quantize(value(s.value), imm(zero), imm(lo), imm(hi)));
  return {
    k: "for",
    v: i,
    lo: imm(0),
    hi: imm(s.count),
    body: { k: "store", buf: y.buf, idx: at(y), value: result },
  };
}
