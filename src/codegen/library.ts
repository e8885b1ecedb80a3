/** The generated library but for its kernels: path in the output folder → text. */
import { entrySource } from "./entry.ts";
import { headerSource, internalSource } from "./header.ts";
import { librarySymbols } from "./names.ts";
import { paramsSource } from "./params.ts";
import type { Program } from "./program.ts";
import { staticSource } from "./static.ts";

/**
 * All sources but src/NAME_kernels.c.
 * @throws BurinError `internal/invariant` where the program contradicts itself
 */
export function librarySources(p: Program): Map<string, string> {
  librarySymbols(p);
  return new Map([
    [`include/${p.name}.h`, headerSource(p)],
    [`src/${p.name}.c`, entrySource(p)],
    [`src/${p.name}_internal.h`, internalSource(p)],
    [`src/${p.name}_params.c`, paramsSource(p)],
    [`src/${p.name}_static.c`, staticSource(p)],
  ]);
}
