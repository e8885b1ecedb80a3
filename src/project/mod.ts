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
export type { ProjectFiles } from "./plain.ts";

import type { Artifact } from "../codegen/artifact.ts";
import type { Board } from "../target/target.ts";
import { type ProjectFiles, writePlain } from "./plain.ts";

/** A writer: a pure function from a compiled model and its board to files. */
export type Writer = (artifact: Artifact, board: Board) => ProjectFiles;

/** All writers, by what `--project` calls them. */
export const WRITERS: Readonly<Record<string, Writer>> = { plain: writePlain };
