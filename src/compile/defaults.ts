import type { CompileOptions } from "../compile.ts";

/** What the options are that nothing is asked for; a board and a name belong to them. */
export const DEFAULTS = {
  optLevel: 3,
  optimize: "balanced",
  requant: "exact",
  io: "caller",
  dims: {},
} as const satisfies Partial<CompileOptions>;
