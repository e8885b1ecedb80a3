import assert from "node:assert/strict";
import { join } from "@std/path";
import { execute, findProgram } from "../../../src/run/process.ts";
import { findToolchain } from "../../../src/run/toolchain.ts";
import { inFolder } from "../../../src/util/testing.ts";
import { makeLibrary, root } from "./support.ts";

const WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"];

/** A caller in the language that C and C++ share. */
const CALLER = `#include <Burin_both.h>
#include <digits_int8_selftest.h>
#include <vowels_int8_selftest.h>

int digits(const int8_t *image, int8_t *probabilities);
int digits(const int8_t *image, int8_t *probabilities)
{
    digits_int8_inputs in;
    digits_int8_outputs out;
    digits_int8_selftest_result result;

    in.image = image;
    out.probabilities = probabilities;
    return digits_int8_run(&in, &out) == DIGITS_INT8_OK && digits_int8_selftest(&result, 0);
}

int8_t *vowels(void);
int8_t *vowels(void)
{
    return vowels_int8_VOWELS_ptr(vowels_int8_static_memory());
}
`;

Deno.test("arduino: the library's header is included from C99 and C++11 without a warning", () =>
  inFolder(async (folder) => {
    const { out, board, models } = await makeLibrary(folder, {
      model: root("examples/digits/digits_int8.onnx"),
      others: [root("examples/vowels/vowels_int8.onnx")],
      io: "arena",
      board: "arduino_nano_33_ble",
      name: "both",
    });
    const { gcc, picolibc } = await findToolchain(board.target);
    const gxx = findProgram("arm-none-eabi-g++");
    assert(gxx !== null, "arm-none-eabi-g++ comes with arm-none-eabi-gcc");
    const caller = CALLER.replace("VOWELS", models[1].inputs[0].cName)
      .replace("in.image = image;", "in.image = 0;\n    (void)image;")
      .replace(
        "out.probabilities = probabilities;",
        "out.probabilities = 0;\n    (void)probabilities;",
      );
    const flags = [...board.target.cflags, "-isystem", `${picolibc}/include`, `-I${out}/src`];
    const compilers = [["c", gcc, "-std=c99"], ["cpp", gxx, "-std=c++11"]] as const;
    for (const [suffix, compiler, standard] of compilers) {
      const source = join(folder, `caller.${suffix}`);
      Deno.writeTextFileSync(source, caller);
      const args = [...flags, standard, ...WARNINGS, "-c", source, "-o", `${source}.o`];
      const { code, stderr } = await execute(compiler, args, { cwd: folder });
      assert.equal(code, 0, stderr);
      const nm = await execute(findProgram("arm-none-eabi-nm")!, ["-u", `${source}.o`]);
      const wanted = ["digits_int8_run", "digits_int8_selftest", "vowels_int8_static_memory"];
      const undefineds = nm.stdout.split("\n").map((line) => line.trim().split(" ").at(-1));
      for (const symbol of wanted) assert(undefineds.includes(symbol), `${symbol}: ${nm.stdout}`);
    }
  }));
