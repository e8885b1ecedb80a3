/** Sketches of the user's that become examples of an Arduino library. */
import { basename, dirname, join } from "@std/path";
import { OWN_SKETCHES } from "../project/arduino/sketches.ts";
import type { ProjectFiles } from "../project/mod.ts";
import { BurinError } from "../util/errors.ts";
import { readUserFile, userPath } from "./paths.ts";

const refuse = (typed: string, why: string): BurinError =>
  new BurinError(
    "data/no-sketch",
    `Cannot add sketch ${typed} as ${why}`,
    "name a folder that holds a .ino file of its own name, as the Arduino IDE keeps sketches",
  );

/** The folder of a sketch that is named by its folder or its .ino. */
function sketchFolder(typed: string): string {
  const path = userPath(typed);
  return path.endsWith(".ino") ? dirname(path) : path;
}

/** Files that the Arduino IDE would open: those of the folder itself. */
function sketchFiles(typed: string): [string, Uint8Array][] {
  const folder = sketchFolder(typed);
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch {
    throw refuse(typed, "there is no such folder");
  }
  const name = basename(folder);
  const files = entries.filter((e) => e.isFile && !e.name.startsWith(".")).map((e) => e.name);
  if (!files.includes(`${name}.ino`)) throw refuse(typed, `it holds no ${name}.ino`);
  return files.sort().map((file) => [
    `examples/${name}/${file}`,
    readUserFile(join(folder, file)),
  ]);
}

/**
 * Reads sketches: path in the project → contents.
 * @param kind the project's, of which Arduino's alone has sketches
 * @throws BurinError `data/no-sketch`, `usage/no-sketches`
 */
export function readSketches(paths: readonly string[], kind: string): ProjectFiles {
  if (paths.length > 0 && kind !== "arduino") {
    throw new BurinError(
      "usage/no-sketches",
      `Cannot add sketch ${paths[0]} as a ${kind} project has none`,
      "add --project arduino",
    );
  }
  const files = new Map<string, Uint8Array>();
  for (const typed of paths) {
    const name = basename(sketchFolder(typed));
    const taken = OWN_SKETCHES.includes(name) || files.has(`examples/${name}/${name}.ino`);
    if (taken) throw refuse(typed, `the library has an example ${name}`);
    for (const [path, contents] of sketchFiles(typed)) files.set(path, contents);
  }
  return files;
}
