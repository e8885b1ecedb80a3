import assert from "node:assert/strict";
import { compileStages } from "../compile.ts";
import { DEFAULTS } from "./defaults.ts";
import { loadBoard } from "../target/boards.ts";

Deno.test("kernels: constants of several count at the first one, so that they add up", async () => {
  let shared = 0;
  for (const name of ["quirk_dead_and_shared", "qop_tables_s8", "tf_pools"]) {
    const file = new URL(`../../tests/models/${name}.onnx`, import.meta.url);
    const { artifact, program } = await compileStages(Deno.readFileSync(file), {
      board: loadBoard("mps2-an386"),
      fileStem: name,
      ...DEFAULTS,
    });
    const sum = artifact.kernels.reduce((s, k) => s + k.paramsBytes, 0);
    assert.equal(sum, artifact.paramsBytes, name);
    const read = program.calls.flatMap((c) => [...new Set(c.paramNames)]);
    shared += read.length - new Set(read).size;
    for (const k of artifact.kernels) assert(k.predictedInstructions > 0, k.name);
  }
  assert(shared > 0, "no constant is read by two kernels");
});

Deno.test("compiling tells what is being done, in order", async () => {
  const file = new URL("../../tests/models/tf_pools.onnx", import.meta.url);
  const heard: string[] = [];
  const progress = (doing: string) => void heard.push(doing);
  await compileStages(Deno.readFileSync(file), {
    board: loadBoard("host"),
    fileStem: "net",
    ...DEFAULTS,
    progress,
  });
  assert.deepEqual(heard, [
    "choosing schedules for 4 kernels",
    "planning memory",
    "proving the memory plan",
  ]);
});
