import assert from "node:assert/strict";
import { encode } from "fast-png";
import jpeg from "jpeg-js";
import type { Port } from "../project/mod.ts";
import { BurinError } from "../util/errors.ts";
import { writeNpy } from "../util/npy.ts";
import { writeNpz } from "../util/npz.ts";
import { tensor } from "../util/tensor.ts";
import { inFolder } from "../util/testing.ts";
import { readSamples } from "./calibration.ts";

const port = (
  shape: number[],
): readonly Port[] => [{ name: "x", cName: "x", dtype: "float32", shape } as unknown as Port];
const values = (s: readonly { readonly data: ArrayLike<unknown> }[]) => Array.from(s[0].data);

Deno.test("calibration: a folder of arrays, in the order of names", () =>
  inFolder(async (folder) => {
    Deno.writeFileSync(`${folder}/b.npy`, writeNpy(tensor("float32", [2, 1, 2], [3, 4, 5, 6])));
    Deno.writeFileSync(
      `${folder}/a.npz`,
      writeNpz(new Map([["in0", tensor("float32", [1, 2], [1, 2])]])),
    );
    Deno.writeTextFileSync(`${folder}/notes.txt`, "not a sample");
    const samples = await readSamples(folder, port([1, 2]), [0, 255]);
    assert.deepEqual(samples.map(values), [[1, 2], [3, 4], [5, 6]]);
  }));

Deno.test("calibration: pictures, channels first and last, scaled, in grey", () =>
  inFolder(async (folder) => {
    const data = Uint8Array.from([
      255,
      0,
      0,
      0,
      255,
      0,
      0,
      0,
      255,
      51,
      51,
      51,
      0,
      0,
      0,
      255,
      255,
      255,
    ]);
    Deno.writeFileSync(
      `${folder}/p.png`,
      encode({ width: 3, height: 2, data, channels: 3, depth: 8 }),
    );
    const path = `${folder}/p.png`;
    const [last] = await readSamples(path, port([1, 2, 3, 3]), [0, 255]);
    assert.deepEqual(values(last), [...data]);
    const [first] = await readSamples(path, port([1, 3, 2, 3]), [-1, 1]);
    assert.deepEqual(values(first).slice(0, 6), [1, -1, -1, Math.fround(-0.6), -1, 1]);
    const [grey] = await readSamples(path, port([1, 1, 2, 3]), [0, 255]);
    assert.deepEqual(values(grey), [76, 150, 29, 51, 0, 255]);
    const rgba = new Uint8Array(4 * 64).fill(200);
    Deno.writeFileSync(
      `${folder}/q.jpg`,
      jpeg.encode({ width: 8, height: 8, data: rgba }, 95).data,
    );
    const [photo] = await readSamples(`${folder}/q.jpg`, port([1, 8, 8, 3]), [0, 255]);
    assert(values(photo).every((v) => Math.abs(Number(v) - 200) <= 3));
  }));

Deno.test("calibration: palettes of few bits", () =>
  inFolder(async (folder) => {
    // 3 × 1 pixels of 2 bits (0, 1, 2), made with another tool: red, green, blue.
    const bytes = Uint8Array.from(
      atob(
        "iVBORw0KGgoAAAANSUhEUgAAAAMAAAABAgMAAABmjvwnAAAACVBMVEX/AAAA/wAAAP8tSs2KAAAACklEQVR4nGOQAAAAGgAZLYj0NgAAAABJRU5ErkJggg==",
      ),
      (c) => c.charCodeAt(0),
    );
    Deno.writeFileSync(`${folder}/p.png`, bytes);
    const [s] = await readSamples(`${folder}/p.png`, port([1, 1, 3, 3]), [0, 255]);
    assert.deepEqual(values(s), [255, 0, 0, 0, 255, 0, 0, 0, 255]);
  }));

Deno.test("calibration: what is no sample is refused", () =>
  inFolder(async (folder) => {
    const refused = (path: string, shape: number[], pattern: RegExp) =>
      assert.rejects(
        () => readSamples(path, port(shape), [0, 255]),
        (e) => e instanceof BurinError && pattern.test(e.message) && !!e.hint,
      );
    await refused(folder, [1, 2], /holds no samples/);
    Deno.writeTextFileSync(`${folder}/x.png`, "nothing");
    await refused(`${folder}/x.png`, [1, 8, 8, 3], /does not decode/);
    const data = new Uint8Array(12);
    Deno.writeFileSync(
      `${folder}/y.png`,
      encode({ width: 2, height: 2, data, channels: 3, depth: 8 }),
    );
    await refused(`${folder}/y.png`, [1, 8, 8, 3], /2 × 2 pixels, the model takes 8 × 8/);
    await refused(`${folder}/y.png`, [1, 12], /is no image/);
  }));
