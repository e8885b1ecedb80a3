/** Pictures out of characters. */
import assert from "node:assert/strict";
import { tensor } from "../util/tensor.ts";
import { drawGrey, drawLines, sideBySide } from "./draw.ts";

Deno.test("draw: greys span the picture's own values, two characters or one a pixel", () => {
  const picture = tensor("int8", [1, 2, 3], [-128, -64, 0, 64, 127, 127]);
  assert.deepEqual(drawGrey(picture, 2, 3), ["  ░░▒▒", "▓▓████"]);
  assert.deepEqual(drawGrey(picture, 2, 3, 1), [" ░▒", "▓██"]);
  assert.deepEqual(drawGrey(tensor("int8", [2], [7, 7]), 1, 2), ["    "]);
});

Deno.test("draw: a bar is the value farthest from rest, ends clip", () => {
  const rows = tensor("int8", [1, 2, 4], [0, 1, -1, 30, 10, 10, 20, -128]);
  const style = { names: ["x", "y"], columns: 2, rest: 0, step: 10 };
  assert.deepEqual(drawLines(rows, style), ["x ▄▇", "y ▅▁"]);
  // Three steps over two bars: none is left out, none is drawn twice.
  const odd = { ...style, names: ["z"] };
  assert.deepEqual(drawLines(tensor("int8", [1, 1, 3], [40, 0, 10]), odd), ["z █▅"]);
});

Deno.test("draw: pictures fill rows of at most the width; captions break behind the comma", () => {
  const lines = ["abcdef", "ghijkl"];
  const pictures = ["one", "two", "three, but it is four"].map((caption) => ({ lines, caption }));
  assert.equal(
    sideBySide(pictures, " ", 20),
    "abcdef abcdef\nghijkl ghijkl\none    two\n\nabcdef\nghijkl\nthree,\nbut it is four",
  );
  assert.equal(sideBySide(pictures.slice(0, 2), " ", 13).split("\n").length, 3);
  assert.equal(sideBySide(pictures.slice(0, 2), " ", 12).split("\n").length, 7);
  assert.equal(sideBySide([]), "");
});
