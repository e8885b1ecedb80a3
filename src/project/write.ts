/** Writing a project's files to disk: complete, or not at all. */
import { dirname, join, resolve } from "@std/path";
import { BurinError } from "../util/errors.ts";
import { asideName, isAside, whyNotWritten, writeWhole } from "../util/files.ts";
import type { ProjectFiles } from "./bundle.ts";
import { exchangeFiles } from "./exchange.ts";

/** How files are written. */
export interface WriteOptions {
  /** Write into a folder that holds other files too; they stay. */
  readonly force?: boolean;
  /** Called with a function that undoes everything, before the first change. */
  readonly onStart?: (undo: () => void) => void;
  /** Writes one file; a parameter so that a full disk can be tested. */
  readonly writeFile?: (path: string, contents: string | Uint8Array) => Promise<void>;
}

const remove = (path: string): void => {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (e) {
    if (!(e instanceof Deno.errors.NotFound)) throw e;
  }
};

/** All files under a folder, relative to it; not what a write has there that is not complete. */
function listFiles(folder: string, under = ""): string[] {
  return [...Deno.readDirSync(join(folder, under))].flatMap((entry) => {
    const path = under === "" ? entry.name : `${under}/${entry.name}`;
    if (under === "" && isAside(entry.name)) return [];
    return entry.isDirectory ? listFiles(folder, path) : [path];
  });
}

/** Where a project lists its files: one model, or several. */
const RECORDS = ["model.json", "bundle.json"];

/** The files that Burin wrote into a folder, or null where it did not. */
export function writtenFiles(folder: string): string[] | null {
  const inside = (f: unknown) => typeof f === "string" && !f.split(/[\\/]/).includes("..");
  for (const record of RECORDS) {
    try {
      const json = JSON.parse(Deno.readTextFileSync(join(folder, record)));
      const ours = json?.tool?.name === "burin" && Array.isArray(json.files);
      if (ours && json.files.every(inside)) return json.files;
    } catch { // Not there, or not ours.
    }
  }
  return null;
}

const writeContents = (path: string, contents: string | Uint8Array): Promise<void> =>
  typeof contents === "string"
    ? Deno.writeTextFile(path, contents)
    : Deno.writeFile(path, contents);

/** What stands at the output path. */
export type Found =
  | { readonly kind: "nothing" | "empty" | "ours" }
  /** An earlier result, and files that others made of it under `build/`. */
  | { readonly kind: "built" }
  | { readonly kind: "foreign"; readonly files: readonly string[] };

function look(out: string): Found {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(out);
  } catch (e) {
    if (e instanceof Deno.errors.NotFound) return { kind: "nothing" };
    throw e;
  }
  if (!info.isDirectory) {
    throw new BurinError(
      "usage/out-is-a-file",
      `Cannot write to ${out} as it is a file`,
      "name a folder with --out",
    );
  }
  const present = listFiles(out);
  if (present.length === 0) return { kind: "empty" };
  const written = writtenFiles(out) ?? [];
  const files = present.filter((f) => !written.includes(f));
  if (files.length === 0) return { kind: "ours" };
  const built = written.length > 0 && files.every((f) => f.startsWith("build/"));
  return built ? { kind: "built" } : { kind: "foreign", files };
}

/**
 * Looks at the output path, which costs nothing, so that it can be done before compiling.
 * @throws BurinError `usage/out-not-empty`, `usage/out-is-a-file`, `data/cannot-write`
 */
export function checkOut(out: string, force = false): Found {
  try {
    const found = look(resolve(out));
    if (found.kind !== "foreign" || force) return found;
    const some = found.files.slice(0, 3).join(", ");
    const more = found.files.length > 3 ? ` and ${found.files.length - 3} more` : "";
    throw new BurinError(
      "usage/out-not-empty",
      `Cannot write to ${out} as it holds files that Burin did not write: ${some}${more}`,
      "name another folder with --out, or add --force to write beside them",
    );
  } catch (e) {
    throw explain(out, e);
  }
}

/** The outermost folder above `path` that has to be made. */
function firstMissing(path: string): string | null {
  try {
    Deno.statSync(path);
    return null;
  } catch (e) {
    if (!(e instanceof Deno.errors.NotFound)) throw e;
    return firstMissing(dirname(path)) ?? path;
  }
}

