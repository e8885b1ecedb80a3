/** The one array of all operators; the importer and the table in the documentation read it. */
import { type OpDef } from "../ir/opdef.ts";

// deno-lint-ignore no-explicit-any
export const ops: readonly OpDef<any>[] = [];
