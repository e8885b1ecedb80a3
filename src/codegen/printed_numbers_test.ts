/** Printed expressions: compiled by the C compiler, they are the numbers that the interpreter gives. */
import assert from "node:assert/strict";
import { type Random, random } from "../../tests/properties/random.ts";
import { loadBoard } from "../target/boards.ts";
import { compute, placeholder } from "../te/compute.ts";
import {
  bin,
  type Expr,
  f32,
  floordiv,
  floormod,
  imm,
  load,
  lt,
  select,
  substitute,
  un,
  type Var,
  variable,
} from "../te/expr.ts";
import { evaluate } from "../te/interp.ts";
import { bytes, tensor, type TensorData } from "../util/tensor.ts";
import { CExpr, literal } from "./expr_c.ts";

const VARS = ["a", "b", "c"];
/** Values that variables take; small enough that no expression leaves int32. */
const RANGE = [-9, 9] as const;

type Kind = "int32" | "float32";
type Leaves = (r: Random) => Expr;

/** Integers are divided as well, where the sign matters; floats where the order of sums does. */
function grow(r: Random, kind: Kind, leaf: Leaves, depth: number): Expr {
  if (depth === 0 || r.oneIn(6)) return leaf(r);
  const part = (): Expr => grow(r, kind, leaf, depth - 1);
  const ops = ["add", "sub", "sub", "mul", "min", "max", "select", "neg"];
  switch (r.pick(kind === "int32" ? [...ops, "floordiv", "floormod"] : [...ops, "div"])) {
    case "add":
      return bin("add", part(), part());
    case "sub":
      return bin("sub", part(), part());
    case "mul":
      return kind === "int32" ? bin("mul", part(), r.int(-5, 5)) : bin("mul", part(), part());
    case "div":
      return bin("div", part(), part());
    case "min":
      return bin("min", part(), part());
    case "max":
      return bin("max", part(), part());
    case "select":
      return select(lt(part(), part()), part(), part());
    case "floordiv":
      return floordiv(part(), r.int(1, 7));
    case "floormod":
      return floormod(part(), r.int(1, 7));
    default:
      return un("neg", part());
  }
}

interface Case {
  readonly vars: readonly Var[];
  readonly e: Expr;
}

function cases(kind: Kind, count: number): Case[] {
  const r = random(kind === "int32" ? 11 : 12);
  const range = kind === "int32" ? RANGE : undefined;
  return Array.from({ length: count }, () => {
    const vars = VARS.map((n) => variable(n, kind, range));
    const literals = kind === "int32"
      ? () => imm(r.int(...RANGE))
      : () => f32(Math.fround(r.int(-1000, 1000) / 7));
    const leaf: Leaves = () => r.oneIn(4) ? literals() : r.pick(vars);
    return { vars, e: grow(r, kind, leaf, 5) };
  });
}

/** Rows of values of the variables. */
function samples(kind: Kind, count: number): TensorData {
  const r = random(13);
  const value = (): number =>
    kind === "int32" ? r.int(...RANGE) : Math.fround(r.int(-99999, 99999) / 977);
  return tensor(kind, [count, VARS.length], Array.from({ length: count * VARS.length }, value));
}

/** What the definitions' interpreter makes of a case. */
function interpreted({ vars, e }: Case, rows: TensorData): TensorData {
  const t = placeholder("t", rows.dtype, rows.shape);
  const c = compute(
    "y",
    rows.dtype,
    [rows.shape[0]],
    (i) => substitute(e, new Map(vars.map((v, k) => [v, load(t, [i, imm(k)])]))),
  );
  return evaluate([c], new Map([[t, rows]])).get(c.out)!;
}

