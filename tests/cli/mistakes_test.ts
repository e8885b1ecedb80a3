/** Mistakes that a user makes while typing: each answered by what, why and what to do; nothing is written. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { typeTask } from "../../src/cli/testing.ts";
import { inFolder, namesIn } from "../../src/util/testing.ts";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const DIGITS = at("examples/digits/digits_int8.onnx"), DATA = at("examples/digits/test.npz");

Deno.test("mistakes: a message with a hint and a code, as JSON too; nothing is written", () =>
  inFolder(async (cwd) => {
    Deno.writeTextFileSync(`${cwd}/model.tflite`, "\x1c\0\0\0TFL3".padEnd(64, "\0"));
    Deno.mkdirSync(`${cwd}/a.onnx`);
    const before = namesIn(cwd);
    const compile = (...args: string[]) => ["compile", ...args, "--board", "host"];
    const run = (...args: string[]) => ["run", DIGITS, "--board", "host", ...args];
    const cases: [number, RegExp, string[]][] = [
      [1, /it is a TensorFlow Lite model\n.*tf2onnx/, compile("model.tflite")],
      [
        1,
        /Cannot compile model\.tflite as it is refused:\n.*TensorFlow/,
        compile(DIGITS, "model.tflite"),
      ],
      [1, /Cannot read a\.onnx as it is a folder/, compile("a.onnx")],
      [2, /-O to 4 as it takes 0, 1, 2, 3\n.*--help/, compile(DIGITS, "-O4")],
      [
        2,
        /Cannot write p\.tar\.gz as .*\.tar\n.*--out p\.tar,/,
        compile(DIGITS, "--out", "p.tar.gz"),
      ],
      [2, /--layers as --levels runs every level/, run("--levels", "--layers")],
      [2, /-O as --levels runs every level/, run("--levels", "-O1")],
      [1, /none\/o\.npz as its folder does not exist/, run("--outputs", "none/o.npz")],
      [
        1,
        /shape \[370,1,12,16\].*\n.*\[1,1,8,8\], N of them as \[N,1,1,8,8\]/,
        run("--inputs", at("examples/vowels/test.npz")),
      ],
    ];
    for (const [expected, pattern, args] of cases) {
      const { code, out, err } = await typeTask([...args, "--json"], { cwd });
      assert.equal(code, expected, err);
      assert.match(err, pattern);
      const { error } = JSON.parse(out);
      assert(err.includes(`${error.message}\n  ${error.hint}\n  [${error.code}]\n`), out);
    }
    assert.deepEqual(namesIn(cwd), before);
  }));

Deno.test("mistakes: fewer samples than the self-test was to have are noted", () =>
  inFolder(async (cwd) => {
    const args = ["compile", DIGITS, "--board", "host", "--inputs", DATA, "--golden", "361"];
    const { code, err } = await typeTask([...args, "--out", "o"], { cwd });
    assert.equal(code, 0);
    assert.match(err, /self-test of digits_int8 has 360 samples, as test\.npz holds no more/);
    assert.match(Deno.readTextFileSync(`${cwd}/o/README.md`), /has 360 samples, as test\.npz/);
  }));
