/** What the tests of C printing share: a library around loop programs. */
import { bytesOf, DTYPES } from "../util/dtype.ts";
import type { Board } from "../target/target.ts";
import type { Buffer, Kernel } from "../tir/stmt.ts";
import type { Artifact, Port } from "./artifact.ts";
import { kernelsSource } from "./kernel_c.ts";
import { librarySources } from "./library.ts";
import type { Program } from "./program.ts";

const port = (b: Buffer): Port => ({
  name: b.name,
  cName: b.name,
  dtype: b.dtype,
  cType: DTYPES[b.dtype].cType,
  shape: b.shape,
  bytes: b.length * bytesOf(b.dtype),
  placement: { where: "caller" },
});

/** File of the generated kernels. */
export const KERNELS_SOURCE = "src/test_kernels.c";

/**
 * A library that calls the kernels in order; each input and output buffer of a kernel, whose names
 * all differ, is an input or output of the library. Its `interpret` is none.
 */
export function artifactOf(kernels: readonly Kernel[], board: Board): Artifact {
  const isInput = (b: Buffer): boolean => b.scope === "input";
  const all = kernels.flatMap((k) => k.buffers);
  const inputs = all.filter(isInput), outputs = all.filter((b) => !isInput(b));
  const program: Program = {
    name: "test",
    title: "test",
    inputs: inputs.map(port),
    outputs: outputs.map(port),
    regions: [],
    buffers: [],
    params: [],
    calls: kernels.map((kernel) => ({
      kernel,
      paramNames: [],
      args: kernel.buffers.map((b) =>
        isInput(b)
          ? { k: "input", index: inputs.indexOf(b) }
          : { k: "output", index: outputs.indexOf(b) }
      ),
    })),
  };
  const sources = librarySources(program);
  sources.set(KERNELS_SOURCE, kernelsSource(program, board.target));
  return {
    name: "test",
    modelSha256: "",
    options: {
      board: board.name,
      name: "test",
      optLevel: 3,
      optimize: "balanced",
      requant: "exact",
      io: "caller",
      dims: {},
    },
    inputs: program.inputs,
    outputs: program.outputs,
    regions: [],
    buffers: [],
    kernels: [],
    arenaBytes: 0,
    paramsBytes: 0,
    sources,
    frontier: [],
    golden: [],
    selftest: new Map(),
    notes: [],
    interpret: () => [],
  };
}
