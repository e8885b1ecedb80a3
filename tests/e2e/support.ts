/** What the end-to-end tests share: nets with their samples, compiling, running, comparing. */
import assert from "node:assert/strict";
import { compileModel, type CompileOptions } from "../../src/compile.ts";
import { DEFAULTS } from "../../src/compile/defaults.ts";
import type { Artifact } from "../../src/codegen/artifact.ts";
import { importModel } from "../../src/onnx/import.ts";
import { dims } from "../../src/ir/graph.ts";
import { runOnBoard, type RunOptions } from "../../src/run/mod.ts";
import type { Sample } from "../../src/run/samples.ts";
import { type Board, isHost, type Target } from "../../src/target/target.ts";
import { boardNames, loadBoard } from "../../src/target/boards.ts";
import { readNpz } from "../../src/util/npz.ts";
import { bytes as rawBytes, numbers, sizeOf, type TensorData } from "../../src/util/tensor.ts";

/** How near outputs have to come to the reference; tests/models/README.md says what each means. */
export type Tolerance = "exact" | "float" | "softmax";

/** A model with its samples and what others say its outputs are. */
export interface Net {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly tolerance: Tolerance;
  readonly samples: readonly Sample[];
  readonly expected: readonly Sample[];
}

export const NETS = new URL("../models/", import.meta.url);
export const SHARED = new URL("../../../shared/models/", import.meta.url);

/** Whether a folder is there. */
export function exists(url: URL): boolean {
  try {
    return Deno.statSync(url).isDirectory;
  } catch {
    return false;
  }
}

/** Sample `s` of an array whose first axis counts samples, in the tensor's own shape. */
function sample(t: TensorData, s: number, shape: readonly number[]): TensorData {
  const n = sizeOf(shape);
  assert.equal(t.data.length, n * t.shape[0], "the stored array has another size");
  return { dtype: t.dtype, shape, data: t.data.slice(n * s, n * (s + 1)) };
}

/** Reads NAME.onnx and its arrays. */
export function readNet(folder: URL, name: string, arraysFile: string, tolerance: Tolerance): Net {
  const bytes = Deno.readFileSync(new URL(`${name}.onnx`, folder));
  const arrays = readNpz(Deno.readFileSync(new URL(arraysFile, folder)), arraysFile);
  const { graph } = importModel(bytes);
  const count = arrays.get("in0")!.shape[0];
  const all = (stem: string, values: typeof graph.inputs): Sample[] =>
    Array.from(
      { length: count },
      (_, s) => values.map((v, i) => sample(arrays.get(`${stem}${i}`)!, s, dims(v.type))),
    );
  return {
    name,
    bytes,
    tolerance,
    samples: all("in", graph.inputs),
    expected: all("out", graph.outputs),
  };
}

/** onnxruntime breaks ties of these operators in ways of its own: DESIGN's arithmetic is another. */
const OTHER_TIES = ["qop_add_mul_ties_u8", "qop_add_mul_ties_s8", "qop_pools_ties_u8"];

/** The project's own nets that have a reference. */
export const ownNets: readonly { name: string; tolerance: Tolerance }[] =
  (JSON.parse(Deno.readTextFileSync(new URL("models.json", NETS))) as {
    name: string;
    tolerance: Tolerance;
  }[]).filter((n) => !OTHER_TIES.includes(n.name));

/** One of the project's own nets. */
export function ownNet(name: string): Net {
  const { tolerance } = ownNets.find((n) => n.name === name)!;
  return readNet(NETS, name, `${name}.npz`, tolerance);
}

/** One quantisation step of an output: 1, or the smallest distance of two of its float values. */
function step(expected: readonly TensorData[]): number {
  if (expected[0].dtype !== "float32") return 1;
  const values = [...new Set(expected.flatMap(numbers))].sort((a, b) => a - b);
  return Math.min(...values.slice(1).map((v, i) => v - values[i])) * (1 + 1e-6);
}

/** Compares with the reference; returns how many elements are one step beside it. */
export function checkReference(net: Net, outputs: readonly Sample[]): number {
  let beside = 0;
  net.expected[0].forEach((_, i) => {
    const column = net.expected.map((s) => s[i]);
    const largest = column.flatMap(numbers).reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const allowed = net.tolerance === "exact"
      ? 0
      : net.tolerance === "float"
      ? 1e-4 * largest
      : step(column);
    outputs.forEach((s, n) => {
      const got = numbers(s[i]), want = numbers(column[n]);
      assert.equal(got.length, want.length);
      got.forEach((v, k) => {
        const d = Math.abs(v - want[k]);
        assert.ok(
          d <= allowed,
          `${net.name}: sample ${n}, output ${i}, element ${k} is ${v}, not ${want[k]}`,
        );
        if (d > 0) beside++;
      });
    });
  });
  return beside;
}

/** Every bit of every output the same. */
export function assertSameBits(got: readonly Sample[], want: readonly Sample[], what: string) {
  assert.equal(got.length, want.length, what);
  got.forEach((s, n) =>
    s.forEach((t, i) => {
      assert.equal(t.dtype, want[n][i].dtype, what);
      const a = rawBytes(t), b = rawBytes(want[n][i]);
      const k = a.findIndex((v, j) => v !== b[j]);
      assert.equal(a.length, b.length, what);
      assert.equal(k, -1, `${what}: sample ${n}, output ${i} differs at byte ${k}`);
    })
  );
}

/** A board by its name. */
export const board = loadBoard;

/** The targets that code generation tells apart. */
export const TARGETS: readonly Target[] = boardNames().map((n) => loadBoard(n).target);

/** Compiles with defaults, -O3 for `host` unless said otherwise. */
export function compile(
  bytes: Uint8Array,
  on: Board,
  options: Partial<CompileOptions> = {},
): Promise<Artifact> {
  return compileModel(bytes, { ...defaults(on), ...options });
}

/** Options as the command line fills them in. */
export const defaults = (on: Board): CompileOptions => ({
  board: on,
  fileStem: "net",
  ...DEFAULTS,
});

/** Flags under which gcc reports undefined behaviour and accesses outside objects, and stops. */
export const SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/** Executes the generated C and returns its outputs; host code is compiled with gcc -O1. */
export async function outputsOn(
  artifact: Artifact,
  on: Board,
  samples: readonly Sample[],
  options: RunOptions = {},
): Promise<readonly Sample[]> {
  const run = isHost(on.target) ? { optimisation: "-O1", ...options } : options;
  return (await runOnBoard(artifact, on, samples, run)).outputs;
}
