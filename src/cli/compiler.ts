/** The compiler as the commands call it. */
import type { Artifact } from "../project/mod.ts";
import type { Board } from "../target/target.ts";

/** Options of the compiler. */
export interface CompileOptions {
  readonly board: Board;
  /** Stem of the model's file: the default name. */
  readonly fileStem: string;
  readonly name?: string;
  readonly optLevel: 0 | 1 | 2 | 3;
  readonly optimize: "balanced" | "speed" | "ram" | "flash";
  readonly requant: "exact" | "fast";
  readonly io: "caller" | "arena";
  readonly dims: Record<string, number>;
}

/** What of the compiler `inspect` prints. */
export interface InspectOptions extends CompileOptions {
  readonly stage: string;
  readonly node?: string;
  readonly countOps?: boolean;
}

interface Compiler {
  compileModel(bytes: Uint8Array, options: CompileOptions): Promise<Artifact>;
  inspectModel(bytes: Uint8Array, options: InspectOptions): string | Promise<string>;
}

/** Loads the compiler; commands that do not compile start without it. */
export const loadCompiler = async (): Promise<Compiler> => {
  const path = "../compile.ts";
  return await import(path);
};
