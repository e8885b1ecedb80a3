import assert from "node:assert/strict";
import { join } from "@std/path";
import { EXAMPLES } from "../../../src/cli/examples.ts";
import { readNpz } from "../../../src/util/npz.ts";
import { inFolder } from "../../../src/util/testing.ts";
import { numbers } from "../../../src/util/tensor.ts";
import {
  buildSketch,
  exampleSketch,
  makeLibrary,
  root,
  runSketch,
  stubLibraries,
} from "./support.ts";

const STEPS = 100, AXES = 6;

/** Test windows of the example, in the units of the data: [time][axis], and what they show. */
function recording(): { windows: number[][][]; motions: string[] } {
  const file = root("examples/motion/test_fp32.npz");
  const arrays = readNpz(Deno.readFileSync(file), file);
  const values = numbers(arrays.get("in0")!);
  const labels = numbers(arrays.get("labels")!);
  const windows = labels.map((_, w) =>
    Array.from(
      { length: STEPS },
      (_, t) => Array.from({ length: AXES }, (_, a) => values[(w * AXES + a) * STEPS + t]),
    )
  );
  return { windows, motions: labels.map(EXAMPLES.motion.label) };
}

Deno.test("arduino: the IMU sketch names the recorded motions, with a stand-in IMU and core under QEMU", () =>
  inFolder(async (folder) => {
    const { windows, motions } = recording();
    const sketch = root("examples/motion/arduino/Motion");
    const { board } = await makeLibrary(folder, {
      model: EXAMPLES.motion.model,
      board: "arduino_nano_33_ble",
      sketches: [sketch],
    });
    const libraries = stubLibraries(folder);
    const rows = windows.flat().map((row) => `  { ${row.map((v) => `${v}f`).join(", ")} },\n`);
    Deno.writeTextFileSync(
      join(libraries, "Arduino_LSM9DS1/src/recording.h"),
      `#define RECORDED ${rows.length}\nstatic const float recording[RECORDED][6] = {\n${
        rows.join("").replace(/(?<=[ -]\d+)f/g, ".0f")
      }};\n`,
    );
    const image = await buildSketch(folder, exampleSketch(folder, "Motion"), board, {
      libraries: [libraries],
      loops: rows.length * 10 + 20,
    });
    const lines = (await runSketch(image, board)).trimEnd().split("\n");
    // The first answer comes when the first window is full, then one a second.
    const answers = motions.map((_, i) => lines[10 * i]);
    for (const line of answers) {
      assert.match(line, /^(standing|running|walking|badminton) \(\d+ us\)$/);
    }
    const right = motions.filter((motion, i) => answers[i].startsWith(`${motion} `)).length;
    // The model alone is right in 39 of 40; here gravity has to be told from motion as well, and the
    // recordings of different people follow each other without a pause.
    assert(right >= 34, `${right} of ${motions.length} are right`);
  }));
