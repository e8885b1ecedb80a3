import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ABI_VERSION as JSON_ABI_VERSION } from "../project/model_json.ts";
import { denseBuffer, type Kernel, seq } from "../tir/stmt.ts";
import { type DType, DTYPES } from "../util/dtype.ts";
import { bytes, sizeOf, tensor } from "../util/tensor.ts";
import type { Port } from "./artifact.ts";
import { librarySources } from "./library.ts";
import { ABI_VERSION, kernelPrototype, librarySymbols, namedPorts } from "./names.ts";
import type { Call, Param, Program } from "./program.ts";

const FLAGS = [
  ..."-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wcast-align -Wshadow -Wstrict-prototypes"
    .split(" "),
  "-Wmissing-prototypes",
  "-Werror",
];

const caller = { where: "caller" } as const;

const port = (name: string, cName: string, dtype: DType, shape: number[], more = {}): Port => ({
  name,
  cName,
  dtype,
  cType: DTYPES[dtype].cType,
  shape,
  bytes: sizeOf(shape) * DTYPES[dtype].bytes,
  placement: caller,
  ...more,
});

const param = (
  name: string,
  dtype: DType,
  shape: number[],
  values: (number | bigint)[],
): Param => ({
  name,
  data: tensor(dtype, shape, values),
  align: 4,
  origin: ["/conv/Conv"],
});

const kernel = (name: string, buffers: Kernel["buffers"], params: Kernel["params"]): Kernel => ({
  name,
  buffers,
  params,
  body: seq(),
  origin: ["/conv/*/Conv", "größe??/"],
  ops: ["Conv"],
  macs: 4,
});

const int8 = (name: string, scope: "input" | "output" | "param", align = 1) =>
  denseBuffer(name, "int8", [4], scope, [1], align);

/** sum = 0.5 · Σ (x + w), y = x + w; the sum between the kernels is kept in the arena. */
const ADD: Kernel = kernel("add", [int8("x", "input", 4), int8("t", "output")], [
  int8("w", "param"),
]);
const SUM: Kernel = kernel("sum", [
  int8("t", "input"),
  int8("y", "output"),
  denseBuffer("sum", "float32", [1], "output", [1], 4),
  denseBuffer("partial", "int32", [1], "scratch", [1], 4),
], []);

const BODIES = [
  "for (int i = 0; i < 4; i++) { t[i] = (int8_t)(x[i] + demo_w[i]); }",
  "partial[0] = 0; for (int i = 0; i < 4; i++) { partial[0] += t[i]; y[i] = t[i]; } " +
  "sum[0] = 0.5f * (float)partial[0];",
];

const CALLS: readonly Call[] = [
  {
    kernel: ADD,
    args: [{ k: "input", index: 0 }, { k: "arena", region: "arena", offset: 4 }],
    paramNames: ["w"],
  },
  {
    kernel: SUM,
    args: [
      { k: "arena", region: "arena", offset: 4 },
      { k: "output", index: 0 },
      { k: "output", index: 1 },
      { k: "arena", region: "arena", offset: 8 },
    ],
    paramNames: [],
  },
];

const DEMO: Program = {
  name: "demo",
  title: "demo, from demo.onnx */ with a name that would end the comment",
  inputs: [port("in:0", "x", "int8", [1, 4], { scale: Math.fround(0.1), zeroPoint: -3 })],
  outputs: [port("out;0", "y", "int8", [1, 4]), port("sum", "sum", "float32", [])],
  regions: [{ name: "arena", bytes: 12, align: 16 }],
  buffers: [{
    name: "t",
    region: "arena",
    offset: 4,
    bytes: 4,
    firstStep: 0,
    lastStep: 1,
    owner: "arena",
  }],
  calls: CALLS,
  params: [param("w", "int8", [4], [1, -128, 127, 0])],
};

const MAIN_RUN = `#include <stdio.h>
#include "demo.h"
static const int8_t x[4] __attribute__((aligned(4))) = { 1, 3, -2, 5 };
static int8_t y[4];
static float sum[1];
int main(void)
{
    const demo_inputs in = { x };
    const demo_outputs out = { y, sum };
    const demo_inputs none = { 0 };
    const demo_inputs odd = { x + 1 };
    const demo_memory nowhere = { 0 };
    printf("%d ", (int)demo_run(&in, &out));
    printf("%d %d %d %d ", y[0], y[1], y[2], y[3]);
    printf("%g ", (double)sum[0]);
    printf("%d %d ", (int)demo_run(0, &out), (int)demo_run(&none, &out));
    printf("%d %d", (int)demo_run(&odd, &out), (int)demo_run_in(&nowhere, &in, &out));
    return 0;
}
`;

