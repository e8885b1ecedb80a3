import assert from "node:assert/strict";
import type { Bundle } from "../../../src/project/mod.ts";
import { projectFiles } from "../../../src/project/mod.ts";
import { tinyArtifact } from "../../../src/run/tiny_artifact.ts";
import { loadBoard } from "../../../src/target/boards.ts";
import { root } from "./support.ts";
import { type Files, lintLibrary, properties } from "./lint.ts";

const bundle = (name = "tiny"): Bundle => ({
  name,
  models: [{ ...tinyArtifact("stm32f746"), name }],
  board: loadBoard("stm32f746"),
  sharedMemory: [],
  command: ["deno", "task", "compile", `${name}.onnx`, "--project", "arduino"],
});

/** The tiny model's own header is written by hand for C alone. */
const HAND_WRITTEN = "headers for C++: src/tiny.h";

const files = projectFiles(bundle(), "arduino");
const findings = (changed: Files): string[] =>
  lintLibrary(changed).filter((line) => line !== HAND_WRITTEN);

function edited(path: string, from: string | RegExp, to: string): Files {
  const text = files.get(path) as string;
  assert.notEqual(text.replace(from, to), text, `${from} is not in ${path}`);
  return new Map(files).set(path, text.replace(from, to));
}

const without = (path: string): Files => new Map([...files].filter(([p]) => p !== path));
const added = (path: string, text = "x"): Files => new Map(files).set(path, text);
const property = (from: RegExp, to: string) => edited("library.properties", from, to);

Deno.test("arduino lint stand-in: the library of a small artifact keeps every rule", () => {
  assert.deepEqual(findings(files), []);
  assert.equal(properties(files).name, "Burin_tiny");
  assert.equal(properties(files).includes, "Burin_tiny.h");
});

Deno.test("arduino: the same artifact gives the same bytes, which name no folder", () => {
  assert.deepEqual(projectFiles(bundle(), "arduino"), files);
  for (const [path, contents] of files) {
    if (typeof contents === "string") {
      assert.doesNotMatch(contents, /\/(tmp|home|root|work)\//, path);
    }
  }
});

Deno.test("arduino lint stand-in: each rule is broken by what it is about", () => {
  const sketch = "examples/SelfTest/SelfTest.ino";
  const cases: readonly (readonly [string, Files])[] = [
    ["LS004", added(".gitmodules")],
    ["LS006", added(".development")],
    ["LS007", added("extras/tool.exe")],
    ["LS008", without("src/Burin_tiny.h")],
    ["LS009", added("Src/a.txt")],
    ["LS010", added("utility/a.txt")],
    ["LS011", added("extra/a.txt")],
    ["LP001", without("library.properties")],
    ["LP004", added("src/library.properties")],
    ["LP005", property(/^name=.*/m, "name=Arduino_tiny")],
    ["LP005", property(/^name=.*/m, "name=a name with spaces")],
    ["LP005", property(/^name=.*/m, `name=${"a".repeat(33)}`)],
    ["LP005", property(/^version=.*/m, "version=1.0")],
    ["LP005", property(/^maintainer=.*\n/m, "")],
    ["LP005", property(/^category=.*/m, "category=Uncategorized")],
    ["LP005", property(/^url=.*/m, "url=burin")],
    ["LP005", property(/^architectures=.*/m, "architectures=")],
    ["LP005", property(/^includes=/m, "include=")],
    ["LP036", property(/^paragraph=.*/m, `paragraph=${properties(files).sentence} And more.`)],
    ["LP045", property(/^architectures=.*/m, "architectures=atmelavr")],
    ["LP046", property(/^architectures=.*/m, "architectures=SAMD")],
    ["LP052", property(/^includes=.*/m, "includes=tyni.h")],
    ["LC001", edited(sketch, "#include <Burin", "#include <arduino.h>\n#include <Burin")],
    ["LD001", without("README.md")],
    ["LD002", without("LICENSE")],
    ["LD003", added("Stray/Stray.ino")],
    ["LD005", added("example/a.txt")],
    ["SS001", added("examples/Other/Sketch.ino")],
    ["SS002", added("examples/a b/a b.ino")],
    ["SS004", added("examples/Old/Old.pde")],
    ["keywords.txt: words", edited("keywords.txt", "\tKEYWORD2", "  KEYWORD2")],
    ["keywords.txt is", without("keywords.txt")],
    ["sources in src", added("src/more/a.c")],
    ["headers by their name", edited("src/Burin_tiny.h", "tiny.h", "include/tiny.h")],
    ["headers for C++", added("src/a.h", "int f(void);\n")],
  ];
  for (const [rule, changed] of cases) {
    const lines = findings(changed);
    assert(
      lines.some((line) => line.startsWith(rule)),
      `${rule} is not among:\n${lines.join("\n")}`,
    );
  }
  const bare = new Map([...files].filter(([path]) => !path.startsWith("examples/")));
  assert(findings(bare).some((line) => line.startsWith("LD004")));
});

Deno.test("arduino lint stand-in: names that Arduino does not allow are made ones that it does", () => {
  for (
    const name of ["arduino_kws", "my_library", "ardarduinouino", `n${"o".repeat(60)}`, "library"]
  ) {
    const library = projectFiles(bundle(name), "arduino");
    const schema = lintLibrary(library).filter((line) => /^L[SP]0/.test(line));
    assert.deepEqual(schema, [], name);
  }
  const long = (end: string) =>
    properties(projectFiles(bundle("n".repeat(40) + end), "arduino")).name;
  assert.notEqual(long("a"), long("b"));
  const [header] = [...projectFiles(bundle("burin_burin"), "arduino").keys()]
    .filter((path) => /^src\/Burin_/.test(path));
  assert.equal(header, "src/Burin_burin_burin.h");
});

Deno.test("arduino: the boards that docs/arduino.md names have an Arduino core", () => {
  const page = Deno.readTextFileSync(root("docs/arduino.md"));
  const [, list] = /the ones with an Arduino core\s+are (.*?)several Nucleo/s.exec(page)!;
  const names = [...list.matchAll(/`(\w+)`/g)].map((found) => found[1]);
  assert(names.length > 5);
  for (const name of names) assert(loadBoard(name).arduino !== undefined, name);
});
