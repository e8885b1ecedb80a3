/**
 * Cores that differ in what the generated C may use: without FPU, without DSP instructions, without
 * long products, of another architecture. Their outputs are held against the stored references, which
 * are not Burin's, and all are the same bits.
 */
import type { Board, Feature } from "../../src/target/target.ts";
import type { Sample } from "../../src/run/samples.ts";
import { assertSameBits, board, checkReference, compile, outputsOn, ownNet } from "./support.ts";

/** A core on the machine of a board that has all of its instructions. */
function core(machine: string, cpu: string, flags: string, features: readonly Feature[]): Board {
  const on = board(machine);
  const cflags = [`-mcpu=${cpu}`, "-mthumb", ...flags.split(" ")];
  const target = { ...on.target, cpu: cpu.split("+")[0], cflags, features };
  return { ...on, name: `${cpu} ${flags}`, target };
}

const SOFT = "-mfloat-abi=soft", HARD = "-mfpu=fpv5-sp-d16 -mfloat-abi=hard";

const CORES: readonly Board[] = [
  core("mps2-an385", "cortex-m0plus", SOFT, []),
  core("mps2-an385", "cortex-m3", SOFT, ["clz", "umull", "div", "sat"]),
  core("mps2-an505", "cortex-m33+nodsp", SOFT, ["clz", "umull", "div", "sat"]),
  core("mps2-an505", "cortex-m33+nodsp", HARD, ["fpu", "clz", "umull", "div", "sat"]),
  core("mps2-an505", "cortex-m33", SOFT, ["dsp", "clz", "umull", "div", "sat"]),
  board("qemu-rv32imac"),
];

/** Convolutions of both kinds, residual, tables, softmax, ties, accumulators past int32, float. */
const NETS = [
  "tf_residual",
  "tf_pools",
  "ort_mixed_qdq_u8s8_pc",
  "qop_conv_u8u8",
  "corner_requantise",
  "corner_past_int32",
  "corner_tables",
  "float_conv_bn",
];

for (const name of NETS) {
  Deno.test(`generated C on cores of every kind: ${name}`, async () => {
    const net = ownNet(name);
    let first: readonly Sample[] | null = null;
    for (const on of CORES) {
      const outputs = await outputsOn(await compile(net.bytes, on), on, net.samples);
      checkReference(net, outputs);
      assertSameBits(outputs, first ??= outputs, on.name);
    }
  });
}