/** In the arena: x overwritten in place, y behind it; the float stays the caller's. */
const inArena = (offset: number) => ({ placement: { where: "arena", region: "arena", offset } });
const ARENA: Program = {
  ...DEMO,
  inputs: [{ ...DEMO.inputs[0], ...inArena(4) } as Port],
  outputs: [{ ...DEMO.outputs[0], ...inArena(0) } as Port, DEMO.outputs[1]],
  calls: [
    { ...CALLS[0], args: [{ k: "arena", region: "arena", offset: 4 }, CALLS[0].args[1]] },
    {
      ...CALLS[1],
      args: CALLS[1].args.map((a, i) => i === 1 ? { k: "arena", region: "arena", offset: 0 } : a),
    },
  ],
};

const MAIN_ARENA = `#include <stdio.h>
#include "demo.h"
int main(void)
{
    static float sum[1];
    const demo_outputs out = { 0, sum };
    int8_t *x = demo_x_ptr(demo_static_memory());
    for (int i = 0; i < 4; i++) {
        x[i] = (int8_t)i;
    }
    const int status = (int)demo_run(0, &out);
    const int8_t *y = demo_y_ptr(demo_static_memory());
    printf("%d %d %d %d %d %g", status, y[0], y[1], y[2], y[3], (double)sum[0]);
    return 0;
}
`;

/** Nothing in, nothing stored, names that collide without care. */
const BARE: Program = {
  name: "demo",
  title: "demo",
  inputs: [],
  outputs: [port("arena", "arena", "int8", [4]), port("ERR", "ERR", "int8", [4])],
  regions: [],
  buffers: [],
  calls: [{
    kernel: kernel("copy", [int8("w", "input"), int8("y", "output"), int8("z", "output")], []),
    args: [{ k: "param", name: "w" }, { k: "output", index: 0 }, { k: "output", index: 1 }],
    paramNames: [],
  }],
  params: DEMO.params,
};
const BARE_BODIES = ["for (int i = 0; i < 4; i++) { y[i] = w[i]; z[i] = w[i]; }"];
const MAIN_BARE = `#include <stdio.h>
#include "demo.h"
int main(void)
{
    int8_t a[DEMO_ARENA_2_BYTES];
    int8_t e[DEMO_ERR_2_BYTES];
    const demo_outputs out = { a, e };
    const int status = (int)demo_run_in(0, 0, &out);
    printf("%d %d %d %d", status, (int)demo_run(0, &out), a[1], e[2]);
    return 0;
}
`;

const SPECIAL = [0, -0, 1, -1.5, 0.1, 3.4028234663852886e38, 1e-45, -1.2e-39, 16777217];
const SPECIAL64 = [...SPECIAL, Number.MAX_VALUE, Number.MIN_VALUE, 1 / 3, -2.5e-310];
const PARAMS: readonly Param[] = [
  param("i8", "int8", [2, 2], [-128, 127, 0, -1]),
  param("u8", "uint8", [3], [0, 255, 128]),
  param("flags", "bool", [2], [1, 0]),
  param("i16", "int16", [2], [-32768, 32767]),
  param("u16", "uint16", [2], [0, 65535]),
  param("half", "float16", [2], [0x3c00, 0xfc01]),
  param("i32", "int32", [3], [-2147483648, 2147483647, -2147483647]),
  param("u32", "uint32", [2], [0, 4294967295]),
  param("i64", "int64", [3], [-(2n ** 63n), 2n ** 63n - 1n, -1n]),
  param("u64", "uint64", [2], [0n, 2n ** 64n - 1n]),
  param("f32", "float32", [9], SPECIAL),
  param("f64", "float64", [13], SPECIAL64),
  param("endless", "float32", [2], [Infinity, -Infinity]),
  param("rows", "int8", [50], Array.from({ length: 50 }, (_, i) => i - 25)),
];
const MAIN_PARAMS = `#include <stdio.h>
#include "demo_internal.h"
static void dump(const void *at, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        printf("%02x", ((const uint8_t *)at)[i]);
    }
    printf("\\n");
}
int main(void)
{
${PARAMS.map((q) => `    dump(demo_${q.name}, ${q.data.data.byteLength});`).join("\n")}
    return 0;
}
`;

const HOOK = "static int calls[3];\n#define DEMO_HOOK(step) (calls[step]++)\n";

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], cwd: string): Outcome {
  const out = new Deno.Command(command, { args: [...args], cwd, env: { LC_ALL: "C" } })
    .outputSync();
  const text = (b: Uint8Array) => new TextDecoder().decode(b);
  return { code: out.code, stdout: text(out.stdout), stderr: text(out.stderr) };
}

