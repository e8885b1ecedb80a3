import assert from "node:assert/strict";
import { join } from "@std/path";
import { compileModel, type CompileOptions } from "../compile.ts";
import { DEFAULTS } from "../compile/defaults.ts";
import { writeTree } from "../run/build.ts";
import { loadBoard } from "../target/boards.ts";
import { type Net, ownNet } from "../../tests/e2e/support.ts";

const MAIN = `
#include "net_selftest.h"
#include <stdio.h>
static uint32_t now;
static uint32_t clock(void) { return now += 21u; }
int main(void)
{
    net_selftest_result r;
    char line[NET_SELFTEST_LINE_BYTES];
    char cut[12];
    const int pass = net_selftest(&r, clock);
    const uint32_t length = net_selftest_line(line, sizeof line, &r, "cycles");
    printf("%s\\n%u\\n", line, length);
    (void)net_selftest_line(cut, sizeof cut, &r, NULL);
    printf("%s\\n%u %u\\n", cut, r.samples, r.elements);
    return pass ? 0 : 1;
}
`;
const WARNINGS = "-std=c99 -O2 -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Werror";

async function selftest(
  net: Net,
  io: CompileOptions["io"],
  edit: (source: string) => string = (s) => s,
): Promise<{ code: number; lines: string[] }> {
  const artifact = await compileModel(net.bytes, {
    board: loadBoard("host"),
    fileStem: "net",
    ...DEFAULTS,
    io,
    golden: () => net.samples.slice(0, 3),
  });
  const folder = Deno.makeTempDirSync();
  try {
    const source = "selftest/net_selftest.c";
    const edited = edit(artifact.selftest.get(source)!);
    await writeTree(
      folder,
      new Map([...artifact.sources, ...artifact.selftest, [source, edited], ["main.c", MAIN]]),
    );
    const sources = [...artifact.sources.keys(), source, "main.c"].filter((f) => f.endsWith(".c"));
    const gcc = await new Deno.Command("gcc", {
      args: [...WARNINGS.split(" "), "-Iinclude", "-Iselftest", ...sources, "-lm", "-o", "t"],
      cwd: folder,
    }).output();
    assert(gcc.success, new TextDecoder().decode(gcc.stderr));
    const run = await new Deno.Command(join(folder, "t")).output();
    return { code: run.code, lines: new TextDecoder().decode(run.stdout).trim().split("\n") };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

for (const name of ["tf_conv_dense", "float_conv_bn", "quirk_names"]) {
  for (const io of ["caller", "arena"] as const) {
    Deno.test(`selftest: ${name}, io ${io}: the golden vectors pass and the line says so`, async () => {
      const net = ownNet(name);
      const { code, lines } = await selftest(net, io);
      assert.deepEqual([code, lines[0]], [0, "BURIN net PASS mismatches=0 cycles=21"]);
      assert.equal(Number(lines[1]), lines[0].length);
      assert.equal(lines[2], lines[0].slice(0, 11));
      const samples = Math.min(3, net.samples.length);
      const elements = net.expected[0].reduce((sum, t) => sum + t.data.length, 0);
      assert.equal(lines[3], `${samples} ${samples * elements}`);
    });
  }
}

Deno.test("selftest: one changed golden value is a mismatch, integer or float", async () => {
  const bump = (source: string) =>
    source.replace(/(const \w+ out_\w+_1\[\d+\] = \{\n {4})(\S+?)([,\n])/, "$1($2 + 1)$3");
  for (const name of ["tf_conv_dense", "float_conv_bn"]) {
    const { code, lines } = await selftest(ownNet(name), "caller", bump);
    assert.deepEqual([code, lines[0]], [1, "BURIN net FAIL mismatches=1 cycles=21"], name);
  }
});

Deno.test("selftest: without golden vectors nothing is claimed", async () => {
  const net = { ...ownNet("tf_conv_dense"), samples: [] };
  const { code, lines } = await selftest(net, "caller");
  assert.deepEqual([code, lines[0]], [1, "BURIN net FAIL mismatches=0 samples=0 cycles=0"]);
});
