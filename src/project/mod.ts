/** What the writers and the runner take from code generation: types of plain data. */
export type {
  ArenaRegion,
  Artifact,
  CompiledLibrary,
  GoldenVector,
  KernelInfo,
  MemoryPoint,
  NormalizedOptions,
  Placement,
  PlannedBuffer,
  Port,
} from "../codegen/artifact.ts";
export type { Bundle, ProjectFiles, SharedMemory, Writer } from "./bundle.ts";

import type { Bundle, ProjectFiles, Writer } from "./bundle.ts";
import { writeArduino } from "./arduino/arduino.ts";
import { ciFiles } from "./ci.ts";
import { commonFiles } from "./common.ts";
import { writePlain } from "./plain/plain.ts";
import { writeZephyr } from "./zephyr/zephyr.ts";

/** All writers, by what `--project` calls them. */
export const WRITERS: Readonly<Record<string, Writer>> = {
  plain: writePlain,
  arduino: writeArduino,
  zephyr: writeZephyr,
};

/**
 * All files of a project.
 * @param kind the writer, a key of {@link WRITERS}
 * @param extras what the caller adds: pages and listings that only the driver can make
 * @param kept what the user has made of the workflow and the lock of an earlier compile
 */
export const projectFiles = (
  bundle: Bundle,
  kind: string,
  extras: ProjectFiles = new Map(),
  kept: ProjectFiles = new Map(),
): ProjectFiles =>
  commonFiles(
    bundle,
    kind,
    new Map([...WRITERS[kind](bundle), ...extras]),
    new Map([...ciFiles(bundle, kind), ...kept]),
  );
