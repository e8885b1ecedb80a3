import assert from "node:assert/strict";
import { asideName, isAside, whyNotWritten, writeWhole } from "./files.ts";
import { inFolder, namesIn } from "./testing.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const caught = (f: () => void): unknown => {
  try {
    f();
  } catch (e) {
    return e;
  }
  assert.fail("it did not throw");
};

Deno.test("files: one that is written replaces the old one, behind a link too", () =>
  inFolder((folder) => {
    writeWhole(`${folder}/a`, bytes("first"));
    writeWhole(`${folder}/a`, bytes("second"));
    Deno.symlinkSync(`${folder}/a`, `${folder}/link`);
    writeWhole(`${folder}/link`, bytes("third"));
    assert.equal(Deno.readTextFileSync(`${folder}/a`), "third");
    assert(Deno.lstatSync(`${folder}/link`).isSymlink);
    assert.deepEqual(namesIn(folder).sort(), ["a", "link"]);
    assert(isAside(asideName()) && !isAside("a"));
  }));

Deno.test("files: what is not written leaves nothing, and the reason in words", () =>
  inFolder((folder) => {
    Deno.mkdirSync(`${folder}/sub`);
    Deno.writeTextFileSync(`${folder}/file`, "");
    const why = (path: string) =>
      whyNotWritten(caught(() => writeWhole(`${folder}/${path}`, bytes("x"))));
    assert.equal(why("sub"), "it is a folder");
    assert.equal(why("none/a"), "its folder does not exist");
    assert.equal(why("file/a"), "a part of its path is a file");
    assert.equal(why("a".repeat(300)), "its name is too long");
    assert.equal(whyNotWritten(new Error("something else")), null);
    assert.deepEqual(namesIn(folder).sort(), ["file", "sub"]);
  }));

Deno.test({
  name: "files: what is no file is written to as it is",
  ignore: Deno.build.os === "windows",
  fn: () => {
    writeWhole("/dev/null", bytes("x"));
    assert(Deno.statSync("/dev/null").isCharDevice);
  },
});
