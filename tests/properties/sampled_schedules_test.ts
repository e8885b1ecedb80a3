/**
 * Whatever the rules propose for whatever core, with whatever block sizes: every kernel of a net under
 * a candidate drawn at random gives the bits of the loops as they are defined, on the interpreter, in C
 * on this computer, and in C on the core.
 */
import assert from "node:assert/strict";
import { type CompileOptions, compileStages } from "../../src/compile.ts";
import { interpreter } from "../../src/compile/interpret.ts";
import { candidates } from "../../src/schedule/rules/mod.ts";
import type { Sample } from "../../src/run/samples.ts";
import type { Target } from "../../src/target/target.ts";
import {
  assertSameBits,
  board,
  defaults,
  type Net,
  outputsOn,
  ownNet,
  ownNets,
  SANITIZE,
} from "../e2e/support.ts";
import { random } from "./random.ts";
import { sampledSchedule } from "./schedules.ts";

const host = board("host");
const CORES = ["mps2-an386", "mps3-an547", "mps2-an385", "microbit"].map(board);

/** Draws of a net for each core. */
const DRAWS = 2;

/** Each kernel under a schedule of its own, drawn from what the rules propose for a target. */
function drawn(seed: number, target: Target): CompileOptions["schedule"] {
  const r = random(seed);
  return (w) => sampledSchedule(w, candidates(w, target, 3), r.int(0, 2 ** 30));
}

/**
 * What the loops as they are defined give: without any pass, but where floats are computed, whose
 * rounding passes may change.
 */
async function defined(net: Net, samples: readonly Sample[]): Promise<Sample[]> {
  const options: Partial<CompileOptions> = net.tolerance === "exact"
    ? { optLevel: 0 }
    : { schedule: (_, chosen) => chosen.filter((s) => s.do === "inline") };
  const { program } = await compileStages(net.bytes, { ...defaults(host), ...options });
  return samples.map(interpreter(program));
}

/** Nets that come fast on the interpreter; their first samples. */
const samplesOf = (net: Net): readonly Sample[] => net.samples.slice(0, 2);

for (const { name } of ownNets) {
  Deno.test(`sampled schedules: ${name} gives the same bits on the interpreter`, async () => {
    const net = ownNet(name), samples = samplesOf(net);
    const right = await defined(net, samples);
    for (const on of CORES) {
      for (let seed = 1; seed <= DRAWS; seed++) {
        const schedule = drawn(seed, on.target);
        const { program } = await compileStages(net.bytes, { ...defaults(on), schedule });
        const got = samples.map(interpreter(program, { checked: true }));
        assertSameBits(got, right, `${name} for ${on.name}, draw ${seed}`);
      }
    }
  });
}

/** Nets that are compiled as C too: convolutions of all kinds, depthwise, dense, pools, floats. */
const COMPILED = [
  "tf_residual",
  "tf_kernel_10x4",
  "ort_cnn_qop_u8s8_pc",
  "corner_odd_shapes",
  "float_grouped",
];

for (const name of COMPILED) {
  Deno.test(`sampled schedules: ${name} gives the same bits in C on this computer and on cores`, async () => {
    const net = ownNet(name), samples = samplesOf(net);
    const right = await defined(net, samples);
    for (const on of CORES.slice(0, 2)) {
      const schedule = drawn(11, on.target);
      const here = await compileStages(net.bytes, { ...defaults(host), schedule });
      const options = { extraFlags: SANITIZE };
      assertSameBits(await outputsOn(here.artifact, host, samples, options), right, `${name} here`);
      const there = await compileStages(net.bytes, {
        ...defaults(on),
        schedule: drawn(12, on.target),
      });
      assertSameBits(await outputsOn(there.artifact, on, samples), right, `${name} on ${on.name}`);
    }
  });
}

Deno.test("sampled schedules: draws differ, and reach every rule", async () => {
  const seen = new Set<string>(), drawnOnes = new Set<string>();
  for (const name of COMPILED) {
    for (const on of CORES.slice(0, 2)) {
      await compileStages(ownNet(name).bytes, {
        ...defaults(on),
        schedule: (w, chosen, all) => {
          for (const c of all) seen.add(c.rule);
          for (let seed = 0; seed < 8; seed++) {
            drawnOnes.add(JSON.stringify(sampledSchedule(w, all, seed)));
          }
          return chosen;
        },
      });
    }
  }
  for (const rule of ["vectors", "tiles", "planes", "channels", "single", "elements"]) {
    assert(seen.has(rule), `no net has candidates of the rule ${rule}`);
  }
  assert(drawnOnes.size > 60, `${drawnOnes.size} schedules`);
});
