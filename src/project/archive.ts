/** A project as one file: a tar that is the same bytes wherever and whenever it is made. */
import { packTar, unpackTar } from "modern-tar";
import { BurinError } from "../util/errors.ts";
import type { ProjectFiles } from "./bundle.ts";
import { DIGESTS_FILE } from "./common.ts";

/** An archive may not unpack to more than this. */
const LARGEST = 2 ** 30;

const encoder = new TextEncoder();

/**
 * Packs files in order of their paths, all owned by nobody in particular and of no date.
 * @param folder the folder that they unpack into
 */
export function packProject(files: ProjectFiles, folder: string): Promise<Uint8Array> {
  const paths = [...files.keys()].sort();
  return packTar(paths.map((path) => {
    const contents = files.get(path)!;
    const body = typeof contents === "string" ? encoder.encode(contents) : contents;
    const name = `${folder}/${path}`;
    const header = { name, size: body.length, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 };
    return { header, body };
  }));
}

/** Whether a file is an archive of a project: a tar with a list of digests in it. */
export function isArchive(file: Uint8Array): boolean {
  const text = (from: number, to: number) => new TextDecoder().decode(file.subarray(from, to));
  if (text(257, 262) !== "ustar") return false;
  for (let header = 0; header < file.length; header += 512) {
    if (text(header, header + 100).split("\0")[0].endsWith(`/${DIGESTS_FILE}`)) return true;
  }
  return false;
}

/**
 * The files of an archive by their path below its one folder.
 * @param where the archive, for messages
 * @throws BurinError `data/archive`
 */
export async function unpackProject(
  archive: Uint8Array,
  where: string,
): Promise<Map<string, Uint8Array>> {
  const fail = (why: string) =>
    new BurinError(
      "data/archive",
      `Cannot read ${where} as ${why}`,
      "name a .tar that deno task compile MODEL.onnx --out NAME.tar wrote",
    );
  if (archive.length > LARGEST) throw fail("it is larger than 1 GB");
  let entries: Awaited<ReturnType<typeof unpackTar>>;
  try {
    entries = await unpackTar(archive, { strict: true });
  } catch (e) {
    throw fail(`it is no tar archive (${(e as Error).message})`);
  }
  const files = new Map<string, Uint8Array>();
  for (const { header, data } of entries) {
    if (header.type === "directory") continue;
    const [, path] = /^[^/]+\/(.+)$/.exec(header.name) ?? [];
    if (header.type !== "file" || !data || path === undefined || files.has(path)) {
      throw fail(`its entry ${JSON.stringify(header.name)} is not one that Burin writes`);
    }
    files.set(path, data);
  }
  if (files.size === 0) throw fail("it holds no files");
  return files;
}
