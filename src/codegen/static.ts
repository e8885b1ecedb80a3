/** The entry function with memory of its own: a file to leave out where nobody calls it. */
import template from "../../templates/c/static.c.hbs" with { type: "text" };
import { render } from "../util/template.ts";
import {
  arenaSection,
  comment,
  isNamed,
  macroPrefix,
  namedPorts,
  regionsOf,
  staticSymbol,
} from "./names.ts";
import type { Program } from "./program.ts";

/** src/NAME_static.c */
export function staticSource(p: Program): string {
  const library = macroPrefix(p);
  const regions = regionsOf(p);
  return render(template, {
    title: comment(p.title),
    name: p.name,
    shared: p.sharedMemory !== undefined,
    regions: regions.filter((r) => r.bytes > 0).map((r) => ({
      library,
      macro: `${library}_${r.name.toUpperCase()}`,
      symbol: staticSymbol(p, r.name),
      section: isNamed(r) ? arenaSection(p, r.name) : "",
      shared: p.sharedMemory !== undefined,
    })),
    initializer: regions.map((r) => r.bytes > 0 ? staticSymbol(p, r.name) : "0").join(", "),
    any_in_arena: namedPorts(p).some((q) => q.port.placement.where === "arena"),
  }, "c/static.c.hbs");
}
