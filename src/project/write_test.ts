import assert from "node:assert/strict";
import { join } from "@std/path";
import { BurinError } from "../util/errors.ts";
import { inFolder, namesIn } from "../util/testing.ts";
import { writeProject } from "./write.ts";

const FILES = new Map([
  ["src/a.c", "int a;\n"],
  ["model.json", JSON.stringify({ tool: { name: "burin" }, files: ["src/a.c", "model.json"] })],
]);

const fails = (promise: Promise<void>, code: string, message: RegExp) =>
  assert.rejects(promise, (e) => {
    assert(e instanceof BurinError);
    assert.equal(e.code, code);
    assert.match(e.message, message);
    return true;
  });

Deno.test("write: a new folder, its parents, again over its own result", () =>
  inFolder(async (folder) => {
    const out = join(folder, "x", "y z");
    await writeProject(FILES, out);
    assert.deepEqual(namesIn(out), ["model.json", "src"]);
    await writeProject(new Map([...FILES, ["src/a.c", "int b;\n"]]), out);
    assert.equal(Deno.readTextFileSync(join(out, "src/a.c")), "int b;\n");
    assert.deepEqual(namesIn(join(folder, "x")), ["y z"]);
  }));

Deno.test("write: files of others are refused, and stay with --force", () =>
  inFolder(async (folder) => {
    const out = join(folder, "o");
    await writeProject(FILES, out);
    Deno.writeTextFileSync(join(out, "src", "mine.c"), "mine");
    await fails(writeProject(FILES, out), "usage/out-not-empty", /did not write: src\/mine\.c$/);
    await writeProject(new Map([["src/b.c", "b"]]), out, { force: true });
    assert.deepEqual(namesIn(join(out, "src")), ["b.c", "mine.c"]);
    assert.deepEqual(namesIn(folder), ["o"]);
  }));

Deno.test("write: an empty folder that is there stays the one it is, as somebody may stand in it", () =>
  inFolder(async (folder) => {
    const before = Deno.statSync(folder).ino;
    await writeProject(FILES, folder);
    const other = new Map([["lib/c.c", "c"], ["model.json", FILES.get("model.json")!]]);
    await writeProject(other, folder);
    assert.equal(Deno.statSync(folder).ino, before);
    // Nothing is left of the earlier result, empty folders neither.
    assert.deepEqual(namesIn(folder), ["lib", "model.json"]);
  }));

Deno.test("write: into a folder that is there all files come, or what was there stays", () =>
  inFolder(async (folder) => {
    await writeProject(FILES, folder);
    Deno.writeTextFileSync(join(folder, "z"), "mine");
    // The last path wants a folder where a file of the user's stands.
    const wrong = new Map([["src/a.c", "int b;\n"], ["lib/c.c", "c"], ["z/d.c", "d"]]);
    await fails(writeProject(wrong, folder, { force: true }), "data/cannot-write", /Cannot write/);
    assert.deepEqual(namesIn(folder), ["model.json", "src", "z"]);
    assert.equal(Deno.readTextFileSync(join(folder, "src/a.c")), "int a;\n");
    const full = () => Promise.reject(new Error("No space left on device (os error 28)"));
    Deno.removeSync(join(folder, "z"));
    await fails(writeProject(wrong, folder, { writeFile: full }), "data/cannot-write", /disk is/);
    assert.deepEqual(namesIn(folder), ["model.json", "src"]);
  }));

Deno.test("write: what was built of an earlier result stays where CMake has put it", () =>
  inFolder(async (folder) => {
    const out = join(folder, "o");
    const build = join(out, "build", "qemu");
    Deno.mkdirSync(build, { recursive: true });
    Deno.writeTextFileSync(join(build, "a.o"), "");
    await fails(writeProject(FILES, out), "usage/out-not-empty", /did not write: build\/qemu/);
    await writeProject(FILES, out, { force: true });
    await writeProject(new Map([...FILES, ["src/a.c", "int b;\n"]]), out);
    assert.equal(Deno.readTextFileSync(join(out, "src/a.c")), "int b;\n");
    assert.deepEqual(namesIn(out), ["build", "model.json", "src"]);
    assert.deepEqual(namesIn(build), ["a.o"]);
  }));

Deno.test("write: a model.json that lists paths outside is not believed", () =>
  inFolder(async (folder) => {
    const out = join(folder, "o");
    Deno.mkdirSync(out);
    Deno.writeTextFileSync(join(folder, "keep"), "");
    const evil = { tool: { name: "burin" }, files: ["../keep", "model.json"] };
    Deno.writeTextFileSync(join(out, "model.json"), JSON.stringify(evil));
    await fails(writeProject(FILES, out), "usage/out-not-empty", /model\.json/);
    await writeProject(FILES, out, { force: true });
    assert.deepEqual(namesIn(folder), ["keep", "o"]);
  }));

Deno.test("write: a full disk gives a message and leaves nothing", () =>
  inFolder(async (folder) => {
    const full = () => Promise.reject(new Error("No space left on device (os error 28)"));
    const out = join(folder, "a", "b");
    await fails(writeProject(FILES, out, { writeFile: full }), "data/cannot-write", /disk is full/);
    assert.deepEqual(namesIn(folder), []);
  }));

Deno.test("write: a folder that cannot be written to, a file in the way", () =>
  inFolder(async (folder) => {
    Deno.writeTextFileSync(join(folder, "file"), "");
    await fails(writeProject(FILES, join(folder, "file")), "usage/out-is-a-file", /is a file/);
    await fails(
      writeProject(FILES, join(folder, "file", "x")),
      "data/cannot-write",
      /Cannot write/,
    );
    if (Deno.build.os === "linux") {
      await fails(writeProject(FILES, "/proc/burin"), "data/cannot-write", /Cannot write \/proc/);
    }
  }));

Deno.test("write: two at once into one folder both end, one result stands", () =>
  inFolder(async (folder) => {
    const out = join(folder, "o");
    await Promise.all([1, 2, 3, 4].map(() => writeProject(FILES, out)));
    assert.deepEqual(namesIn(out), ["model.json", "src"]);
    assert.deepEqual(namesIn(folder), ["o"]);
  }));

Deno.test("write: an interruption undoes what was begun", () =>
  inFolder(async (folder) => {
    let undo = () => {};
    const writeFile = () => {
      undo();
      return Promise.reject(new Error("interrupted"));
    };
    const out = join(folder, "p", "o");
    await assert.rejects(writeProject(FILES, out, { writeFile, onStart: (u) => undo = u }));
    assert.deepEqual(namesIn(folder), []);
  }));
