/** Files of one folder in the place of files of another: all of them, or none. */
import { dirname, join } from "@std/path";

const isThere = (path: string): boolean => {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (e) {
    if (e instanceof Deno.errors.NotFound || e instanceof Deno.errors.NotADirectory) return false;
    throw e;
  }
};

/** Removes the folders of files that have gone, from the innermost outwards, as far as they are empty. */
function prune(folder: string, paths: Iterable<string>): void {
  const folders = new Set<string>();
  for (const path of paths) {
    for (let d = dirname(path); d !== "."; d = dirname(d)) folders.add(d);
  }
  for (const d of [...folders].sort((a, b) => b.length - a.length)) {
    try {
      const path = join(folder, d);
      if (Deno.lstatSync(path).isDirectory) Deno.removeSync(path);
    } catch { // Somebody's files are in it, or it has never been.
    }
  }
}

/**
 * Moves `incoming` from the folder `from` to the folder `to`, which stays the folder that it is:
 * whoever stands in it stays there. The `outgoing` files of `to`, and those that have the name of an
 * incoming one, are moved to `old`. Where a move fails, all of them are taken back.
 */
export function exchangeFiles(
  from: string,
  to: string,
  old: string,
  incoming: readonly string[],
  outgoing: readonly string[],
): void {
  const moved: [string, string][] = [];
  const move = (a: string, b: string) => {
    Deno.mkdirSync(dirname(b), { recursive: true });
    Deno.renameSync(a, b);
    moved.push([a, b]);
  };
  const leaving = new Set([...outgoing, ...incoming]);
  try {
    for (const path of leaving) {
      if (isThere(join(to, path))) move(join(to, path), join(old, path));
    }
    prune(to, leaving);
    for (const path of incoming) move(join(from, path), join(to, path));
  } catch (e) {
    for (const [a, b] of moved.reverse()) {
      Deno.mkdirSync(dirname(a), { recursive: true });
      Deno.renameSync(b, a);
    }
    prune(to, incoming);
    throw e;
  }
}
