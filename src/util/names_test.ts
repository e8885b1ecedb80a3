import assert from "node:assert/strict";
import { cName, Names, portStems } from "./names.ts";

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
