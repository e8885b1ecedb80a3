/** Files that the user names: paths are relative to where the user stands. */
import { basename, dirname, extname, resolve } from "@std/path";
import { BurinError } from "../util/errors.ts";
import { whyNotWritten, writeWhole } from "../util/files.ts";
import { didYouMean } from "../util/near.ts";

/** The folder where the user stands; `deno task` changes folder and notes it here. */
const standing = (): string => Deno.env.get("INIT_CWD") ?? Deno.cwd();

/** Full path of what the user typed. */
export const userPath = (typed: string): string => resolve(standing(), typed);

/** File name without folder and extension. */
export const stemOf = (path: string): string => basename(path, extname(path));

function neighbours(path: string): string[] {
  try {
    return [...Deno.readDirSync(dirname(path))]
      .filter((e) => e.isFile && extname(e.name) === extname(path))
      .map((e) => e.name);
  } catch {
    return [];
  }
}

/**
 * Reads a file that the user named.
 * @throws BurinError `data/no-file` with near names, `data/cannot-read`
 */
export function readUserFile(typed: string): Uint8Array {
  const path = userPath(typed);
  try {
    return Deno.readFileSync(path);
  } catch (e) {
    if (e instanceof Deno.errors.NotFound || e instanceof Deno.errors.NotADirectory) {
      const near = didYouMean(basename(path), neighbours(path)) ?? undefined;
      throw new BurinError("data/no-file", `Cannot read ${typed} as there is no such file`, near);
    }
    const folder = e instanceof Deno.errors.IsADirectory || /Is a directory/.test(`${e}`);
    const why = folder ? "it is a folder" : "it may not be read";
    throw new BurinError("data/cannot-read", `Cannot read ${typed} as ${why}`, "name a file");
  }
}

function cannotWrite(typed: string, e: unknown): BurinError {
  const why = whyNotWritten(e) ?? (e as Error).message;
  const hint = /^the disk (is full|quota)/.test(why)
    ? "make room, or name a file elsewhere"
    : "name a file in a folder that is there and may be written to";
  return new BurinError("data/cannot-write", `Cannot write ${typed} as ${why}`, hint);
}

const exists = (path: string): boolean => {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
};

/**
 * Finds out before long work whether a file can be written; leaves everything as it is.
 * @throws BurinError `data/cannot-write`
 */
export function checkWritable(typed: string): void {
  const path = userPath(typed);
  try {
    const before = exists(path);
    Deno.openSync(path, { append: true, create: true }).close();
    if (!before) Deno.removeSync(path);
  } catch (e) {
    throw cannotWrite(typed, e);
  }
}

/**
 * Writes a file that the user named, whole or not at all.
 * @throws BurinError `data/cannot-write`
 */
export function writeUserFile(typed: string, bytes: Uint8Array): void {
  try {
    writeWhole(userPath(typed), bytes);
  } catch (e) {
    throw cannotWrite(typed, e);
  }
}
