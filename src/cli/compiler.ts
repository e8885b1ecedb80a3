/** The compiler as the commands call it. */
import type { CompileOptions } from "../compile.ts";

export type { CompileOptions } from "../compile.ts";

/** What of the compiler `inspect` prints. */
export interface InspectOptions extends CompileOptions {
  readonly stage: string;
  readonly node?: string;
  readonly countOps?: boolean;
}

/** Loads the compiler; commands that do not compile start without it. */
export const loadCompiler = (): Promise<typeof import("../compile.ts")> => import("../compile.ts");
