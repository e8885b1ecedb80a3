/** `deno task bench` as a user types it. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { typeTask } from "../../src/cli/testing.ts";
import { readNpz, writeNpz } from "../../src/util/npz.ts";
import { inFolder, namesIn } from "../../src/util/testing.ts";

const DIGITS = fileURLToPath(new URL("../../examples/digits/", import.meta.url));
const BOARD = ["--board", "mps2-an386"];

/** A copy of the example with its samples, some of whose outputs may be changed. */
function copyExample(folder: string, spoil: boolean): void {
  Deno.copyFileSync(`${DIGITS}digits_int8.onnx`, `${folder}/net.onnx`);
  const arrays = readNpz(Deno.readFileSync(`${DIGITS}test.npz`), "test.npz");
  if (spoil) (arrays.get("out0")!.data as Int8Array)[3] ^= 1;
  Deno.writeFileSync(`${folder}/net.exact.npz`, writeNpz(arrays));
  const row = { model: "net", core: "m4", system: "some other", instructions: 1000 };
  Deno.writeTextFileSync(`${folder}/others.json`, JSON.stringify({ rows: [row] }));
}

Deno.test("bench: right outputs have ratios, figures and layers", () =>
  inFolder(async (cwd) => {
    copyExample(cwd, false);
    const args = ["bench", "net.onnx", ...BOARD, "--baselines", "others.json", "--layers"];
    const text = await typeTask(args, { cwd });
    assert.equal(text.code, 0, text.err);
    assert.match(text.out, /^net +mps2-an386 +right +\d+,\d{3} +\d+,\d{3} /m);
    assert.match(text.out, /^net +m4 +some other +\d+\.\d\d /m);
    assert.match(text.out, /^0 +Conv, Requantize +4,608 /m);
    const { code, out } = await typeTask([...args, "--json"], { cwd });
    assert.equal(code, 0);
    const { tools, rows: [row] } = JSON.parse(out);
    assert.match(tools.qemu, /^\d+\.\d+/);
    assert(row.right && row.samples === 8);
    assert.equal(row.ratios[0].instructions, row.instructions / 1000);
    assert(row.cycles > row.instructions && row.cycles < 2 * row.instructions);
    const sum = (of: "instructions" | "cycles") =>
      row.layers.reduce((a: number, l: Record<typeof of, number>) => a + l[of], 0);
    assert(Math.abs(sum("instructions") - row.instructions) < 200);
    assert(sum("cycles") <= row.cycles && sum("cycles") > 0.95 * row.cycles);
    assert.deepEqual(namesIn(cwd), ["net.exact.npz", "net.onnx", "others.json"]);
  }));

Deno.test("bench: wrong outputs have no ratio, no page, and exit code 1", () =>
  inFolder(async (cwd) => {
    copyExample(cwd, true);
    const args = ["bench", "net.onnx", ...BOARD, "--baselines", "others.json"];
    const { code, out } = await typeTask(args, { cwd });
    assert.equal(code, 1);
    assert.match(out, /^net +mps2-an386 +wrong /m);
    assert.match(out, /^net on mps2-an386: no ratios, as its outputs are wrong$/m);
    assert(!out.includes("some other"), out);
    const json = await typeTask([...args, "--json"], { cwd });
    assert.deepEqual(JSON.parse(json.out).rows[0].ratios, []);
    const page = await typeTask([...args, "--write", "page.md"], { cwd });
    assert.equal(page.code, 1);
    assert.match(page.err, /Cannot write page\.md as the outputs of net on mps2-an386 are wrong/);
    assert(!namesIn(cwd).includes("page.md"));
  }));

Deno.test("bench: what is not there is said", () =>
  inFolder(async (cwd) => {
    copyExample(cwd, false);
    const refused = async (args: string[], message: RegExp) => {
      const { code, err } = await typeTask(["bench", ...args], { cwd });
      assert.match(err, message);
      assert(code > 0);
    };
    await refused(["--models", "nothing", ...BOARD], /no such folder/);
    await refused(["net.onnx", "--board", "host"], /nothing counts instructions there/);
    Deno.writeTextFileSync(`${cwd}/bad.json`, `{"rows": [{"model": "net"}]}`);
    await refused(["net.onnx", ...BOARD, "--baselines", "bad.json"], /data\/baselines/);
    Deno.removeSync(`${cwd}/net.exact.npz`);
    const { code, out } = await typeTask([
      "bench",
      "net.onnx",
      ...BOARD,
      "--baselines",
      "others.json",
    ], { cwd });
    assert.equal(code, 0);
    assert.match(out, /no ratios, as its outputs are not compared/);
  }));

Deno.test("run --cycles: an estimate with loads and stores, or why there is none", () =>
  inFolder(async (cwd) => {
    copyExample(cwd, false);
    const run = (board: string, ...more: string[]) =>
      typeTask(["run", "net.onnx", "--board", board, "--cycles", ...more], { cwd });
    const { out } = await run("mps2-an386");
    assert.match(out, /^ {2}cycles +[\d,]+ an inference, estimated\n {2}memory +[\d,]+ loads, /m);
    assert.match((await run("mps2-an500")).out, /^ {2}cycles +– \(the core has no model\)$/m);
    assert.match((await run("host")).out, /^ {2}cycles +– \(this computer is not profiled\)$/m);
    const { instructions, traffic } = JSON.parse((await run("mps2-an386", "--json")).out);
    assert(Math.abs(traffic.instructions - instructions[0]) <= 40);
    assert(traffic.cycles > traffic.instructions && traffic.bytes > traffic.loads);
    assert(!("functions" in traffic));
  }));
