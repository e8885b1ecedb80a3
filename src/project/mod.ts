/** What the writers and the runner take from code generation: types of plain data. */
export type {
  ArenaRegion,
  Artifact,
  KernelInfo,
  NormalizedOptions,
  Placement,
  PlannedBuffer,
  Port,
} from "../codegen/artifact.ts";
