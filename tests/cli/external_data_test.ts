/** Tensors in files beside the model: refused unless asked for, and never from anywhere else. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compileInMemory } from "../../src/cli/compile.ts";
import { run } from "../../src/cli/run.ts";
import { BurinError } from "../../src/util/errors.ts";
import { inFolder } from "../../src/util/testing.ts";
import { model, node, rawTensor, value } from "../onnx_builder.ts";

const SHARED = new URL("../../../shared/models/dev/pt_cnn_digits_extdata/", import.meta.url);
const absent = !existsSync(SHARED);
if (absent) {
  console.log("skipped: ../shared is absent, the exporter's own external data is not run");
}

/** y = x + w with w in another file. */
function withWeights(entries: Record<string, string>, dims = [4], dtype = "float32"): Uint8Array {
  return model({
    inputs: [value("x", "float32", [1, 4])],
    outputs: [value("y", "float32", [1, 4])],
    nodes: [node("Add", ["x", "w"], ["y"])],
    initializers: [{
      ...rawTensor("w", dtype, dims, new Uint8Array()),
      dataLocation: 1,
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    }],
  });
}

const compileFile = (folder: string, bytes: Uint8Array, externalData = true) => {
  Deno.writeFileSync(`${folder}/m.onnx`, bytes);
  return compileInMemory({ model: `${folder}/m.onnx`, board: "host", externalData });
};

async function refused(folder: string, bytes: Uint8Array, code: string, text: RegExp) {
  await assert.rejects(compileFile(folder, bytes), (e) => {
    assert(e instanceof BurinError, `${e}`);
    assert.equal(e.code, code, e.message);
    assert.match(e.message, text);
    return true;
  });
}

const weights = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

Deno.test("external data: read at its offset, from folders below too, and noted", () =>
  inFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/deep é`);
    Deno.writeFileSync(`${folder}/deep é/w.bin`, weights(9, 1, 2, 3, 4, 9));
    for (const location of ["deep é/w.bin", "./deep é/w.bin"]) {
      const entries = { location, offset: "4", length: "16" };
      const { artifact } = await compileFile(folder, withWeights(entries));
      assert.deepEqual(artifact.notes, [
        "the elements of 1 tensor were read from 'deep é/w.bin'",
      ]);
      const input = { dtype: "float32" as const, shape: [1, 4], data: new Float32Array(4) };
      const outputs = await artifact.interpret([input]);
      assert.deepEqual([...outputs[0].data], [1, 2, 3, 4]);
    }
  }));

Deno.test("external data: refused by default, with the reason and the option", () =>
  inFolder(async (folder) => {
    Deno.writeFileSync(`${folder}/w.bin`, weights(1, 2, 3, 4));
    await assert.rejects(compileFile(folder, withWeights({ location: "w.bin" }), false), (e) => {
      assert(e instanceof BurinError);
      assert.equal(e.code, "model/external-data");
      assert.match(e.message, /'w' as its elements lie in another file \('w\.bin'\)/);
      assert.match(e.hint!, /--external-data/);
      return true;
    });
  }));

Deno.test("external data: no path out of the folder, by any name", () =>
  inFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/m`);
    Deno.writeFileSync(`${folder}/w.bin`, weights(1, 2, 3, 4));
    Deno.writeFileSync(`${folder}/m/own.bin`, weights(1, 2, 3, 4));
    const locations = [
      "../w.bin",
      "a/../../w.bin",
      "own.bin/../../w.bin",
      `${folder}/w.bin`,
      "/etc/passwd",
      "//etc/passwd",
      "..\\w.bin",
      "C:\\w.bin",
      "C:w.bin",
      "file:///etc/passwd",
      "",
      ".",
      "./",
      "own.bin/",
      "own.bin\0.txt",
      "\x1b[31mred",
    ];
    for (const location of locations) {
      const outside = withWeights({ location });
      await refused(`${folder}/m`, outside, "model/external-data", /is no path inside/);
    }
  }));

Deno.test("external data: no links, no folders, no devices", () =>
  inFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/m/sub`, { recursive: true });
    Deno.writeFileSync(`${folder}/w.bin`, weights(1, 2, 3, 4));
    Deno.symlinkSync("../w.bin", `${folder}/m/soft.bin`);
    Deno.symlinkSync("..", `${folder}/m/up`);
    Deno.linkSync(`${folder}/w.bin`, `${folder}/m/hard.bin`);
    for (const location of ["soft.bin", "up/w.bin", "hard.bin"]) {
      const linked = withWeights({ location });
      await refused(`${folder}/m`, linked, "model/external-data", /is a link/);
    }
    const of = (location: string) => withWeights({ location });
    await refused(`${folder}/m`, of("sub"), "model/external-data", /'sub' is no file/);
    await refused(`${folder}/m`, of("no.bin"), "model/external-data", /there is no file 'no\.bin'/);
    await refused(`${folder}/m`, of("m.onnx/x"), "model/external-data", /'m\.onnx\/x'/);
    if (Deno.build.os === "linux") {
      await new Deno.Command("mkfifo", { args: [`${folder}/m/pipe`] }).output();
      await refused(`${folder}/m`, of("pipe"), "model/external-data", /'pipe' is no file/);
    }
  }));

Deno.test("external data: offset, length and size are held against the file", () =>
  inFolder(async (folder) => {
    Deno.writeFileSync(`${folder}/w.bin`, weights(1, 2, 3, 4));
    const cases: [Record<string, string>, RegExp][] = [
      [{ offset: "4" }, /reaches from byte 4 to 20 of 'w\.bin', which has 16/],
      [{ offset: "9007199254740991" }, /reaches from byte/],
      [{ offset: "18446744073709551615" }, /the offset '18446744073709551615'/],
      [{ offset: "-4" }, /the offset '-4'/],
      [{ offset: "1e1" }, /the offset '1e1'/],
      [{ offset: "" }, /the offset ''/],
      [{ length: "15" }, /has 15 bytes in 'w\.bin' where its shape needs 16/],
      [{ length: "0" }, /has 0 bytes/],
      [{ length: "9007199254740991" }, /has 9007199254740991 bytes/],
    ];
    for (const [entries, text] of cases) {
      const bytes = withWeights({ location: "w.bin", ...entries });
      await refused(folder, bytes, "model/malformed", text);
    }
    const big = withWeights({ location: "w.bin" }, [2 ** 20, 2 ** 20]);
    await refused(folder, big, "model/malformed", /'w' has 1099511627776 elements/);
    const texts = withWeights({ location: "w.bin" }, [4], "string");
    await refused(folder, texts, "model/unsupported-type", /string/);
    // A file of holes takes no room on the disk and any amount of memory.
    const file = Deno.createSync(`${folder}/holes.bin`);
    file.truncateSync(2 ** 34);
    file.close();
    const holes = withWeights({ location: "holes.bin" });
    await refused(folder, holes, "model/external-data", /has 17,179,869,184 bytes, more than/);
  }));

Deno.test({
  name: "external data: an exporter's own file, against its stored outputs",
  ignore: absent,
  async fn() {
    const stem = `${fileURLToPath(SHARED)}model`;
    const data = `${stem}.golden.npz`;
    const { passes, result } = await run({
      model: `${stem}.onnx`,
      board: "host",
      inputs: data,
      expect: data,
      externalData: true,
    });
    assert(passes, JSON.stringify(result.match));
    assert.equal(result.samples, 8);
  },
});
