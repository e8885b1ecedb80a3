/** Files that appear whole or not at all, and what the system says where it does not write them. */
import { dirname, join } from "@std/path";

/** A name for what is not complete yet, beside what it is to become. */
export const asideName = (): string => `.burin-${crypto.randomUUID().slice(0, 8)}`;

/** Whether a name is one of {@link asideName}. */
export const isAside = (name: string): boolean => /^\.burin-[0-9a-f]{8}$/.test(name);

/** What the system says by error number, on Linux and macOS. */
const REASONS: Readonly<Record<string, string>> = {
  2: "its folder does not exist",
  13: "it may not be written to",
  20: "a part of its path is a file",
  21: "it is a folder",
  27: "files may not get as large (ulimit -f)",
  28: "the disk is full",
  30: "the disk is read-only",
  36: "its name is too long",
  63: "its name is too long",
  69: "the disk quota is used up",
  122: "the disk quota is used up",
};

/** Why the system did not write a file, in words; null where it says nothing that is known. */
export function whyNotWritten(e: unknown): string | null {
  const [, number] = /\(os error (\d+)\)/.exec(`${e}`) ?? [];
  return REASONS[number] ?? null;
}

/** Whether a path is free or a file, to which a rename can lead; following links. */
function replaceable(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (e) {
    if (e instanceof Deno.errors.NotFound) return true;
    throw e;
  }
}

/** Where a link leads to; the path itself where it is none, or leads nowhere. */
function behindLinks(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

/**
 * Writes a file aside and renames it, so that it appears complete or not at all; what is no file, as a
 * pipe, is written to as it is.
 * @throws what the system does; nothing is left behind
 */
export function writeWhole(path: string, bytes: Uint8Array): void {
  const target = behindLinks(path);
  if (!replaceable(target)) return Deno.writeFileSync(target, bytes);
  const aside = join(dirname(target), asideName());
  try {
    Deno.writeFileSync(aside, bytes);
    Deno.renameSync(aside, target);
  } catch (e) {
    try {
      Deno.removeSync(aside);
    } catch { // It was not made.
    }
    throw e;
  }
}
