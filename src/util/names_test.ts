import assert from "node:assert/strict";
import { checkLibraryName, cName, libraryCName, Names, portStems } from "./names.ts";

Deno.test("any text becomes an identifier of C and C++", () => {
  const cases = [
    ["input:0", "input_0"],
    ["0/out", "x0_out"],
    ["größe", "gr__e"],
    ["int", "int_"],
    ["namespace", "namespace_"],
    ["Int", "Int"],
    ["", "_"],
    ["_x", "_x"],
  ];
  for (const [text, name] of cases) assert.equal(cName(text), name);
});

Deno.test("names stay apart, also from those that are numbered already", () => {
  const names = new Names();
  const got = ["a", "a", "a_2", "a", "b"].map((n) => names.unique(n));
  assert.deepEqual(got, ["a", "a_2", "a_2_2", "a_3", "b"]);
});

Deno.test("names: stems of ports differ from each other and from the library's own macros", () => {
  assert.deepEqual(
    portStems(["arena"], ["x", "params", "X", "x", "Arena"]),
    ["x", "params_2", "X_2", "x_3", "Arena_2"],
  );
});

Deno.test("names: a library hides no header of C, no target of a build system", () => {
  for (const name of ["math", "Time", "test", "m", "board"]) {
    assert.equal(libraryCName(name), `${name}_model`);
    assert.throws(() => checkLibraryName(name), /have something of that name/);
  }
  assert.throws(() => checkLibraryName("a b"), /is no C identifier/);
  for (const name of ["kws", "testing", "model"]) assert.equal(checkLibraryName(name), name);
});
