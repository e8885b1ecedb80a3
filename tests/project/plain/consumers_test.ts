/** Plain projects inside other people's CMake: every way in, natively and for a board. */
import assert from "node:assert/strict";
import { dirname, join } from "@std/path";
import { inFolder } from "../../../src/util/testing.ts";
import { testTool } from "../../../tools/test_tools.ts";
import { cmake, makeProject, root, start, STRICT } from "./support.ts";

/** A program of the user's: it runs the self-test of the library that it links. */
const PROGRAM = `#include "digits_int8_selftest.h"
#include <stdio.h>
int main(void)
{
    char line[DIGITS_INT8_SELFTEST_LINE_BYTES];
    digits_int8_selftest_result result;
    const int passed = digits_int8_selftest(&result, NULL);
    (void)digits_int8_selftest_line(line, sizeof line, &result, NULL);
    (void)puts(line);
    return passed ? 0 : 1;
}
`;

/** A program of the user's that needs the installed header alone. */
const SMALL = `#include "digits_int8.h"
#include <stdio.h>
int main(void)
{
    static const DIGITS_INT8_ALIGNED(16) int8_t image[64];
    static int8_t probabilities[10];
    const digits_int8_inputs in = { image };
    const digits_int8_outputs out = { probabilities };
    const digits_int8_status status = digits_int8_run(&in, &out);
    (void)printf("status %d\\n", (int)status);
    return (int)status;
}
`;

const HEAD = "cmake_minimum_required(VERSION 3.16)\nproject(their_own LANGUAGES C)\n";

/** Writes a project of the user's. */
function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    Deno.mkdirSync(dirname(join(folder, path)), { recursive: true });
    Deno.writeTextFileSync(join(folder, path), text);
  }
}

const configure = (folder: string, ...options: string[]) =>
  cmake(folder, "-G", "Ninja", "-S", ".", "-B", "b", ...options);

/** Configures, builds and starts a program of the user's. */
async function buildAndRun(folder: string, ...options: string[]): Promise<string> {
  await configure(folder, ...options);
  await cmake(folder, "--build", "b");
  const { code, text } = await start(join(folder, "b", "their_program"), [], folder);
  assert.equal(code, 0, text);
  return text.trim();
}

const digits = { model: root("examples/digits/digits_int8.onnx"), board: "host" };
const PASS = "BURIN digits_int8 PASS mismatches=0";

Deno.test("plain: add_subdirectory brings the library and, where asked, the self-test", async () => {
  await inFolder(async (folder) => {
    await makeProject(folder, digits, "models/digits");
    const lists = (link: string) =>
      `${HEAD}add_subdirectory(models/digits)\nadd_executable(their_program main.c)\n` +
      `target_link_libraries(their_program PRIVATE ${link})\n`;
    write(folder, { "CMakeLists.txt": lists("digits_int8::digits_int8"), "main.c": SMALL });
    assert.equal(await buildAndRun(folder), "status 0");
    const targets = await cmake(folder, "--build", "b", "--target", "help");
    assert(targets.includes("libdigits_int8.a"));
    assert(!targets.includes("firmware") && !targets.includes("selftest"), targets);
    write(folder, { "CMakeLists.txt": lists("digits_int8::selftest"), "main.c": PROGRAM });
    assert.equal(await buildAndRun(folder, "-DDIGITS_INT8_SELFTEST=ON"), PASS);
  });
});

Deno.test("plain: FetchContent takes the folder from elsewhere", async () => {
  await inFolder(async (folder) => {
    const { out } = await makeProject(folder, digits);
    write(join(folder, "theirs"), {
      "CMakeLists.txt": `${HEAD}include(FetchContent)
set(DIGITS_INT8_SELFTEST ON CACHE BOOL "")
FetchContent_Declare(digits_int8 SOURCE_DIR "${out}")
FetchContent_MakeAvailable(digits_int8)
add_executable(their_program main.c)
target_link_libraries(their_program PRIVATE digits_int8::selftest)
`,
      "main.c": PROGRAM,
    });
    assert.equal(await buildAndRun(join(folder, "theirs")), PASS);
  });
});