function isPresent(command: string): boolean {
  try {
    return run(command, ["--version"], ".").code === 0;
  } catch {
    console.log(`${command} is absent: what it would compile is not tested`);
    return false;
  }
}

const ARM_CORES = [["-mcpu=cortex-m0"], [
  "-mcpu=cortex-m4",
  "-mfpu=fpv4-sp-d16",
  "-mfloat-abi=hard",
]];
const present = Object.fromEntries(
  ["gcc", "clang", "g++", "clang++", "arm-none-eabi-gcc"].map((c) => [c, isPresent(c)]),
);

/** The library's files in a folder of their own, with hand-written kernels. */
function inFolder(
  p: Program,
  bodies: readonly string[],
  use: (folder: string, c: string[]) => void,
) {
  const folder = mkdtempSync(join(tmpdir(), "burin-library-"));
  try {
    const kernels = bodies.map((b, i) => `${kernelPrototype(p, i)}\n{\n    ${b}\n}\n`).join("\n");
    const files = new Map([...librarySources(p)].map(([path, t]) => [path.split("/")[1], t]))
      .set("demo_kernels.c", `#include "demo_internal.h"\n\n${kernels}`);
    for (const [name, text] of files) writeFileSync(join(folder, name), text);
    use(folder, [...files.keys()].filter((f) => f.endsWith(".c")));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function build(compiler: string, folder: string, args: readonly string[]): void {
  const out = run(compiler, [...FLAGS, ...args], folder);
  assert.equal(out.code, 0, out.stderr);
}

/** Compiles with a main file on this computer and gives back what the program prints. */
function execute(compiler: string, p: Program, bodies: readonly string[], main: string): string {
  let printed = "";
  inFolder(p, bodies, (folder, sources) => {
    writeFileSync(join(folder, "main.c"), main);
    // Debian's clang comes without its sanitizers' libraries.
    const sanitize = compiler === "gcc" ? ["-fsanitize=address,undefined"] : [];
    build(compiler, folder, [...sanitize, "-O1", ...sources, "main.c", "-o", "main"]);
    const out = run(join(folder, "main"), [], folder);
    assert.equal(out.stderr, "");
    printed = out.stdout;
  });
  return printed;
}

for (const compiler of ["gcc", "clang"]) {
  const ignore = !present[compiler];
  Deno.test({
    name: `${compiler}: the library compiles without warnings, runs, refuses bad pointers`,
    ignore,
    fn() {
      assert.equal(execute(compiler, DEMO, BODIES, MAIN_RUN), "0 2 -125 125 5 3.5 1 1 2 1");
    },
  });
  Deno.test({
    name: `${compiler}: ports in the arena need no pointers and have accessors`,
    ignore,
    fn: () => assert.equal(execute(compiler, ARENA, BODIES, MAIN_ARENA), "0 1 -127 -127 3 -125"),
  });
  Deno.test({
    name: `${compiler}: a library without inputs and memory, with ports named like macros`,
    ignore,
    fn: () => assert.equal(execute(compiler, BARE, BARE_BODIES, MAIN_BARE), "0 0 -128 127"),
  });
  Deno.test({
    name: `${compiler}: constants of every type keep their bits`,
    ignore,
    fn() {
      const program = { ...DEMO, calls: [], params: PARAMS };
      const hex = PARAMS.map((q) => bytes(q.data).toHex() + "\n").join("");
      assert.equal(execute(compiler, program, [], MAIN_PARAMS), hex);
    },
  });
  Deno.test({
    name: `${compiler}: constants lie in their section, or where the macro says`,
    ignore: ignore || !isPresent("objdump"),
    fn() {
      inFolder(DEMO, BODIES, (folder) => {
        const sections = (...flags: string[]) => {
          build(compiler, folder, ["-c", ...flags, "demo_params.c", "-o", "p.o"]);
          return run("objdump", ["-h", "p.o"], folder).stdout;
        };
        assert.match(sections(), /\.rodata\.demo_params/);
        const moved = sections('-DDEMO_PARAMS_SECTION=__attribute__((section(".qspi")))');
        assert.match(moved, /\.qspi/);
        assert.doesNotMatch(moved, /demo_params/);
      });
    },
  });
}

Deno.test({
  name: "the hook runs before every step and after the last one",
  ignore: !present.gcc,
  fn() {
    inFolder(DEMO, BODIES, (folder, sources) => {
      const entry = sources.filter((s) => s !== "demo.c").concat("hooked.c");
      const main = MAIN_RUN.replace("return 0;", "hooks(); return 0;")
        .replace("int main", "void hooks(void);\nint main");
      writeFileSync(join(folder, "main.c"), main);
      const hooks =
        'void hooks(void);\nvoid hooks(void)\n{\n    printf("|%d %d %d", calls[0], calls[1], calls[2]);\n}\n';
      writeFileSync(
        join(folder, "hooked.c"),
        `#include <stdio.h>\n${HOOK}#include "demo.c"\n${hooks}`,
      );
      build("gcc", folder, [...entry, "main.c", "-o", "main"]);
      assert.match(run(join(folder, "main"), [], folder).stdout, /\|1 1 1$/);
    });
  },
});

for (const compiler of ["g++", "clang++"]) {
  Deno.test({
    name: `${compiler}: the header is fit for C++`,
    ignore: !present[compiler],
    fn() {
      const flags = ["-x", "c++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion"];
      for (const [p, bodies] of [[DEMO, BODIES], [ARENA, BODIES], [BARE, BARE_BODIES]] as const) {
        inFolder(p, bodies, (folder) => {
          const macros = namedPorts(p).map((q) =>
            `static const int ${q.macro}_b = ${q.macro}_BYTES;`
          );
          const uses = macros.map((m) => `(void)${m.split(" ")[3]};`).join(" ");
          writeFileSync(
            join(folder, "user.cpp"),
            `#include "demo.h"\n#include "demo.h"\n${macros.join("\n")}\n` +
              `int main() { ${uses} return (int)demo_run(0, 0); }\n`,
          );
          const out = run(compiler, [...flags, "-Werror", "-c", "user.cpp", "-o", "u.o"], folder);
          assert.equal(out.code, 0, out.stderr);
        });
      }
    },
  });
}

Deno.test({
  name: "arm-none-eabi-gcc: the library compiles without warnings with and without FPU",
  ignore: !present["arm-none-eabi-gcc"],
  fn() {
    for (const core of ARM_CORES) {
      for (const [p, bodies] of [[DEMO, BODIES], [ARENA, BODIES], [BARE, BARE_BODIES]] as const) {
        inFolder(p, bodies, (folder, sources) => {
          const flags = ["-mthumb", ...core, "-ffreestanding", "-O2", "-nostdlib"];
          build("arm-none-eabi-gcc", folder, [...flags, ...sources, "-r", "-o", "all.o"]);
        });
      }
    }
  },
});

Deno.test("the generated text is what was reviewed", async (t) => {
  await t.step("header", () => {
    const header = librarySources(DEMO).get("include/demo.h")!;
    assert.match(header, /^\/\* demo, from demo.onnx \* \/ with a name/);
    assert.match(header, /#define DEMO_ARENA_BYTES 12\n#define DEMO_ARENA_ALIGN 16\n/);
    assert.match(header, /#define DEMO_X_SHAPE \{ 1, 4 \}\n#define DEMO_X_SCALE 0\.1f\n/);
    assert.match(header, /#define DEMO_X_ALIGN 4\n/);
    assert.match(header, /#define DEMO_X_ZERO_POINT \(-3\)\n/);
    assert.match(header, /typedef struct \{\n {4}const int8_t \*x;\n\} demo_inputs;/);
    assert.doesNotMatch(header, /demo_reset|DEMO_Y_SCALE|DEMO_SUM_SHAPE|_OFFSET/);
  });
  await t.step("entry", () => {
    const entry = librarySources(DEMO).get("src/demo.c")!;
    assert.ok(entry.includes("    /* Conv: /conv/ * /Conv, gr<U+F6><U+DF>e? ?/ */\n"), entry);
    assert.ok(
      entry.includes("        (int8_t *)(void *)(arena_base + 4)); /* t: arena 4 to 7 */\n"),
    );
    assert.ok(entry.includes(" *   arena 4  4 bytes  steps 0 to 1  t\n"));
  });
  await t.step("no text ends in spaces or shows a template's braces", () => {
    for (const text of librarySources(ARENA).values()) {
      assert.doesNotMatch(text, /[ \t]\n|\{\{|\}\}|\n\n\n|undefined/);
    }
  });
});

Deno.test("model.json and the header state the same version of the interface", () => {
  assert.equal(ABI_VERSION, JSON_ABI_VERSION);
});

Deno.test("an argument that a kernel may not write is refused", () => {
  const call: Call = { ...CALLS[0], args: [CALLS[0].args[0], { k: "param", name: "w" }] };
  assert.throws(() => librarySources({ ...DEMO, calls: [call] }), {
    code: "internal/invariant",
    message: "Cannot call add as it would write its t to constant w",
  });
});

Deno.test("two symbols of one name are refused", () => {
  const params = [param("k0_add", "int8", [1], [0])];
  assert.throws(() => librarySymbols({ ...DEMO, params }), { message: /demo_k0_add .* twice/ });
});
