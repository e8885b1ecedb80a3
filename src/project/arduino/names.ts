/** What an Arduino library is called. */
import { createHash } from "node:crypto";
import type { Bundle } from "../bundle.ts";

/** Most letters that arduino-lint allows in strict mode. */
const LONGEST = 32;

/** Words that a library's name must not have, and what stands for them. */
const WORDS = [[/arduino/gi, "ino"], [/library/gi, "lib"]] as const;

function shorten(name: string): string {
  if (name.length <= LONGEST) return name;
  const mark = createHash("sha256").update(name).digest("hex").slice(0, 6);
  return `${name.slice(0, LONGEST - mark.length - 1)}_${mark}`;
}

/**
 * The library's name, which its main header has too: `Burin_` and the project's name, so that the
 * header is none of a model's, nor one of another library.
 */
export function libraryName(b: Bundle): string {
  let name = `Burin_${b.name}`;
  while (WORDS.some(([word]) => name.search(word) >= 0)) {
    name = WORDS.reduce((text, [word, other]) => text.replace(word, other), name);
  }
  const taken = b.models.map((m) => m.name.toLowerCase());
  name = shorten(name);
  // Header files that differ in their case alone would be one on Windows and macOS.
  return taken.includes(name.toLowerCase()) ? shorten(`${name}_all`) : name;
}
