/** A sample of the hostile files as a user meets them: typed, each a process of its own. */
import assert from "node:assert/strict";
import { typeTask } from "../../src/cli/testing.ts";
import { writeNpz } from "../../src/util/npz.ts";
import { tensor } from "../../src/util/tensor.ts";
import { inFolder, namesIn } from "../../src/util/testing.ts";
import { KINDS, mutant } from "../fuzz/mutate.ts";
import { crafted } from "../must_fail/crafted.ts";

const MODEL = new URL("../models/ort_mixed_qdq_u8s8_pc.onnx", import.meta.url);

/** Files that must not compile, spread over all kinds. */
function sample(): [string, Uint8Array][] {
  const refused = crafted().filter((c) => !c.codes.includes("compiled"));
  const step = Math.ceil(refused.length / 28);
  const bytes = Deno.readFileSync(MODEL);
  return [
    ...refused.filter((_, i) => i % step === 0).map((c): [string, Uint8Array] => [c.what, c.bytes]),
    ...["truncate", "beheaded", "garbage", "outputs gone", "weights elsewhere"].map(
      (kind): [string, Uint8Array] => {
        assert(KINDS.includes(kind));
        return [kind, mutant(bytes, kind, 11).bytes];
      },
    ),
  ];
}

const refused = (code: number, err: string, out: string, what: string): void => {
  assert([1, 2, 3].includes(code), `${what}: exit ${code}: ${err}`);
  assert.match(err, /^Cannot [\s\S]*\n {2}\[(model|data|board|usage|tool)\/[a-z-]+\]\n$/m, what);
  assert(!/^\s+at .*:\d+/m.test(err), `${what}: a stack trace: ${err}`);
  assert.equal(out, "", what);
};

Deno.test("hostile models: a message, exit 1, nothing written", () =>
  inFolder(async (cwd) => {
    const files = sample();
    assert(files.length >= 30);
    const type = async ([what, bytes]: [string, Uint8Array], i: number) => {
      Deno.writeFileSync(`${cwd}/m${i}.onnx`, bytes);
      const args = ["compile", `m${i}.onnx`, "--board", "mps2-an386", "--out", `out${i}`];
      const { code, out, err } = await typeTask(args, { cwd });
      refused(code, err, out, what);
    };
    // Four at a time: most of a process is waiting for its start.
    for (let i = 0; i < files.length; i += 4) {
      await Promise.all(files.slice(i, i + 4).map((f, k) => type(f, i + k)));
    }
    assert.deepEqual(namesIn(cwd), files.map((_, i) => `m${i}.onnx`).sort());
  }));

Deno.test("hostile samples: archives that are cut, bombs, of wrong types and shapes", () =>
  inFolder(async (cwd) => {
    const good = writeNpz(new Map([["in0", tensor("float32", [1, 3], [1, 2, 3])]]));
    // The directory of the archive claims 4 GB for an entry of a few bytes.
    const bomb = good.slice();
    const view = new DataView(bomb.buffer);
    for (let i = 0; i + 4 < bomb.length; i++) {
      if (view.getUint32(i, true) === 0x02014b50) view.setUint32(i + 24, 0xfffffff0, true);
    }
    const cases: [string, Uint8Array][] = [
      ["empty", new Uint8Array()],
      ["cut", good.slice(0, good.length >> 1)],
      ["cut at its end", good.slice(0, good.length - 1)],
      ["bomb", bomb],
      ["nothing in it", writeNpz(new Map())],
      ["another name", writeNpz(new Map([["x", tensor("float32", [1], [1])]]))],
      ["another type", writeNpz(new Map([["in0", tensor("int64", [1, 3], [1n, 2n, 3n])]]))],
      ["another shape", writeNpz(new Map([["in0", tensor("float32", [2, 2], [1, 2, 3, 4])]]))],
      ["no samples", writeNpz(new Map([["in0", tensor("float32", [0, 8], [])]]))],
    ];
    Deno.copyFileSync(MODEL, `${cwd}/m.onnx`);
    await Promise.all(cases.map(async ([what, bytes], i) => {
      Deno.writeFileSync(`${cwd}/${i}.npz`, bytes);
      const args = ["run", "m.onnx", "--board", "host", "--inputs", `${i}.npz`];
      const { code, out, err } = await typeTask(args, { cwd });
      refused(code, err, out, what);
    }));
  }));

Deno.test("hostile board files", () =>
  inFolder(async (cwd) => {
    Deno.copyFileSync(MODEL, `${cwd}/m.onnx`);
    const board = JSON.parse(
      Deno.readTextFileSync(new URL("../../boards/mps2-an386.json", import.meta.url)),
    );
    const memory = (bytes: string) => [board.memory[0], { ...board.memory[1], bytes }];
    const cases: [string, string][] = [
      ["empty", ""],
      ["no JSON", "{"],
      ["null", "null"],
      ["a list", "[]"],
      ["deep", "[".repeat(100000)],
      ["a number", "1e999"],
      ["no memory", JSON.stringify({ ...board, memory: [] })],
      ["negative memory", JSON.stringify({ ...board, memory: memory("-1K") })],
      ["endless memory", JSON.stringify({ ...board, memory: memory("9".repeat(400)) })],
      ["a little memory", JSON.stringify({ ...board, memory: memory("1") })],
      [
        "foreign flags",
        JSON.stringify({
          ...board,
          target: { ...board.target, cflags: ["-fplugin=evil.so"] },
        }),
      ],
      [
        "a command as prefix",
        JSON.stringify({
          ...board,
          target: { ...board.target, prefix: "rm -rf /; " },
        }),
      ],
      ["a prototype", `{"__proto__": {"title": "x"}}`],
    ];
    await Promise.all(cases.map(async ([what, text], i) => {
      Deno.writeTextFileSync(`${cwd}/b${i}.json`, text);
      const args = ["compile", "m.onnx", "--board", `b${i}.json`, "--out", `out${i}`];
      const { code, out, err } = await typeTask(args, { cwd });
      refused(code, err, out, what);
    }));
    assert(!namesIn(cwd).some((name) => name.startsWith("out")));
  }));