/** Removes the folders from `path` up to `outermost` as long as nobody has put anything there. */
function removeEmpty(path: string, outermost: string | null): void {
  if (outermost === null) return;
  Deno.removeSync(path);
  if (path !== outermost) removeEmpty(dirname(path), outermost);
}

/** Puts the files in `aside` where they belong: as the folder `out`, or into the one that is there. */
function put(aside: string, out: string, files: ProjectFiles): void {
  if (firstMissing(out) !== null) {
    try {
      return Deno.renameSync(join(aside, "new"), out);
    } catch (e) {
      // A second compile may just have put its own there.
      if (firstMissing(out) !== null) throw e;
    }
  }
  const [from, old] = [join(aside, "new"), join(aside, "old")];
  exchangeFiles(from, out, old, [...files.keys()], writtenFiles(out) ?? []);
}

function explain(out: string, e: unknown): BurinError {
  if (e instanceof BurinError) return e;
  const text = (e as Error).message ?? String(e);
  const denied = e instanceof Deno.errors.PermissionDenied || e instanceof Deno.errors.NotCapable ||
    /Read-only file system/i.test(text);
  const why = denied ? "the folder cannot be written to" : whyNotWritten(e) ?? text;
  const hint = /^the disk (is full|quota)/.test(why)
    ? "make room, or name another folder with --out"
    : "name another folder with --out";
  return new BurinError("data/cannot-write", `Cannot write ${out} as ${why}`, hint);
}

/**
 * Writes files as the folder `out`: aside first, then moved, so that the folder appears complete or
 * not at all. A folder that is there stays the same one, as somebody may stand in it.
 * @throws BurinError `usage/out-not-empty`, `usage/out-is-a-file`, `data/cannot-write`
 */
export async function writeProject(
  files: ProjectFiles,
  out: string,
  options: WriteOptions = {},
): Promise<void> {
  const { force = false, writeFile = writeContents } = options;
  const target = resolve(out);
  let aside: string | null = null;
  let made: string | null = null;
  const undo = () => {
    try {
      if (aside !== null) remove(aside);
      removeEmpty(dirname(target), made);
    } catch { // What cannot be written to cannot be cleaned either.
    }
  };
  try {
    const found = checkOut(out, force);
    made = firstMissing(dirname(target));
    options.onStart?.(undo);
    const place = join(found.kind === "nothing" ? dirname(target) : target, asideName());
    aside = place;
    for (const [path, contents] of files) {
      Deno.mkdirSync(dirname(join(place, "new", path)), { recursive: true });
      await writeFile(join(place, "new", path), contents);
    }
    put(place, target, files);
    remove(place);
  } catch (e) {
    undo();
    throw explain(out, e);
  }
}

/** A path that does not exist, or holds a file that may be replaced. */
function checkFile(path: string, replaceable: (contents: Uint8Array) => boolean): void {
  let contents: Uint8Array;
  try {
    contents = Deno.readFileSync(path);
  } catch (e) {
    if (e instanceof Deno.errors.NotFound) return;
    if (!(e instanceof Deno.errors.IsADirectory) && !/Is a directory/.test(`${e}`)) throw e;
    throw new BurinError(
      "usage/out-is-a-folder",
      `Cannot write ${path} as it is a folder`,
      "name a file that ends in .tar with --out, or a folder that does not",
    );
  }
  if (replaceable(contents)) return;
  throw new BurinError(
    "usage/out-not-empty",
    `Cannot write ${path} as it is a file that Burin did not write`,
    "name another file with --out, or add --force to replace it",
  );
}

/**
 * Writes one file: aside first, then renamed, so that it appears complete or not at all.
 * @param replaceable says of a file that stands there whether it may be replaced
 * @throws BurinError `usage/out-not-empty`, `usage/out-is-a-folder`, `data/cannot-write`
 */
export function writeFileWhole(
  path: string,
  contents: string | Uint8Array,
  replaceable: (contents: Uint8Array) => boolean,
): void {
  const target = resolve(path);
  let made: string | null = null;
  try {
    checkFile(target, replaceable);
    made = firstMissing(dirname(target));
    Deno.mkdirSync(dirname(target), { recursive: true });
    const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
    writeWhole(target, bytes);
  } catch (e) {
    try {
      removeEmpty(dirname(target), made);
    } catch { // What cannot be written to cannot be cleaned either.
    }
    throw explain(path, e);
  }
}
