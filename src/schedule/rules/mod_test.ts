/**
 * The schedules that the rules propose, on whole nets and for every core: they use the intrinsics
 * that they are meant to use, and what comes out is what the definitions say.
 */
import assert from "node:assert/strict";
import { assertSameBits, board, defaults, ownNet } from "../../../tests/e2e/support.ts";
import { compileStages } from "../../compile.ts";
import { interpreter } from "../../compile/interpret.ts";
import { type Kernel, visitStmt } from "../../tir/stmt.ts";

/** Padded and depthwise convolutions, odd sizes, both signs, weights of 9 bits. */
const NETS = [
  "tf_kernel_10x4",
  "tf_conv_dense",
  "tf_residual",
  "ort_mixed_qdq_u8s8_pc",
  "qop_conv_u8u8",
  "corner_odd_shapes",
];

/** What stands in the kernels: names of intrinsics without their sizes. */
function intrinsics(kernels: readonly Kernel[]): Set<string> {
  const found = new Set<string>();
  for (const k of kernels) {
    visitStmt(k.body, (s) => {
      if (s.k === "intrin") {
        found.add(
          s.op.name.replace(/^dot_\d.*/, "dot_block").replace(
            /^(dot_s8|window8|map|gather|mac|plane)_.*/,
            "$1",
          ),
        );
      }
    });
  }
  return found;
}

const CORES: readonly (readonly [string, readonly string[]])[] = [
  ["mps2-an385", ["mac", "dot4_s16", "plane", "mla4_s8", "mla4_u8", "widen4_s8", "widen4_u8"]],
  [
    "mps3-an547",
    [
      "dot_s8",
      "window8",
      "requantize4_s8",
      "requantize4_u8_shared",
      "copy16_s8",
      "copy4_u8",
    ],
  ],
  [
    "mps2-an386",
    [
      "dot_block",
      "dot4_s16",
      "mla4_u8",
      "widen4_s8",
      "widen4_u8",
      "map",
      "gather",
    ],
  ],
];

/** The most candidates that a kernel has. */
const MOST = 12;

for (const [name, wanted] of CORES) {
  Deno.test(`rules for ${name}: the loop programs of all candidates keep every bit`, async () => {
    const found = new Set<string>();
    for (const net of NETS.map(ownNet)) {
      // Kernels that pass rows on have schedules of their own.
      const options = { ...defaults(board(name)), optimize: "flash" } as const;
      const plain = await compileStages(net.bytes, { ...options, optLevel: 1 });
      const samples = net.samples.slice(0, 2);
      const right = samples.map(interpreter(plain.program));
      let most = 0;
      for (let turn = 0; turn <= most; turn++) {
        const { program } = await compileStages(net.bytes, {
          ...options,
          schedule: (_w, _chosen, all) => {
            most = Math.max(most, all.length - 1);
            return all[turn % all.length].schedule;
          },
        });
        const run = interpreter(program, { checked: true });
        assertSameBits(samples.map(run), right, `${net.name}, candidate ${turn}`);
        for (const i of intrinsics(program.calls.map((c) => c.kernel))) found.add(i);
      }
      assert.ok(most < MOST, `${most + 1} candidates take too long to weigh`);
    }
    for (const i of wanted) assert.ok(found.has(i), `${i} is in none of ${[...found].join(", ")}`);
  });
}
