/** The plain project: the library for CMake, and a firmware of its own that proves it. */
import { type Bundle, librarySources, type ProjectFiles, selftestSources } from "../bundle.ts";
import { readme } from "../readme.ts";
import { cmakeFiles } from "./cmake.ts";
import { firmwareFiles } from "./firmware.ts";
import { plainOf } from "./names.ts";
import { packageFiles } from "./packages.ts";
import { buildSection } from "./readme.ts";

/** The plain project of compiled models. */
export function writePlain(b: Bundle): ProjectFiles {
  const p = plainOf(b);
  return new Map([
    ...librarySources(b),
    ...selftestSources(b),
    ...cmakeFiles(p),
    ...firmwareFiles(p),
    ...packageFiles(p),
    ["README.md", readme(b, buildSection(p))],
  ]);
}
