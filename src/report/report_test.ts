/** Tables, wrapping, counts and the memory map. */
import assert from "node:assert/strict";
import type { PlannedBuffer } from "../codegen/artifact.ts";
import { countLines } from "./counts.ts";
import { liveBytes, memoryLines } from "./memory.ts";
import { tableLines } from "./table.ts";
import { wrapLine } from "./wrap.ts";

Deno.test("a wide line goes on with a deeper indent, its comment on a line of its own", () => {
  assert.deepEqual(wrapLine("  short", 20), ["  short"]);
  assert.deepEqual(wrapLine("  one two three four", 12), [
    "  one two",
    "      three",
    "      four",
  ]);
  assert.deepEqual(wrapLine("y = Conv(x)  // from here", 16), ["y = Conv(x)", "    // from here"]);
  assert.deepEqual(wrapLine("abcdefghijkl mn", 5), ["abcdefghijkl", "    mn"]);
  assert.deepEqual(wrapLine("abcdefghijkl", 5), ["abcdefghijkl"]);
});

Deno.test("no wrapped line is wider than asked where its words are not", () => {
  const words = Array.from({ length: 60 }, (_, i) => "x".repeat(1 + i * 7 % 11)).join(" ");
  for (const width of [20, 33, 80]) {
    const lines = wrapLine(`  ${words}`, width);
    assert(lines.every((l) => l.length <= width));
    assert.equal(lines.map((l) => l.trim()).join(" "), words);
  }
});

Deno.test("tables align numbers to the right and go on below where they are too wide", () => {
  const rows = [["Conv", "9", "one"], ["Add", "12", "three"]];
  assert.deepEqual(tableLines(["op", "n", "text"], rows, 80), [
    "op     n  text",
    "Conv   9  one",
    "Add   12  three",
  ]);
  assert.deepEqual(tableLines(["op", "n", "text"], rows, 10), [
    "op     n",
    "Conv   9",
    "Add   12",
    "",
    "op    text",
    "Conv  one",
    "Add   three",
  ]);
  assert.deepEqual(tableLines(["only"], [["a"]], 10), ["only", "a"]);
});

Deno.test("counts have a column for every pass that changed one", () => {
  const steps = [
    { step: "file", counts: new Map([["Conv", 2], ["Relu", 1]]) },
    { step: "import", counts: new Map([["Conv", 2], ["Relu", 1]]) },
    { step: "simplify", counts: new Map([["Conv", 2], ["Relu", 1]]) },
    { step: "merge-pad", counts: new Map([["Conv", 2]]) },
  ];
  assert.deepEqual(
    countLines(steps, 80),
    [
      "                         merge-",
      "operators  file  import     pad",
      "Conv          2       2       2",
      "Relu          1       1",
      "all           3       3       2",
      "",
      "no count changed: simplify",
    ].map((l) => l.replace("        merge-", "        merge-")),
  );
});

const buffer = (
  name: string,
  offset: number,
  bytes: number,
  firstStep: number,
  lastStep: number,
  owner = "arena",
): PlannedBuffer => ({ name, region: "arena", offset, bytes, firstStep, lastStep, owner });

const PLAN = { operators: [], plan: { planner: "greedy-size", bytes: 32, bound: 16 } } as const;

Deno.test("bytes that two buffers share count once", () => {
  const buffers = [
    buffer("x", 0, 64, 0, 1),
    buffer("y", 0, 64, 1, 2, "x"),
    buffer("z", 32, 64, 1, 1),
  ];
  assert.equal(liveBytes(buffers, 0), 64);
  assert.equal(liveBytes(buffers, 1), 96);
  assert.equal(liveBytes(buffers, 3), 0);
});

Deno.test("the plan is sorted by offset, names its peak, and is drawn", () => {
  const buffers = [buffer("second", 32, 16, 1, 2), buffer("first", 0, 32, 0, 1)];
  const input: PlannedBuffer = { ...buffer("x", 0, 8, 0, 0, "caller"), region: "caller" };
  const lines = memoryLines({
    kind: "memory",
    region: "arena",
    bytes: 48,
    steps: ["conv", "add", "softmax"],
    operators: ["first/Conv", "Add_1", ""],
    plan: { planner: "exact", bytes: 48, bound: 48 },
    buffers,
    listed: [...buffers, input],
  }, 80);
  assert.deepEqual(lines, [
    "   offset  bytes  steps   buffer",
    "a       0     32  0 to 1  first",
    "b      32     16  1 to 2  second",
    "               8  0       x (the caller's)",
    "",
    "peak: step 1 (add: Add_1) with 48 of 48 bytes live: first, second",
    "plan: by exact, optimal: no plan is smaller",
    "",
    "map: bytes upwards, steps to the right",
    "32 |....bbbbbbbb",
    "16 |aaaaaaaa....",
    " 0 |aaaaaaaa....",
    "   +------------",
    "    0   1   2",
  ]);
});

Deno.test("long names lose their middle, a table of memory stays one", () => {
  const name = `${"first".repeat(20)}/${"last".repeat(20)}`;
  const buffers = [buffer(name, 0, 16, 0, 1), buffer("y", 0, 16, 1, 2, name)];
  const m = {
    kind: "memory",
    region: "arena",
    bytes: 16,
    steps: ["a", "b", "c"],
    ...PLAN,
  } as const;
  const lines = memoryLines({ ...m, buffers, listed: buffers }, 80);
  assert.match(lines[1], /^a +0 +16 +0 to 1 {2}first\w+…\w*last$/);
  assert.match(lines[2], /^b +0 +16 +1 to 2 {2}y \(takes over a\)$/);
  assert(lines[1].length < 80);
});

Deno.test("a map of more steps than fit goes on below; every buffer of it stands in the table", () => {
  const steps = Array.from({ length: 30 }, (_, i) => `k${i}`);
  const buffers = steps.map((s, i) => buffer(s, i % 2 * 16, 16, i, Math.min(i + 1, 29)));
  const m = {
    kind: "memory",
    region: "arena",
    bytes: 32,
    steps,
    ...PLAN,
    buffers,
    listed: buffers,
  } as const;
  const lines = memoryLines(m, 24);
  assert(lines.every((l) => l.length <= 24 || /^(peak|plan)/.test(l) || l.startsWith("map")));
  assert.equal(lines.filter((l) => l.includes("+-")).length, 2);
});

Deno.test("a model without working memory has no map", () => {
  const input: PlannedBuffer = { ...buffer("x", 0, 8, 0, 0, "caller"), region: "caller" };
  const lines = memoryLines({
    kind: "memory",
    region: "arena",
    bytes: 0,
    steps: ["relu"],
    ...PLAN,
    buffers: [],
    listed: [input],
  }, 80);
  assert.equal(lines.length, 2);
});