/** A program that writes the bytes of all results, case by case. */
function program(kind: Kind, all: readonly Case[], rows: TensorData): string {
  const printer = new CExpr(loadBoard("host").target, () => "");
  const type = kind === "int32" ? "int32_t" : "float";
  const functions = all.map(({ e }, i) =>
    `static ${type} f${i}(${VARS.map((v) => `${type} ${v}`).join(", ")})
{
    (void)a, (void)b, (void)c;
    return ${printer.print(e)};
}`
  );
  const data = Array.from(rows.data as Float32Array, (v) => literal(v, kind));
  return `#include <math.h>
#include <stdint.h>
#include <stdio.h>
${[...printer.helpers.values(), ...functions].join("\n")}
static const ${type} x[] = { ${data.join(", ")} };
static ${type} (*const f[])(${type}, ${type}, ${type}) = { ${all.map((_, i) => `f${i}`)} };
int main(void)
{
    for (int i = 0; i < ${all.length}; i++) {
        for (int k = 0; k < ${rows.data.length}; k += ${VARS.length}) {
            const ${type} y = f[i](x[k], x[k + 1], x[k + 2]);
            fwrite(&y, sizeof y, 1, stdout);
        }
    }
    return 0;
}
`;
}

async function executed(source: string): Promise<Uint8Array> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/e.c`, source);
    const flags = ["-std=c99", "-O1", "-ffp-contract=off", "-fsanitize=undefined"];
    const strict = [
      "-Wall",
      "-Wextra",
      "-Wno-unused-value",
      "-Wno-tautological-compare",
      "-Werror",
    ];
    for (
      const [tool, args] of [
        ["gcc", [...flags, ...strict, "-fno-sanitize-recover=all", "-o", "e", "e.c", "-lm"]],
        [`${folder}/e`, []],
      ] as const
    ) {
      const { code, stdout, stderr } = await new Deno.Command(tool, {
        args: [...args],
        cwd: folder,
      })
        .output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      if (args.length === 0) return stdout;
    }
    throw new Error("nothing was executed");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const kind of ["int32", "float32"] as const) {
  Deno.test(`random ${kind} expressions in C are what the interpreter says`, async () => {
    const all = cases(kind, 150), rows = samples(kind, 24);
    const source = program(kind, all, rows);
    const got = await executed(source), size = rows.shape[0] * 4;
    all.forEach((c, i) => {
      // NaN has many bit patterns: values are compared.
      const want = interpreted(c, rows).data;
      const raw = got.slice(i * size, (i + 1) * size).buffer;
      const values = kind === "int32" ? new Int32Array(raw) : new Float32Array(raw);
      const text = source.split(` f${i}(`)[1].split("}")[0];
      assert.deepEqual(Array.from(values), Array.from(want as Float32Array), text);
    });
  });
}

Deno.test("a printed float is read back with all its bits", () => {
  const r = random(14);
  const patterns = Array.from({ length: 20_000 }, () => r.int(0, 2 ** 32 - 1));
  const floats = new Float32Array(Uint32Array.from(patterns).buffer).filter(Number.isFinite);
  for (const v of [...floats, 0, 1, 2 ** -149, 2 ** -126, 3.4028234663852886e38]) {
    const text = literal(v, "float32");
    assert.match(text, /^-?\d*[.e\d+-]*f$/);
    assert.ok(/[.e]/.test(text), `${text} would be an integer with a suffix`);
    const back = tensor("float32", [], [Number(text.slice(0, -1))]);
    assert.deepEqual(bytes(back), bytes(tensor("float32", [], [v])), text);
  }
});

Deno.test("literals of the other types", () => {
  assert.equal(literal(-2147483648, "int32"), "INT32_MIN");
  assert.equal(literal(-(2n ** 63n), "int64"), "INT64_MIN");
  assert.equal(literal(5n, "uint64"), "UINT64_C(5)");
  assert.equal(literal(4000000000, "uint32"), "4000000000u");
  assert.equal(literal(-3, "int8"), "(int8_t)(-3)");
  assert.equal(literal(1 / 3, "float64"), "0.3333333333333333");
  assert.equal(literal(2, "float64"), "2.0");
  assert.equal(literal(NaN, "float32"), "NAN");
  assert.equal(literal(-Infinity, "float32"), "-INFINITY");
});
