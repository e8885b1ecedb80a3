/** Random scalar expressions: C on this computer, a Cortex-M4 and a RISC-V gives what JavaScript gives. */
import assert from "node:assert/strict";
import { type Random, random } from "../../tests/properties/random.ts";
import { runOnBoard } from "../run/mod.ts";
import { loadBoard } from "../target/boards.ts";
import {
  bin,
  cast,
  div,
  type Expr,
  f32,
  floordiv,
  floormod,
  imm,
  load,
  max,
  select,
  sqrt,
  un,
  variable,
} from "../te/expr.ts";
import { exprText } from "../te/print.ts";
import { interpretKernel } from "../tir/interp.ts";
import { denseBuffer, type Kernel } from "../tir/stmt.ts";
import { verifyKernel } from "../tir/verify.ts";
import type { DType } from "../util/dtype.ts";
import { bytes, tensor, type TensorData, zeros } from "../util/tensor.ts";
import { CExpr } from "./expr_c.ts";
import { artifactOf } from "./testing.ts";

/** Elements that every expression is evaluated on. */
const COUNT = 64;
const SOURCES: readonly DType[] = ["int8", "uint8", "int16", "float32", "int32"];
const inputs = SOURCES.map((d, i) => denseBuffer(`x${i}`, d, [COUNT], "input", [1], 4));
const index = variable("i", "int32", [0, COUNT - 1]);
const source = (d: DType): Expr => load(inputs[SOURCES.indexOf(d)], [index]);

/** An integer expression and what its magnitude cannot pass, so that nothing overflows. */
function integer(r: Random, depth: number): { e: Expr; most: number } {
  if (depth === 0) {
    const d = r.pick(["int8", "uint8", "int16"] as const);
    return r.oneIn(4)
      ? { e: imm(r.int(-100, 100)), most: 100 }
      : { e: cast("int32", source(d)), most: d === "int16" ? 32768 : 255 };
  }
  const a = integer(r, depth - 1), b = integer(r, depth - 1), n = r.int(1, 50);
  const most = Math.max(a.most, b.most);
  switch (r.int(0, 9)) {
    case 0:
      return a.most * b.most < 2 ** 30 ? { e: bin("mul", a.e, b.e), most: a.most * b.most } : a;
    case 1:
      return { e: bin(r.pick(["min", "max"]), a.e, b.e), most };
    case 2:
      return { e: floordiv(a.e, n), most: a.most };
    case 3:
      return { e: floormod(a.e, n), most: n };
    case 4:
      return { e: bin(r.pick(["div", "mod"]), a.e, imm(n)), most: a.most };
    case 5:
      return { e: select(condition(r, moved(a.e), moved(b.e, 3)), a.e, b.e), most };
    case 6:
      return { e: un(r.pick(["neg", "abs"]), moved(a.e)), most: a.most + 7 };
    case 7: {
      const d = r.pick(["int8", "uint8", "int16"] as const);
      return { e: cast("int32", cast(d, a.e)), most: 65535 };
    }
    case 8:
      return a.most < 2 ** 24 ? { e: cast("int32", real(r, depth - 1)), most: 2 ** 31 } : a;
    default:
      return a.most + b.most < 2 ** 31
        ? { e: bin(r.pick(["add", "sub"]), a.e, b.e), most: a.most + b.most }
        : a;
  }
}

const condition = (r: Random, a: Expr, b: Expr): Expr =>
  bin(r.pick(["eq", "ne", "lt", "le", "gt", "ge"]), a, b);
/** gcc warns where a value is compared with itself, or an element alone with what it cannot be. */
const moved = (a: Expr, by = 7): Expr => bin("sub", a, imm(by));

/** A float expression without NaN or infinity. */
function real(r: Random, depth: number): Expr {
  if (depth === 0) return r.oneIn(3) ? f32(r.int(-999, 999) / 7) : source("float32");
  const a = real(r, depth - 1), b = real(r, depth - 1);
  switch (r.int(0, 5)) {
    case 0:
      return bin(r.pick(["min", "max"]), a, b);
    case 1:
      return div(a, f32(r.int(1, 99) / 3));
    case 2:
      return select(condition(r, a, b), a, b);
    case 3:
      return r.oneIn(2)
        ? sqrt(max(a, f32(0)))
        : un(r.pick(["neg", "rint", "floor", "ceil", "trunc"]), a);
    case 4:
      return cast("float32", integer(r, depth - 1).e);
    default:
      return bin(r.pick(["add", "sub", "mul"]), a, b);
  }
}

/** One kernel that stores each expression in an output of its own. */
function kernelOf(expressions: readonly Expr[]): Kernel {
  const outputs = expressions.map((e, i) =>
    denseBuffer(`y${i}`, e.dtype, [COUNT], "output", [1], 4)
  );
  return {
    name: "expressions",
    buffers: [...inputs, ...outputs],
    params: [],
    body: {
      k: "for",
      v: index,
      lo: imm(0),
      hi: imm(COUNT),
      body: {
        k: "seq",
        body: expressions.map((value, i) => ({ k: "store", buf: outputs[i], idx: [index], value })),
      },
    },
    origin: [],
    ops: [],
    macs: 0,
  };
}

const LIMITS: Readonly<Record<string, number>> = {
  int8: 128,
  uint8: 255,
  int16: 32768,
  int32: 1e9,
};

function samples(r: Random): TensorData[] {
  return SOURCES.map((d) => {
    const most = LIMITS[d];
    const one = (): number => {
      if (d === "float32") return r.int(-99999, 99999) / r.pick([1, 2, 4, 7, 1000]);
      const low = d === "uint8" ? 0 : -most, high = d === "int8" || d === "int16" ? most - 1 : most;
      return r.oneIn(4) ? r.pick([low, high, 0]) : r.int(low, high);
    };
    return tensor(d, [COUNT], Array.from({ length: COUNT }, one));
  });
}

for (const name of ["host", "mps2-an386", "qemu-rv32imc"]) {
  Deno.test(`random expressions mean the same in C as in JavaScript: ${name}`, async () => {
    const r = random(20260202);
    const expressions = Array.from(
      { length: 150 },
      (_, i) => i % 2 ? integer(r, r.int(1, 4)).e : real(r, r.int(1, 4)),
    );
    const kernel = kernelOf(expressions), data = samples(r);
    verifyKernel(kernel);
    const want = expressions.map((e) => zeros(e.dtype, [COUNT]));
    interpretKernel(kernel)([...data, ...want].map((t) => t.data));
    const board = loadBoard(name);
    for (const optimisation of ["-O0", "-O2"]) {
      const { outputs } = await runOnBoard(artifactOf([kernel], board), board, [data], {
        optimisation,
      });
      expressions.forEach((e, i) => {
        assert.deepEqual(bytes(outputs[0][i]), bytes(want[i]), exprText(e));
      });
    }
  });
}

Deno.test("a negative number that is added or subtracted reads as its opposite", () => {
  const text = (e: Expr) => new CExpr(loadBoard("host").target, () => "x").print(e);
  const x = load(denseBuffer("x", "int32", [1], "input", [1], 4), [imm(0)]);
  assert.equal(text(bin("sub", x, imm(-128))), "x + 128");
  assert.equal(text(bin("add", x, imm(-3))), "x - 3");
  assert.equal(text(bin("sub", x, bin("add", x, imm(-3)))), "x - (x - 3)");
  assert.equal(text(bin("sub", x, imm(3))), "x - 3");
  // The least integer has no opposite.
  assert.match(text(bin("sub", x, imm(-(2 ** 31)))), /^x - INT32_MIN$/);
});
