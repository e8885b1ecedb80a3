/** Inline assembly says all that it does: registers, flags, memory, and what is written early. */
import assert from "node:assert/strict";
import { assemblies, undeclared } from "../assembly.ts";
import { conv, depthwise, layerNet, textOf } from "../efficiency/layers.ts";
import { board, compile, ownNet } from "./support.ts";

/** Layers of every form of assembly, beside those of the nets. */
const LAYERS = [
  conv([6, 10], [8, 16], [3, 3]),
  conv([6, 10], [5, 7], [3, 3]),
  conv([9, 9], [4, 8], [3, 3], { stride: 2 }),
  conv([8, 8], [8, 12], [1, 1]),
  conv([8, 8], [13, 9], [1, 1]),
  conv([1, 1], [40, 10], [1, 1]),
  conv([12, 12], [1, 8], [3, 3]),
  conv([12, 12], [3, 8], [3, 3], { stride: 2, of: "first" }),
  conv([12, 10], [1, 8], [10, 4], { stride: 2, of: "first" }),
  conv([20], [8, 8], [3]),
  conv([8, 8], [8, 8], [3, 3], { group: 2 }),
  conv([8, 8], [8, 8], [3, 3], { weightZero: 120 }),
  depthwise([8, 8], 16, [3, 3]),
  depthwise([8, 8], 7, [3, 3], { stride: 2 }),
  depthwise([9, 9], 32, [5, 5]),
  depthwise([20], 8, [3]),
];

/** Nets with what the layers do not have: floats, tables, pools, residuals, int16, unpacked constants. */
const OTHERS = [
  "corner_int16",
  "corner_int4_stored",
  "float_conv_bn",
  "float_half_weights",
  "float_mlp",
  "ort_mixed_qdq_u8s8_pc",
  "qop_conv_u8u8",
  "tf_kernel_10x4",
  "tf_pools",
  "tf_residual",
];

for (const name of ["mps2-an386", "mps3-an547"]) {
  Deno.test(`assembly: registers, flags, memory and early writes are declared on ${name}`, async () => {
    let pieces = 0;
    const check = async (what: string, bytes: Uint8Array, optimize: "balanced" | "speed") => {
      const { sources } = await compile(bytes, board(name), { optimize });
      for (const a of assemblies(sources.get("src/net_kernels.c")!)) {
        pieces++;
        assert.deepEqual(undeclared(a), [], `${what}:\n${a.lines.join("\n")}`);
      }
    };
    for (const l of LAYERS) {
      for (const goal of ["balanced", "speed"] as const) {
        await check(textOf(l), layerNet([l]).bytes, goal);
      }
    }
    for (const other of OTHERS) await check(other, ownNet(other).bytes, "balanced");
    assert(pieces > 60, `${pieces} pieces`);
  });
}

Deno.test("assembly: what is not declared is found", () => {
  const one = (text: string, lists: string) =>
    assemblies(
      `void f(void)\n{\n    __asm__ volatile(\n        "${text}\\n"\n        ${lists});\n}`,
    )
      .flatMap(undeclared);
  assert.deepEqual(one("mov r4, #1", ': : : "r4"'), []);
  assert.deepEqual(one("mov r4, #1", ": : :"), ["r4 is used and not declared"]);
  assert.deepEqual(one("vadd.f32 q1, q1, q1", ': : : "s4", "s5", "s6", "s7"'), []);
  assert.deepEqual(one("subs %[x], #1", ': [x] "+r"(x)'), ["flags change"]);
  assert.deepEqual(one("ldr %[x], [%[p]]", ': [x] "=r"(x) : [p] "r"(p)'), ["memory is used"]);
  assert.deepEqual(one("add %[p], %[p], #1", ': [x] "=r"(x) : [p] "r"(p)'), [
    "the input p is written",
  ]);
  assert.deepEqual(one("str r0, [%[p]], #4", ': : [p] "r"(p) : "r0", "memory"'), [
    "the input p is written",
  ]);
  const early = (constraint: string) =>
    one("mov %[x], #1\\n add %[x], %[x], %[y]", `: [x] "${constraint}"(x) : [y] "r"(y)`);
  assert.match(early("+r").join(), /x is written before y is read/);
  assert.deepEqual(early("+&r"), []);
});
