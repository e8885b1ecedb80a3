/** The program around a generated library that runs samples and measures, as C text. */
import mainTemplate from "../../templates/qemu/main.c.hbs" with { type: "text" };
import platformHost from "../../templates/qemu/platform_host.h" with { type: "text" };
import type { CompiledLibrary, Port } from "../project/mod.ts";
import { counterSource } from "../project/counter.ts";
import { architectureOf } from "../target/architecture.ts";
import type { Counter, Target } from "../target/target.ts";
import { BurinError } from "../util/errors.ts";
import { render } from "../util/template.ts";

/** Turns of the loop of known length, 2 instructions each, that the counter is checked with. */
export const LOOP_TURNS = 10000;

/** Instructions of the empty function whose call is subtracted: it returns 0. */
const EMPTY_INSTRUCTIONS = 2;

/** Options of the harness. */
export interface HarnessOptions {
  readonly samples: number;
  /**
   * Bytes of guard zone on both sides of a buffer, a multiple of 16. 0 leaves the neighbourhood of
   * the buffers to a sanitizer.
   */
  readonly guard: number;
  /** The timer; absent on this computer. */
  readonly counter?: Counter;
  /** Steps around which the library calls `NAME_hook`, to be counted one by one; default none. */
  readonly steps?: number;
}

/** A header that makes the library call the harness's hook: for gcc's `-include`. */
export const hookHeader = ({ name }: CompiledLibrary): string =>
  `void ${name}_hook(int step);
#define ${name.toUpperCase()}_HOOK(step) ${name}_hook(step)
`;

function context(artifact: CompiledLibrary, options: HarnessOptions): Record<string, unknown> {
  const region = (name: string, offset: number) => `${name}_memory + GUARD + ${offset}`;
  const port = (p: Port, buffer: string) => ({
    c_name: p.cName,
    bytes: p.bytes,
    in_arena: p.placement.where === "arena",
    address: p.placement.where === "arena"
      ? region(p.placement.region, p.placement.offset)
      : buffer,
  });
  const inputs = artifact.inputs.map((p) => port(p, `${p.cName}_input`));
  const outputs = artifact.outputs.map((p) => port(p, `${p.cName}_output + GUARD`));
  const list = (fields: readonly string[]) => fields.length === 0 ? "0" : fields.join(", ");
  const sum = (ports: readonly { bytes: number }[]) => ports.reduce((a, p) => a + p.bytes, 0);
  return {
    name: artifact.name,
    guard: options.guard,
    samples: options.samples,
    steps: options.steps ?? 0,
    align: Math.max(16, ...artifact.regions.map((r) => r.align)),
    regions: artifact.regions.map((r) => ({ c_name: r.name, bytes: r.bytes })),
    inputs,
    outputs,
    input_bytes: sum(inputs),
    output_bytes: sum(outputs),
    memory_init: list(artifact.regions.map((r) => `.${r.name} = ${r.name}_memory + GUARD`)),
    inputs_init: list(
      artifact.inputs.map((p, i) => `.${p.cName} = (const ${p.cType} *)(${inputs[i].address})`),
    ),
    outputs_init: list(
      artifact.outputs.map((p, i) => `.${p.cName} = (${p.cType} *)(${outputs[i].address})`),
    ),
  };
}

/** Files of the harness by name: main.c and the headers that it includes. */
export function harnessFiles(
  artifact: CompiledLibrary,
  target: Target,
  options: HarnessOptions,
): Map<string, string> {
  const align = Math.max(16, ...artifact.regions.map((r) => r.align));
  const guard = Math.ceil(options.guard / align) * align;
  const files = new Map([
    ["main.c", render(mainTemplate, context(artifact, { ...options, guard }), "qemu/main.c.hbs")],
  ]);
  return new Map([...files, ...platformFiles(target, options.counter)]);
}

/**
 * The headers of what a program runs on: how it is entered, its stack, its timer.
 * @param counter the timer; absent on this computer
 */
export function platformFiles(target: Target, counter?: Counter): Map<string, string> {
  const architecture = architectureOf(target);
  if (architecture === null || !counter) return new Map([["platform.h", platformHost]]);
  const loop = `#define LOOP_TURNS ${LOOP_TURNS}u\n`;
  return new Map([
    ["platform.h", architecture.platform],
    ["counter.h", loop + counterSource(counter, "arm_systick_isr")],
  ]);
}

/** What the harness wrote to result.txt. */
export interface Measured {
  /** Instructions of the entry function, one a sample; null without a counter. */
  readonly instructions: readonly number[] | null;
  /** Deepest use of the stack by the entry function over all samples, in bytes. */
  readonly stackBytes: number;
  /** Instructions of each step, sample by sample; empty without hooks or counter. */
  readonly steps: readonly (readonly number[])[];
}

const broken = (artifact: CompiledLibrary, what: string, sample: number) =>
  new BurinError(
    "internal/run",
    `Cannot trust the run of ${artifact.name} on sample ${sample} as ${what}`,
    "please report this with the model",
  );

/**
 * Reads result.txt.
 * @throws BurinError `internal/run` where the library failed or wrote where it must not,
 *   `internal/counter` where the timer does not count a loop of known length right
 */
export function readResult(text: string, artifact: CompiledLibrary, counter?: Counter): Measured {
  const lines = text.trim().split("\n").map((line) => line.split(" "));
  const values = (key: string) => lines.filter(([k]) => k === key).map(([, ...v]) => v.map(Number));
  const ticks = (key: string) => values(key).map(([high, low]) => high * 2 ** 32 + low);
  const at = (key: string, wrong: (v: number) => boolean) =>
    values(key).findIndex(([v]) => wrong(v));
  const failed = at("status", (v) => v !== 0);
  if (failed >= 0) {
    throw broken(artifact, `it returned status ${values("status")[failed][0]}`, failed);
  }
  const outside = at("guards", (v) => v !== 1);
  if (outside >= 0) throw broken(artifact, "it wrote outside its arena and outputs", outside);
  const written = at("inputs", (v) => v !== 1);
  if (written >= 0) throw broken(artifact, "it wrote to the caller's inputs", written);
  const stackBytes = Math.max(0, ...values("stack").map(([v]) => v));
  if (!counter) return { instructions: null, stackBytes, steps: [] };
  const perTick = 1e9 / counter.hz / 2 ** counter.shift;
  const [loop] = ticks("loop");
  const [call] = ticks("call");
  const counted = Math.round(loop * perTick);
  if (Math.abs(counted - 2 * LOOP_TURNS) > 50) {
    throw new BurinError(
      "internal/counter",
      `Cannot count instructions as a loop of ${2 * LOOP_TURNS} is counted as ${counted}`,
      "check counter in the board's file",
    );
  }
  const instructions = ticks("ticks").map((t) =>
    Math.round((t - call) * perTick) + EMPTY_INSTRUCTIONS
  );
  const [hook] = ticks("hook");
  const perStep = ticks("step").map((t) => Math.max(0, Math.round((t - hook) * perTick)));
  const count = perStep.length / instructions.length;
  const steps = instructions.map((_, i) => perStep.slice(i * count, (i + 1) * count));
  return { instructions, stackBytes, steps: hook === undefined ? [] : steps };
}
