/** The plain project: the library's sources and a CMakeLists.txt. */
import cmakeTemplate from "../../templates/plain/CMakeLists.txt.hbs" with { type: "text" };
import { render } from "../util/template.ts";
import { type Bundle, librarySources, type ProjectFiles, selftestSources } from "./bundle.ts";
import { readme } from "./readme.ts";

const build = (b: Bundle): string =>
  `## Build

\`add_subdirectory\` this folder in CMake and link \`${b.name}\`, or compile \`src/*.c\` with
\`-Iinclude -O2 -ffp-contract=off\`.`;

/** The plain project of compiled models. */
export function writePlain(b: Bundle): ProjectFiles {
  const library = librarySources(b);
  const sources = [...library.keys()].filter((path) => path.endsWith(".c"));
  return new Map([...library, ...selftestSources(b)])
    .set("README.md", readme(b, build(b)))
    .set(
      "CMakeLists.txt",
      render(cmakeTemplate, { name: b.name, sources }, "plain/CMakeLists.txt.hbs"),
    );
}
