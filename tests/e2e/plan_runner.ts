/**
 * Runs the generated C of one model under memory plans that are given when it runs: the offsets of
 * the entry function are read from a table. The memory is poisoned before each run.
 */
import assert from "node:assert/strict";
import type { Compilation } from "../../src/compile.ts";
import { kernelsSource } from "../../src/codegen/kernel_c.ts";
import { kernelParameters } from "../../src/codegen/names.ts";
import { compileLibrary } from "../../src/run/build.ts";
import { execute } from "../../src/run/process.ts";
import type { Sample } from "../../src/run/samples.ts";
import { findToolchain } from "../../src/run/toolchain.ts";
import { withWorkDir } from "../../src/run/workdir.ts";
import { bytes as rawBytes } from "../../src/util/tensor.ts";
import { board } from "./support.ts";

/** Bytes with which the memory is filled before a run, one after the other. */
const PATTERNS = [0x00, 0xa7];

/** Whether a run gave the expected outputs, and left alone what lies around its memory. */
export type Verdict = "right" | "wrong";

/** The entry function with its offsets replaced by entries of a table. */
function tabled(source: string, replaced: () => number): string {
  return source
    .replace("#include <stddef.h>", "#include <stddef.h>\n\nextern int32_t plan[];")
    .replaceAll(/\((\w+)_base \+ \d+\)/g, (_, region) => `(${region}_base + plan[${replaced()}])`);
}

/** The numbers of the memories that the calls take from the arena, in the order of the text. */
function arguments_({ program, placement }: Compilation): number[] {
  return program.calls.flatMap((call, i) =>
    kernelParameters(call.kernel).flatMap((q) =>
      call.args[q.index].k === "arena" ? [placement.replay.steps[i].memories[q.index]] : []
    )
  );
}

/**
 * Runs every sample under every plan.
 * @param c compiled for any core with one region, inputs and outputs the caller's
 * @param plans offset of each memory of `placement.replay`
 * @param size bytes of memory that a plan may use
 */
export function runPlans(
  c: Compilation,
  samples: readonly Sample[],
  expected: readonly Sample[],
  plans: readonly (readonly number[])[],
  size: number,
): Promise<Verdict[]> {
  const { artifact } = c;
  const used = arguments_(c);
  let next = 0;
  const entry = `src/${artifact.name}.c`;
  const sources = new Map(artifact.sources);
  sources.set(entry, tabled(sources.get(entry)!, () => next++));
  assert.equal(next, used.length, "an offset of the entry function is not in the table");
  const host = board("host").target;
  sources.set(`src/${artifact.name}_kernels.c`, kernelsSource(c.program, host));
  const library = { ...artifact, sources };
  return withWorkDir(async (folder) => {
    const tools = await findToolchain(host);
    const built = await compileLibrary(library, host, tools, folder, { optimisation: "-O1" });
    await Deno.writeTextFile(`${folder}/main.c`, mainText(c, used.length, size));
    const args = ["-std=c99", "-O1", "-Ilibrary/include", "main.c", ...built.objects, "-lm"];
    const linked = await execute(tools.gcc, [...args, "-o", "plans.exe"], { cwd: folder });
    assert.equal(linked.code, 0, linked.stderr);
    const words = plans.flatMap((plan) => used.map((m) => plan[m]));
    await Deno.writeFile(`${folder}/plans.bin`, new Uint8Array(Int32Array.from(words).buffer));
    const data = samples.flatMap((s, i) => [...s, ...expected[i]].map(rawBytes));
    await Deno.writeFile(`${folder}/samples.bin`, concat(data));
    const { code, stdout, stderr } = await execute(
      `${folder}/plans.exe`,
      [String(plans.length), String(samples.length)],
      { cwd: folder, timeoutSeconds: 300 },
    );
    assert.equal(code, 0, stderr);
    assert.equal(stdout.length, plans.length);
    return [...stdout].map((c) => c === "1" ? "right" : "wrong");
  });
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

function mainText({ artifact: a }: Compilation, words: number, size: number): string {
  const align = "__attribute__((aligned(16)))";
  const declare = (what: string, ports: typeof a.inputs) =>
    ports.map((p, i) => `static ${align} uint8_t ${what}${i}[${Math.max(1, p.bytes)}];`).join("\n");
  const fill = (what: string, ports: typeof a.inputs, f: (name: string, n: number) => string) =>
    ports.map((p, i) => f(`${what}${i}`, p.bytes)).join("\n");
  const fields = (what: string, ports: typeof a.inputs) =>
    ports.map((p, i) => `.${p.cName} = (void *)${what}${i}`).join(", ") || "0";
  const memory = a.regions.length > 0 ? `.${a.regions[0].name} = arena + GUARD` : "0";
  return `#include "${a.name}.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define GUARD 4096
#define SIZE ${size}
int32_t plan[${Math.max(1, words)}];
static ${align} uint8_t arena[GUARD + SIZE + GUARD];
${declare("in", a.inputs)}
${declare("out", a.outputs)}
${declare("want", a.outputs)}
static int guards_hold(void)
{
    for (int i = 0; i < GUARD; i++) {
        if (arena[i] != 0x5e || arena[GUARD + SIZE + i] != 0x5e) return 0;
    }
    return 1;
}
int main(int argc, char **argv)
{
    const int plans = atoi(argv[1]), samples = atoi(argv[2]);
    static const int patterns[] = { ${PATTERNS.join(", ")} };
    FILE *table = fopen("plans.bin", "rb"), *data = fopen("samples.bin", "rb");
    (void)argc;
    for (int p = 0; p < plans; p++) {
        int right = fread(plan, sizeof(int32_t), ${words}, table) == ${words};
        rewind(data);
        for (int s = 0; s < samples; s++) {
            size_t got = 0;
${fill("in", a.inputs, (name, n) => `            got += fread(${name}, 1, ${n}, data);`)}
${fill("want", a.outputs, (name, n) => `            got += fread(${name}, 1, ${n}, data);`)}
            if (got == 0) return 1;
            for (int k = 0; k < ${PATTERNS.length}; k++) {
                const ${a.name}_memory m = { ${memory} };
                const ${a.name}_inputs in = { ${fields("in", a.inputs)} };
                const ${a.name}_outputs out = { ${fields("out", a.outputs)} };
                memset(arena, 0x5e, sizeof arena);
                memset(arena + GUARD, patterns[k], SIZE);
${fill("out", a.outputs, (name) => `                memset(${name}, patterns[k], sizeof ${name});`)}
                right &= ${a.name}_run_in(&m, &in, &out) == ${a.name.toUpperCase()}_OK;
                right &= guards_hold();
${
    fill(
      "out",
      a.outputs,
      (name, n) =>
        `                right &= memcmp(${name}, ${name.replace("out", "want")}, ${n}) == 0;`,
    )
  }
            }
        }
        putchar(right ? '1' : '0');
    }
    return 0;
}
`;
}
