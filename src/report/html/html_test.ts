import assert from "node:assert/strict";
import type { PlannedBuffer } from "../../codegen/artifact.ts";
import { rangeBar, spreadChart, stackedBar } from "./bars.ts";
import { memoryMapSvg, memorySvg, peakOf } from "./memory_svg.ts";
import { byteText, deviation, escaped, percent, real, realValue, shortened } from "./text.ts";

const NBSP = "\u00a0";

Deno.test("report text: numbers as people read them", () => {
  assert.deepEqual([0, 10239, 10240, 3 << 20].map(byteText), [
    "0 B",
    "10,239 B",
    "10.0 KiB",
    "3.00 MiB",
  ]);
  assert.deepEqual(
    [percent(1, 3), percent(1, 1), percent(1, 1e6), percent(2, 1000), percent(1, 0)],
    [`33.3${NBSP}%`, `100${NBSP}%`, `0${NBSP}%`, `0.20${NBSP}%`, ""],
  );
  assert.deepEqual([0, 0.123456, -2, 1e-9, 3e8].map((x) => real(x)), [
    "0",
    "0.1235",
    "-2",
    "1e-9",
    "3e+8",
  ]);
  assert.deepEqual([deviation(99, 100), deviation(110, 100), deviation(100, 100)], [
    `−1.0${NBSP}%`,
    `+10.0${NBSP}%`,
    `0.0${NBSP}%`,
  ]);
  assert.equal(deviation(1, 0), "");
  assert.deepEqual([realValue(0.5, 0), realValue(0.5, -128), realValue(0.5, 3)], [
    "0.5 × q",
    "0.5 × (q + 128)",
    "0.5 × (q − 3)",
  ]);
});

Deno.test("report text: names keep both ends, and cannot be markup", () => {
  assert.equal(shortened("abcdefghij", 10), "abcdefghij");
  assert.equal(shortened("abcdefghijk", 10), "abcde…hijk");
  assert.equal([...shortened("😀".repeat(30), 5)].length, 5);
  assert.equal(escaped(`<a b="c" d='e'>&`), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
  assert.equal(escaped("a\u0000\u001b\u202e\ud800b"), "a\ufffd\ufffd\ufffd\ufffdb");
});

const buffer = (name: string, offset: number, bytes: number, steps: [number, number]) =>
  ({
    name,
    region: "arena",
    offset,
    bytes,
    firstStep: steps[0],
    lastStep: steps[1],
    owner: "arena",
  }) satisfies PlannedBuffer;

Deno.test("memory map: the peak is the step with the most live bytes, boxes are to scale", () => {
  const buffers = [buffer("a", 0, 100, [0, 1]), buffer("b", 100, 300, [1, 2]), {
    ...buffer("c", 100, 300, [2, 3]),
    owner: "b",
  }];
  const map = {
    region: "arena",
    bytes: 400,
    steps: ["k0", "k1", "k2", "k3"],
    operators: ["A", "B", "", ""],
    buffers,
  };
  assert.deepEqual(peakOf(map), { step: 1, bytes: 400 });
  const svg = memoryMapSvg(map, "m");
  const boxes = [
    ...svg.matchAll(
      /class="box c\d( taken)?" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g,
    ),
  ]
    .map(([, taken, ...n]) => [taken !== undefined, ...n.map(Number)]);
  const [a, b, c] = boxes as [boolean, number, number, number, number][];
  assert.equal(boxes.length, 3);
  assert.equal(3 * a[4], b[4]);
  assert.equal(a[3], b[3]);
  assert.equal(b[2] + b[4], a[2]);
  assert.equal(c[1] - b[1], b[1] - a[1]);
  assert.deepEqual([a[0], b[0], c[0]], [false, false, true]);
  assert.match(svg, /peak: 400 bytes in step 1, B</);
  assert.match(svg, /region arena, 400 bytes/);
  assert.equal(peakOf({ ...map, buffers: [] }), null);
  assert.equal(
    memoryMapSvg({ ...map, steps: [], buffers: [], bytes: 0 }, "m").includes("NaN"),
    false,
  );
  const both = memorySvg([map, { ...map, region: "fast" }]);
  assert.equal(both.match(/class="box/g)!.length, 6);
  assert.match(both, /translate\(0 362\)[^]*region fast/);
  assert.match(memorySvg([]), /Nothing is stored between kernels<\/text>/);
});

Deno.test("bars: parts of a limit, of their sum where there is none, beyond it where it is passed", () => {
  const widths = (svg: string) =>
    [...svg.matchAll(/class="s-\w+" x="[\d.]+" width="([\d.]+)"/g)]
      .map(([, w]) => Number(w));
  const parts = [{ name: "x", bytes: 10, kind: "s-a" }, { name: "y", bytes: 30, kind: "s-b" }];
  assert.deepEqual(widths(stackedBar(parts, 400, "t")), [2.5, 7.5]);
  assert.deepEqual(widths(stackedBar(parts, null, "t")), [25, 75]);
  assert.deepEqual(widths(stackedBar(parts, 20, "t")), [25, 75]);
  assert.match(stackedBar(parts, 20, "<t>"), /<title>&lt;t&gt;<\/title>/);
  assert.match(rangeBar([-1, 0], 2), /x="25" y="1" width="25"/);
  assert.equal(spreadChart([0.1, 0.1, 0.1]).match(/s-range/g)!.length, 1);
  assert.equal(spreadChart([0, 0]).includes("NaN"), false);
});
