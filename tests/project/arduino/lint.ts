/**
 * arduino-lint's rules for libraries and sketches, as its documentation states them with
 * `--compliance strict`. A stand-in: it cannot ask whether an address answers, and spells nothing.
 */
import Ajv from "ajv";
import schema from "./library_properties.schema.json" with { type: "json" };

/** Path in the library → contents. */
export type Files = ReadonlyMap<string, string | Uint8Array>;

/** A rule: its number in arduino-lint where it has one, and what breaks it. */
type Rule = readonly [id: string, broken: (files: Files) => readonly string[]];

const validate = new Ajv.default({ allErrors: true }).compile(schema);
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  atmelavr: ["avr"],
  atmelmegaavr: ["megaavr"],
  atmelsam: ["sam", "samd"],
  espressif32: ["esp32"],
  espressif8266: ["esp8266"],
  nordicnrf52: ["nRF5", "nrf52", "mbed", "mbed_edge", "mbed_nano"],
  raspberrypi: ["mbed_nano", "mbed_rp2040", "rp2040"],
};
const KEYWORDS = /^(?:#.*|[^\t ]+\t(?:KEYWORD[123]|LITERAL1)(?:\t[^\t]*){0,2}|)$/;
const SOURCE = /\.(?:c|cpp|h|hpp|ino|S)$/;

const text = (files: Files, path: string): string => {
  const contents = files.get(path);
  return typeof contents === "string" ? contents : "";
};

const paths = (files: Files, pattern: RegExp): string[] =>
  [...files.keys()].filter((path) => pattern.test(path));

/** The fields of library.properties. */
export function properties(files: Files): Record<string, string> {
  const lines = text(files, "library.properties").split("\n");
  return Object.fromEntries(
    lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      const at = line.indexOf("=");
      return at < 1 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

/** Folders at the root whose name is nearly the one that Arduino knows. */
const misnamed = (files: Files, folder: string, like: RegExp): string[] =>
  paths(files, like).filter((path) => !path.startsWith(`${folder}/`));

const words = (list: string | undefined): string[] =>
  (list ?? "").split(",").map((word) => word.trim()).filter(Boolean);

const includesOf = (contents: string): string[] =>
  [...contents.matchAll(/^\s*#\s*include\s*["<]([^">]+)[">]/gm)].map((found) => found[1]);

const RULES: readonly Rule[] = [
  ["LS004 submodule", (f) => paths(f, /^\.gitmodules$/)],
  ["LS006 .development file", (f) => paths(f, /^\.development$/)],
  ["LS007 .exe file", (f) => paths(f, /\.exe$/)],
  ["LS008 no header of the library's name", (f) => {
    const header = `${properties(f).name}.h`;
    return f.has(`src/${header}`) ? [] : [header];
  }],
  ["LS009 src folder case", (f) => misnamed(f, "src", /^src\//i)],
  ["LS010 utility folder", (f) => paths(f, /^utility\//)],
  ["LS011, LS012 extras folder name", (f) => misnamed(f, "extras", /^extras?\//i)],
  [
    "LP001 to LP003 library.properties file name",
    (f) => f.has("library.properties") ? [] : ["library.properties"],
  ],
  ["LP004 redundant library.properties", (f) => paths(f, /^src\/library\.properties$/)],
  [
    "LP005 to LP044, LP049 to LP057 library.properties",
    (f) =>
      validate(properties(f)) ? [] : validate.errors!.map((e) => `${e.instancePath} ${e.message}`),
  ],
  ["LP036 paragraph repeats sentence", (f) => {
    const { sentence = "", paragraph = "" } = properties(f);
    return paragraph.startsWith(sentence) ? [paragraph] : [];
  }],
  ["LP045 architecture alias", (f) => {
    const list = words(properties(f).architectures);
    return list.filter((a) => ALIASES[a] && !ALIASES[a].some((b) => list.includes(b)));
  }],
  [
    "LP046 architecture case",
    (f) => words(properties(f).architectures).filter((a) => a !== a.toLowerCase() && a !== "nRF5"),
  ],
  [
    "LP052 includes not in library",
    (f) => words(properties(f).includes).filter((header) => !f.has(`src/${header}`)),
  ],
  [
    "LC001, SC001 Arduino.h case",
    (f) =>
      paths(f, SOURCE).filter((path) =>
        includesOf(text(f, path)).some((h) => /^arduino\.h$/i.test(h) && h !== "Arduino.h")
      ),
  ],
  ["LD001 no readme", (f) => f.has("README.md") ? [] : ["README.md"]],
  [
    "LD002 no license file",
    (f) => paths(f, /^(?:licen[sc]e|copying)(?:\.(?:md|txt))?$/i).length > 0 ? [] : ["LICENSE"],
  ],
  ["LD003 stray sketch", (f) => paths(f, /^(?!(?:examples|extras)\/).*\.ino$/)],
  [
    "LD004 no examples",
    (f) => paths(f, /^examples\/[^/]+\/[^/]+\.ino$/).length > 0 ? [] : ["none"],
  ],
  ["LD005, LD006 examples folder name", (f) => misnamed(f, "examples", /^examples?\//i)],
  [
    "SS001 sketch name mismatch",
    (f) => paths(f, /\.ino$/).filter((path) => !/(?:^|\/)([^/]+)\/\1\.ino$/.test(path)),
  ],
  [
    "SS002, SS003 sketch file name",
    (f) =>
      paths(f, /\.ino$/).filter((path) => !/\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\.ino$/.test(path)),
  ],
  ["SS004 .pde extension", (f) => paths(f, /\.pde$/)],
  // What the linter leaves to the compiler and to people.
  [
    "keywords.txt: words and kinds between tabs",
    (f) => text(f, "keywords.txt").split("\n").filter((line) => !KEYWORDS.test(line)),
  ],
  [
    "keywords.txt is missing or empty",
    (f) => /\tKEYWORD2$/m.test(text(f, "keywords.txt")) ? [] : ["keywords.txt"],
  ],
  [
    "sources in src/ alone, in no folder of it",
    (f) => paths(f, /\.[ch]$/).filter((path) => !/^src\/[^/]+$/.test(path)),
  ],
  [
    "headers by their name alone",
    (f) =>
      paths(f, /^src\/.*\.[ch]$/).filter((path) =>
        [...text(f, path).matchAll(/^#include "([^"]+)"/gm)].some(([, h]) => !f.has(`src/${h}`))
      ),
  ],
  ["headers for C++", (f) =>
    paths(f, /^src\/.*\.h$/).filter((path) => {
      const header = text(f, path);
      return /\);$/m.test(header) && !/_internal\.h$/.test(path) &&
        !header.includes('extern "C" {');
    })],
];

/** What of the rules a library breaks, one line each; empty where it is fine. */
export const lintLibrary = (files: Files): string[] =>
  RULES.flatMap(([id, broken]) => broken(files).map((what) => `${id}: ${what}`));
