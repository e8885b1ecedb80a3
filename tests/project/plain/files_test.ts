/** The files of plain projects that other programs read, against what those programs document. */
import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { projectFiles } from "../../../src/project/mod.ts";
import type { Bundle } from "../../../src/project/mod.ts";
import { tinyArtifact } from "../../../src/run/tiny_artifact.ts";
import { boardNames, loadBoard } from "../../../src/target/boards.ts";
import type { Board } from "../../../src/target/target.ts";

const bundleFor = (board: Board): Bundle => ({
  name: "tiny",
  models: [tinyArtifact(board.name)],
  board,
  sharedMemory: [],
  command: ["deno", "task", "compile", "tiny.onnx", "--board", board.name],
});

/** Text files of the project for a board. */
function texts(board: Board): Map<string, string> {
  const files = [...projectFiles(bundleFor(board), "plain")];
  return new Map(files.filter((file): file is [string, string] => typeof file[1] === "string"));
}

/** The projects of all boards, by their names. */
const all = new Map(boardNames().map((name) => [name, texts(loadBoard(name))]));

const schemaOf = (name: string) =>
  JSON.parse(Deno.readTextFileSync(new URL(`./${name}.schema.json`, import.meta.url)));

for (
  const [file, schema] of [
    ["CMakePresets.json", "cmake_presets"],
    ["library.json", "platformio_library"],
  ] as const
) {
  Deno.test(`plain: ${file} of every board follows its schema`, () => {
    const validate = new Ajv2020({ strict: true, allErrors: true }).compile(schemaOf(schema));
    for (const [name, files] of all) {
      const json = JSON.parse(files.get(file)!);
      assert(validate(json), `${name}: ${JSON.stringify(validate.errors)}`);
    }
    // A schema that takes everything would show nothing.
    assert(!validate({ ...JSON.parse(all.get("host")!.get(file)!), version: "first" }));
  });
}

Deno.test("plain: presets name toolchain files, presets and options that exist", () => {
  for (const [name, files] of all) {
    const json = JSON.parse(files.get("CMakePresets.json")!);
    const presets: string[] = json.configurePresets.map((p: { name: string }) => p.name);
    for (const preset of [...json.buildPresets, ...json.testPresets]) {
      assert(presets.includes(preset.configurePreset), `${name}: ${preset.configurePreset}`);
    }
    for (const preset of json.configurePresets) {
      const toolchain = preset.toolchainFile?.replace("${sourceDir}/", "");
      assert.equal(preset.name === "host", toolchain === undefined);
      if (toolchain !== undefined) assert(files.has(toolchain), toolchain);
      const place = preset.cacheVariables.TINY_PLACE;
      if (place !== undefined) assert(files.has(`firmware/${place}/board.c`), place);
    }
    const board = loadBoard(name);
    const emulated = board.machine !== undefined || board.standIn !== undefined;
    assert.equal(presets.includes("qemu"), emulated, name);
    assert.equal(presets.includes("board"), name !== "host", name);
  }
});

/** Elements of an XML text in order, with their attributes; throws where tags do not match. */
function elements(xml: string): { tag: string; attributes: Map<string, string> }[] {
  const body = xml.replace(/^<\?xml [^?]*\?>\s*/, "");
  const open: string[] = [];
  const found: { tag: string; attributes: Map<string, string> }[] = [];
  const token = /<(\/?)([A-Za-z]+)((?: [A-Za-z:]+="[^"<&]*")*)(\/?)>|([^<&]+)/gy;
  let at = 0;
  for (let m = token.exec(body); m !== null; m = token.exec(body)) {
    at = token.lastIndex;
    const [, close, tag, attributes, empty] = m;
    if (tag === undefined) continue;
    if (close) {
      assert.equal(open.pop(), tag);
      continue;
    }
    const pairs = [...attributes.matchAll(/([A-Za-z:]+)="([^"]*)"/g)];
    found.push({ tag, attributes: new Map(pairs.map(([, key, value]) => [key, value])) });
    if (!empty) open.push(tag);
  }
  assert.equal(at, body.length, `not XML from: ${body.slice(at, at + 40)}`);
  assert.deepEqual(open, []);
  return found;
}

Deno.test("plain: the CMSIS-Pack description is well-formed, with what PACK.xsd requires", () => {
  for (const [name, files] of all) {
    const board = loadBoard(name);
    const path = "Burin.tiny.pdsc";
    assert.equal(files.has(path), board.target.prefix === "arm-none-eabi-", name);
    if (!files.has(path)) continue;
    const xml = elements(files.get(path)!);
    const tags = xml.map((e) => e.tag);
    assert.equal(tags[0], "package");
    for (const tag of ["vendor", "name", "description", "url", "releases", "release"]) {
      assert(tags.includes(tag), tag);
    }
    const component = xml.find((e) => e.tag === "component")!.attributes;
    for (const key of ["Cclass", "Cgroup", "Csub"]) {
      assert.match(component.get(key)!, /^[A-Za-z0-9][A-Za-z0-9_+()'/\-\s.]{1,31}$/);
    }
    assert.match(component.get("Cversion")!, /^\d+\.\d+\.\d+$/);
    const core = xml.find((e) => e.tag === "require")!.attributes.get("Dcore")!;
    assert.match(core, /^Cortex-M(0|0\+|3|4|7|33|55)$/);
    const listed = xml.filter((e) => e.tag === "file").map((e) => e.attributes.get("name")!);
    for (const file of listed) assert(files.has(file) || file === "include/", file);
    for (const file of files.keys()) {
      if (/^src\/.*\.c$/.test(file)) assert(listed.includes(file), file);
    }
  }
});

Deno.test("plain: no file holds a path of a machine, and the same project gives the same bytes", () => {
  for (const name of ["stm32f746", "microbit", "qemu-rv32imc", "host"]) {
    const files = texts(loadBoard(name));
    for (const [path, text] of files) {
      assert.doesNotMatch(
        text,
        /(^|[\s"'(=])\/(tmp|usr|home|root|work|opt)\b/m,
        `${name}: ${path}`,
      );
    }
    assert.deepEqual(files, texts(loadBoard(name)));
  }
});

Deno.test("plain: a board file that says odd things gives files with sound names and comments", () => {
  const board = loadBoard("stm32f746");
  const odd: Board = {
    ...board,
    title: "Two */ lines\nof it",
    target: { ...board.target, cpu: '../cortex "m7"' },
    standIn: undefined,
  };
  const files = texts(odd);
  assert(files.has("cmake/toolchain-..-cortex-m7-.cmake"));
  assert(!files.has("firmware/qemu/board.c"));
  for (const file of ["firmware/board/board.c", "firmware/board/link.ld"]) {
    assert.match(files.get(file)!, /^\/\* Two \* \/ lines of it: .*\*\/$/m);
  }
});