Deno.test("plain: find_package finds what was installed, in the version that it has", async () => {
  await inFolder(async (folder) => {
    const { out } = await makeProject(folder, digits);
    const prefix = join(folder, "installed here");
    await cmake(out, "--preset", "host");
    await cmake(out, "--build", "--preset", "host");
    await cmake(out, "--install", "build/host", "--prefix", prefix);
    Deno.removeSync(out, { recursive: true });
    const lists = (version: string) =>
      `${HEAD}find_package(digits_int8 ${version} CONFIG REQUIRED)
add_executable(their_program main.c)
target_link_libraries(their_program PRIVATE digits_int8::digits_int8)
`;
    const theirs = join(folder, "theirs");
    write(theirs, { "CMakeLists.txt": lists("1.0"), "main.c": SMALL });
    assert.equal(await buildAndRun(theirs, `-DCMAKE_PREFIX_PATH=${prefix}`), "status 0");
    write(theirs, { "CMakeLists.txt": lists("2.0") });
    const args = ["-G", "Ninja", "-S", ".", "-B", "c", `-DCMAKE_PREFIX_PATH=${prefix}`];
    const { code, text } = await start(testTool("cmake"), args, theirs);
    assert.notEqual(code, 0);
    assert.match(text, /compatible with requested[^]*2\.0/);
  });
});

Deno.test("plain: without its static arena the library is smaller by that file", async () => {
  await inFolder(async (folder) => {
    await makeProject(folder, digits, "digits");
    write(folder, { "CMakeLists.txt": `${HEAD}add_subdirectory(digits)\n` });
    const members = async (...options: string[]) => {
      await configure(folder, ...options);
      await cmake(folder, "--build", "b");
      return (await start("ar", ["t", "b/digits/libdigits_int8.a"], folder)).text;
    };
    assert.match(await members(), /digits_int8_static\.c/);
    const without = await members("-DDIGITS_INT8_STATIC_ARENA=OFF");
    assert.match(without, /digits_int8_kernels\.c/);
    assert.doesNotMatch(without, /static/);
    const args = ["b", "-DDIGITS_INT8_SELFTEST=ON"];
    const { code, text } = await start(testTool("cmake"), args, folder);
    assert.notEqual(code, 0);
    assert.match(text, /needs\s+DIGITS_INT8_STATIC_ARENA=ON/);
  });
});

Deno.test("plain: a user's firmware for a board takes the library and the toolchain file", async () => {
  await inFolder(async (folder) => {
    const { out } = await makeProject(folder, { ...digits, board: "stm32f746" }, "digits");
    write(folder, {
      "CMakeLists.txt": `${HEAD}add_subdirectory(digits)
add_library(their_library STATIC task.c)
target_link_libraries(their_library PRIVATE digits_int8::digits_int8)
`,
      "task.c": SMALL.replaceAll("main", "task").replace(
        "int task(void)",
        "int task(void);\nint task(void)",
      ),
    });
    await configure(folder, `-DCMAKE_TOOLCHAIN_FILE=${out}/cmake/toolchain-cortex-m7.cmake`);
    await cmake(folder, "--build", "b");
    const { text } = await start("arm-none-eabi-readelf", ["-A", "b/libtheir_library.a"], folder);
    assert.match(text, /Tag_CPU_name: "7E-M"/);
    assert.match(text, /Tag_ABI_VFP_args: VFP registers/);
  });
});

Deno.test("plain: C of a board says what is missing to build it on this computer", async () => {
  await inFolder(async (folder) => {
    const { out } = await makeProject(folder, { ...digits, board: "stm32f746" });
    const args = ["-G", "Ninja", "-S", ".", "-B", "b"];
    const { code, text } = await start(testTool("cmake"), args, out);
    assert.notEqual(code, 0);
    const words = text.replace(/\s+/g, " ");
    assert.match(words, /uses instructions of a Cortex-M7\. Configure with one of the presets/);
    assert.match(
      words,
      /\(qemu, board\) or with -DCMAKE_TOOLCHAIN_FILE=cmake\/toolchain-cortex-m7/,
    );
  });
});

Deno.test("plain: the toolchain file says which tool is missing, and how to get it", async () => {
  await inFolder(async (folder) => {
    const { out } = await makeProject(folder, { ...digits, board: "stm32f746" });
    const file = join(out, "cmake", "toolchain-cortex-m7.cmake");
    const text = Deno.readTextFileSync(file);
    const fails = async (edited: string, message: RegExp) => {
      Deno.writeTextFileSync(file, edited);
      const answer = await start(testTool("cmake"), ["--preset", "board", "--fresh"], out, STRICT);
      assert.notEqual(answer.code, 0);
      assert.match(answer.text.replace(/\s+/g, " "), message);
    };
    const install = "sudo apt-get install gcc-arm-none-eabi picolibc-arm-none-eabi";
    await fails(
      text.replaceAll(
        "find_program(CMAKE_C_COMPILER arm-none-eabi-gcc)",
        "find_program(CMAKE_C_COMPILER no-such-gcc)",
      ),
      new RegExp(`arm-none-eabi-gcc was not found.*${install}`),
    );
    await fails(
      text.replaceAll("-include string.h", "-include no_such_header.h"),
      new RegExp(`finds no C library for -mcpu=cortex-m7.*${install}`),
    );
  });
});
