/** Schedules as text. */
import assert from "node:assert/strict";
import { scheduleLines, stepText } from "./print.ts";

Deno.test("a step is printed with the fields that it has", () => {
  assert.equal(
    stepText({ do: "split", stage: "y", loop: "co", factor: 4, tail: "cut" }),
    "split(stage=y, loop=co, factor=4, tail=cut)",
  );
  assert.equal(
    stepText({ do: "fuse", stage: "y", loops: ["n", "oh"], into: "row" }),
    "fuse(stage=y, loops=[n, oh], into=row)",
  );
});

Deno.test("the steps of a schedule are numbered in one column", () => {
  const steps = Array.from({ length: 10 }, () => ({ do: "inline", stage: "t" }) as const);
  const lines = scheduleLines(steps);
  assert.equal(lines[0], " 1  inline(stage=t)");
  assert.equal(lines[9], "10  inline(stage=t)");
});
