/** Files beside a model that hold its tensors: regular files below its folder, no links. */
import { join } from "@std/path";
import type { CompileOptions } from "./compiler.ts";
import { BurinError } from "../util/errors.ts";
import { grouped } from "./terminal.ts";

/** The reason and the hint; the importer puts the tensor's name before them. */
const fail = (why: string, hint: string): BurinError =>
  new BurinError("model/external-data", why, hint);

/** Looks at one part of a path without following it. */
function look(path: string, shown: string): Deno.FileInfo {
  try {
    return Deno.lstatSync(path);
  } catch (e) {
    const missing = e instanceof Deno.errors.NotFound || e instanceof Deno.errors.NotADirectory;
    throw fail(
      missing ? `there is no file '${shown}' in the model's folder` : `'${shown}' cannot be read`,
      "put the file beside the model, under this name",
    );
  }
}

/**
 * Reads files below a folder and nothing else. A link could lead anywhere, and a second name of the
 * same file stands for a file elsewhere too.
 */
export function folderFiles(folder: string): NonNullable<CompileOptions["externalFiles"]> {
  return (location, limit) => {
    const parts = location.split("/");
    const infos = parts.map((_, i) =>
      look(join(folder, ...parts.slice(0, i + 1)), parts.slice(0, i + 1).join("/"))
    );
    const file = infos[infos.length - 1];
    if (infos.some((f) => f.isSymlink) || (file.isFile && (file.nlink ?? 1) > 1)) {
      throw fail(`'${location}' is a link`, "put a copy of the file in its place");
    }
    if (!file.isFile) throw fail(`'${location}' is no file`, "name a file beside the model");
    if (file.size > limit) {
      throw fail(
        `'${location}' has ${grouped(file.size)} bytes, more than the ${grouped(limit)} allowed`,
        "no supported board holds as much",
      );
    }
    try {
      return Deno.readFileSync(join(folder, ...parts));
    } catch {
      throw fail(`'${location}' may not be read`, "change the file's permissions");
    }
  };
}
