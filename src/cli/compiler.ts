/** The compiler as the commands call it, loaded when it is needed: listing boards needs none. */
import type { CompileOptions } from "../compile.ts";

export type { CompileOptions } from "../compile.ts";

/** What of the compiler `inspect` prints. */
export interface InspectOptions extends CompileOptions {
  readonly stage: string;
  readonly node?: string;
  readonly countOps?: boolean;
}

interface Inspector {
  inspectModel(bytes: Uint8Array, options: InspectOptions): string | Promise<string>;
}

/** Loads what compiles. */
export const loadCompiler = (): Promise<typeof import("../compile.ts")> => import("../compile.ts");

/** Loads what prints stages. */
export const loadInspector = async (): Promise<Inspector> =>
  await import("../compile.ts") as unknown as Inspector;
