/** The compiler as the commands call it, loaded when it is needed: listing boards needs none. */
export type { CompileOptions } from "../compile.ts";

/** Loads what compiles and what shows its stages. */
export const loadCompiler = (): Promise<typeof import("../compile.ts")> => import("../compile.ts");
