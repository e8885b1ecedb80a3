/** What project writers turn into files: one model, or several that go into one image. */
import sharedTemplate from "../../templates/c/shared.c.hbs" with { type: "text" };
import type { Artifact } from "../codegen/artifact.ts";
import type { Board } from "../target/target.ts";
import { render } from "../util/template.ts";
import type { Ci } from "./ci.ts";

/** Memory of models that never run at the same time. */
export interface SharedMemory {
  /** The region in every model's `NAME_memory`. */
  readonly region: string;
  /** C identifier of the array. */
  readonly symbol: string;
  /** What the largest of the models needs. */
  readonly bytes: number;
  /** Alignment of its address in bytes. */
  readonly align: number;
}

/** The models of one project and the board that they are for. */
export interface Bundle {
  /** C-safe name of the project: its model's where there is one. */
  readonly name: string;
  /** One, or several that are linked into one image; their names differ. */
  readonly models: readonly Artifact[];
  /** The board. */
  readonly board: Board;
  /** Empty where every model has static memory of its own. */
  readonly sharedMemory: readonly SharedMemory[];
  /** The command that makes the project again, its arguments without folders. */
  readonly command: readonly string[];
  /** The workflow that is written too; none by default. */
  readonly ci?: Ci;
}

/** Files of a project, path in the output folder → contents. */
export type ProjectFiles = ReadonlyMap<string, string | Uint8Array>;

/**
 * A writer: a pure function from models and their board to the files that its build system wants:
 * the library's sources where it looks for them, README.md (`readme`), everything but what all
 * projects have in common (`projectFiles`).
 */
export type Writer = (bundle: Bundle) => ProjectFiles;

/** The regions that models can share, each as large as the most demanding model needs. */
export function shareMemory(stem: string, models: readonly Artifact[]): SharedMemory[] {
  const names = [...new Set(models.flatMap((m) => m.regions.map((r) => r.name)))];
  return names.map((region) => {
    const needs = models.flatMap((m) => m.regions.filter((r) => r.name === region));
    return {
      region,
      symbol: `${stem}_${region}`,
      bytes: Math.max(1, ...needs.map((r) => r.bytes)),
      align: Math.max(...needs.map((r) => r.align)),
    };
  });
}

function sharedSource(b: Bundle): string {
  return render(sharedTemplate, {
    models: b.models.map((m) => m.name).join(", "),
    regions: b.sharedMemory.map((s) => ({
      ...s,
      macro: s.symbol.toUpperCase(),
      // As a model's own memory: boards' linker scripts place it by the region's name.
      section: s.region === "arena" ? "" : `.bss.${b.name}_arena.${s.region}`,
      needs: b.models.flatMap((m) =>
        m.regions.filter((r) => r.name === s.region).map((r) => `${m.name} needs ${r.bytes}`)
      ).join(", "),
    })),
  }, "c/shared.c.hbs");
}

/** The sources of all models: `include/NAME.h`, `src/NAME*.c`, and the memory that they share. */
export function librarySources(b: Bundle): Map<string, string> {
  const sources = new Map(b.models.flatMap((m) => [...m.sources]));
  return b.sharedMemory.length === 0
    ? sources
    : sources.set(`src/${b.name}_memory.c`, sharedSource(b));
}

/** The self-tests of all models: `selftest/NAME_selftest.h` and `.c`. */
export const selftestSources = (b: Bundle): Map<string, string> =>
  new Map(b.models.flatMap((m) => [...m.selftest]));
