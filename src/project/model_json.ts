/** model.json: what was compiled, for programs to read. Its schema is written beside it. */
import schemaText from "../../templates/project/model.schema.json" with { type: "text" };
import type { Artifact, Port } from "../codegen/artifact.ts";
import { VERSION } from "../util/version.ts";
import type { Bundle } from "./bundle.ts";

/** Version of model.json's shape; raised where a field changes its meaning or goes. */
export const SCHEMA_VERSION = 1;

/** Version of the generated functions and structs. */
export const ABI_VERSION = 1;

/** Name of the schema's file beside model.json. */
export const SCHEMA_FILE = "model.schema.json";

/** The schema as text. */
export const MODEL_SCHEMA: string = schemaText;

const portJson = (p: Port) => ({
  name: p.name,
  c_name: p.cName,
  dtype: p.dtype,
  c_type: p.cType,
  shape: p.shape,
  bytes: p.bytes,
  scale: p.scale ?? null,
  zero_point: p.zeroPoint ?? null,
  placement: p.placement,
});

/** Multiply-accumulates of one run. */
export const totalMacs = (artifact: Artifact): number =>
  artifact.kernels.reduce((sum, k) => sum + k.macs, 0);

/**
 * The object that becomes model.json.
 * @param project name of the writer; @param files all paths that are written, this one included
 */
export function modelJson(
  artifact: Artifact,
  { board, command, sharedMemory }: Pick<Bundle, "board" | "command" | "sharedMemory">,
  project: string,
  files: readonly string[],
): Record<string, unknown> {
  const { options } = artifact;
  const { cpu, cflags, features } = board.target;
  return {
    $schema: `./${SCHEMA_FILE}`,
    schema_version: SCHEMA_VERSION,
    abi_version: ABI_VERSION,
    tool: { name: "burin", version: VERSION },
    command,
    name: artifact.name,
    model: { sha256: artifact.modelSha256 },
    target: { board: board.name, cpu, cflags, features },
    options: {
      project,
      opt_level: options.optLevel,
      optimize: options.optimize,
      flash_budget: options.flashBudget ?? null,
      ram_budget: options.ramBudget ?? null,
      requant: options.requant,
      io: options.io,
      weights: options.weights ?? null,
      arena: (options.arena ?? []).map(({ region, bytes }) => ({ region, bytes })),
      dims: Object.fromEntries(Object.entries(options.dims).sort(([a], [b]) => a < b ? -1 : 1)),
    },
    inputs: artifact.inputs.map(portJson),
    outputs: artifact.outputs.map(portJson),
    arena_bytes: artifact.arenaBytes,
    params_bytes: artifact.paramsBytes,
    macs: totalMacs(artifact),
    regions: artifact.regions.map(({ name, bytes, align }) => ({
      name,
      bytes,
      align,
      shared: sharedMemory.find((s) => s.region === name)?.symbol ?? null,
    })),
    buffers: artifact.buffers.map((b) => ({
      name: b.name,
      region: b.region,
      offset: b.offset,
      bytes: b.bytes,
      first_step: b.firstStep,
      last_step: b.lastStep,
      owner: b.owner,
    })),
    operators: artifact.kernels.map((k) => ({
      name: k.name,
      nodes: k.nodes,
      ops: k.ops,
      macs: k.macs,
      scratch_bytes: k.scratchBytes,
      params_bytes: k.paramsBytes,
      predicted_instructions: k.predictedInstructions,
    })),
    frontier: artifact.frontier.map((p) => ({
      arena_bytes: p.arenaBytes,
      predicted_instructions: p.instructions,
      held_by: p.heldBy,
      chosen: p.chosen,
    })),
    golden_samples: artifact.golden.length,
    notes: artifact.notes,
    files: [...files].sort(),
  };
}

/** The object that becomes bundle.json, where a project holds several models. */
export const bundleJson = (
  b: Bundle,
  project: string,
  files: readonly string[],
): Record<string, unknown> => ({
  schema_version: SCHEMA_VERSION,
  tool: { name: "burin", version: VERSION },
  command: b.command,
  name: b.name,
  project,
  board: b.board.name,
  models: b.models.map((m) => ({ name: m.name, file: `models/${m.name}.json` })),
  shared_memory: b.sharedMemory,
  files: [...files].sort(),
});
