/** The Arduino library: flat sources, metadata that arduino-lint accepts, sketches as examples. */
import licence from "../../../LICENSE" with { type: "text" };
import noticeTemplate from "../../../templates/arduino/NOTICE.hbs" with { type: "text" };
import propertiesTemplate from "../../../templates/arduino/library.properties.hbs" with {
  type: "text",
};
import readmeTemplate from "../../../templates/arduino/README.md.hbs" with { type: "text" };
import umbrellaTemplate from "../../../templates/arduino/umbrella.h.hbs" with { type: "text" };
import kernelsTemplate from "../../../templates/arduino/kernels.h.hbs" with { type: "text" };
import type { Artifact } from "../../codegen/artifact.ts";
import type { Feature } from "../../target/target.ts";
import { render } from "../../util/template.ts";
import { VERSION } from "../../util/version.ts";
import { coreName } from "../plain/names.ts";
import { libraryName } from "./names.ts";
import { inferenceSketch, selftestSketch } from "./sketches.ts";
import { type Bundle, librarySources, type ProjectFiles, selftestSources } from "../bundle.ts";
import { readme } from "../readme.ts";

/** Where readers learn what the models are; whoever publishes the library names a page of theirs. */
const URL = "https://onnx.ai";

/** What gcc defines for a core with the feature; features that only change plain C are absent. */
const MACROS: Partial<Record<Feature, string>> = {
  dsp: "__ARM_FEATURE_DSP",
  fpu: "__ARM_FP",
  mve: "__ARM_FEATURE_MVE",
  sat: "__ARM_FEATURE_SAT",
};

const kernelsPath = (m: Artifact): string => `src/${m.name}_kernels.c`;

/** Whether the code names machine instructions, so that it compiles for some cores only. */
const hasInstructions = (m: Artifact): boolean =>
  m.sources.get(kernelsPath(m))?.includes("__asm__") ?? false;

/** A condition of the preprocessor that holds on cores without what the code uses, or "". */
function lacking(b: Bundle, m: Artifact): string {
  if (!hasInstructions(m)) return "";
  const macros = b.board.target.features.flatMap((f) => MACROS[f] ?? []);
  return macros.map((macro) => `!defined(${macro})`).join(" || ");
}

/**
 * Architectures as Arduino calls them: the board's, which its fully qualified name says
 * (`arduino:mbed_nano:nano33ble`), or all where the C is portable or the board has no such name.
 */
function architectures(b: Bundle): string {
  const [, architecture] = b.board.arduino?.split(":") ?? [];
  return b.models.some(hasInstructions) ? architecture ?? "*" : "*";
}

/** All of a folder's sources in src/, where Arduino's builder finds headers by name. */
function flatSources(b: Bundle): Map<string, string> {
  const flat = [...librarySources(b), ...selftestSources(b)].map(([path, text]) =>
    [`src/${path.split("/").at(-1)!}`, text] as const
  );
  const sources = new Map<string, string>(flat);
  for (const m of b.models) {
    const path = kernelsPath(m);
    const head = render(kernelsTemplate, {
      name: m.name,
      title: b.board.title.replace(/["\\\n]/g, " "),
      lacking: lacking(b, m),
    }, "arduino/kernels.h.hbs");
    const text = sources.get(path);
    if (text !== undefined) sources.set(path, head + text);
  }
  return sources;
}

const COLUMNS = [
  ["KEYWORD1", /^\} (\w+);$/gm],
  ["KEYWORD2", /^(?:static inline )?\w[\w ]*[ *](\w+)\([^;]*?\)(?:;|\n\{)/gm],
  ["LITERAL1", /^(?:#define (\w+) \S| {4}([A-Z0-9_]+),? *(?:\/\*.*)?$)/gm],
] as const;

/** keywords.txt: what the IDE colours, read from the headers; a tab between the columns. */
function keywords(headers: readonly string[]): string {
  const lines = COLUMNS.flatMap(([kind, pattern]) => {
    const words = headers.flatMap((text) =>
      [...text.matchAll(pattern)].map((found) => found[1] ?? found[2])
    );
    return [...new Set(words)].sort().map((word) => `${word}\t${kind}\n`);
  });
  return "# What the Arduino IDE colours: types, functions, constants.\n" + lines.join("");
}

const list = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

function paragraph(b: Bundle): string {
  const sizes = b.models.map((m) =>
    `${m.name} takes ${m.arenaBytes} bytes of working memory and ${m.paramsBytes} bytes of constants`
  );
  return `C99 that needs no interpreter and never allocates memory, compiled from ONNX for ${b.board.title}: ${
    sizes.join("; ")
  }.`;
}

/** The Arduino library of compiled models. */
export function writeArduino(b: Bundle): ProjectFiles {
  const library = libraryName(b);
  const several = b.models.length > 1;
  const names = list(b.models.map((m) => m.name));
  const sources = flatSources(b);
  const headers = b.models.flatMap((m) => [
    sources.get(`src/${m.name}.h`) ?? "",
    sources.get(`src/${m.name}_selftest.h`) ?? "",
  ]);
  const models = b.models.map(({ name }) => ({ name }));
  const context = { library, several, names, models, version: VERSION };
  return new Map<string, string>([
    ...sources,
    [
      `src/${library}.h`,
      render(umbrellaTemplate, {
        ...context,
        what: several ? `the models ${names}` : `the model ${names}`,
        guard: `${library.replace(/[^A-Za-z0-9]/g, "_").toUpperCase()}_LIBRARY_H`,
      }, "arduino/umbrella.h.hbs"),
    ],
    ["examples/SelfTest/SelfTest.ino", selftestSketch(b, library)],
    ["examples/Inference/Inference.ino", inferenceSketch(b, library)],
    [
      "library.properties",
      render(propertiesTemplate, {
        ...context,
        sentence: `Runs the neural network${several ? "s" : ""} ${names} on a microcontroller.`,
        paragraph: paragraph(b),
        url: URL,
        architectures: architectures(b),
      }, "arduino/library.properties.hbs"),
    ],
    ["keywords.txt", keywords(headers)],
    ["LICENSE", licence],
    [
      "NOTICE",
      render(noticeTemplate, {
        ...context,
        data: list(b.models.map((m) => `src/${m.name}_params.c and src/${m.name}_selftest.c`)),
      }, "arduino/NOTICE.hbs"),
    ],
    [
      "README.md",
      readme(
        b,
        render(readmeTemplate, {
          ...context,
          first: b.models[0].name,
          cpu: coreName(b.board),
          instructions: b.models.some(hasInstructions),
        }, "arduino/README.md.hbs"),
      ),
    ],
  ]);
}
