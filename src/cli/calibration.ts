/** Samples from what the user names: an .npz, an .npy, an image, or a folder of such files. */
import { extname, join } from "@std/path";
import type { Port } from "../project/mod.ts";
import { type Sample, splitSamples } from "../run/samples.ts";
import { BurinError } from "../util/errors.ts";
import { readNpy } from "../util/npy.ts";
import { readNpz } from "../util/npz.ts";
import { tensor } from "../util/tensor.ts";
import { decodeImage, IMAGES } from "./images.ts";
import { readUserFile, userPath } from "./paths.ts";

/** What a pixel of 0 and one of 255 are in the model's units. */
export type PixelRange = readonly [black: number, white: number];

const EXTENSIONS = [".npz", ".npy", ...IMAGES];

const fail = (path: string, why: string, hint: string): BurinError =>
  new BurinError("data/samples", `Cannot use ${path} as ${why}`, hint);

const isFolder = (path: string): boolean => {
  try {
    return Deno.statSync(userPath(path)).isDirectory;
  } catch {
    return false;
  }
};

/**
 * Reads samples; the files of a folder in the order of their names.
 * @throws BurinError `data/samples`, `data/no-file`, `data/npz`, `data/npy`
 */
export async function readSamples(
  path: string,
  ports: readonly Port[],
  pixels: PixelRange,
): Promise<Sample[]> {
  if (!isFolder(path)) return await readFile(path, ports, pixels);
  const names = [...Deno.readDirSync(userPath(path))]
    .filter((e) => e.isFile && EXTENSIONS.includes(extname(e.name).toLowerCase()))
    .map((e) => e.name).sort();
  if (names.length === 0) {
    throw fail(path, "the folder holds no samples", `files of ${EXTENSIONS.join(", ")} are read`);
  }
  const samples: Sample[] = [];
  for (const name of names) samples.push(...await readFile(join(path, name), ports, pixels));
  return samples;
}

async function readFile(
  path: string,
  ports: readonly Port[],
  pixels: PixelRange,
): Promise<Sample[]> {
  const file = readUserFile(path), kind = extname(path).toLowerCase();
  if (kind === ".npy") {
    if (ports.length > 1) {
      throw fail(
        path,
        `it is one array and the model has ${ports.length} inputs`,
        `give an .npz with in0 … in${ports.length - 1}, or ${ports.map((p) => p.name).join(", ")}`,
      );
    }
    return splitSamples(new Map([["in0", readNpy(file, path)]]), ports, "in", path);
  }
  if (!IMAGES.includes(kind)) return splitSamples(readNpz(file, path), ports, "in", path);
  return [[imageTensor(await decodeImage(file, kind, path), ports, pixels, path)]];
}

/** An image as the model's input, channels first or last, grey or in colours as that has them. */
function imageTensor(
  image: Awaited<ReturnType<typeof decodeImage>>,
  ports: readonly Port[],
  [black, white]: PixelRange,
  path: string,
) {
  const [port] = ports, { width, height, rgb } = image;
  const shape = ports.length === 1 ? port.shape : [];
  const layouts = [[1, 2, 3], [2, 3, 1]].map(([y, x, c]) => ({
    last: c === 3,
    rows: shape[y],
    cols: shape[x],
    channels: shape[c],
  })).filter((l) => l.channels === 3 || l.channels === 1);
  if (layouts.length === 0 || shape.length !== 4 || port.dtype !== "float32") {
    throw fail(path, "the model's input is no image", "give samples as an .npz");
  }
  const layout = layouts.find((l) => l.rows === height && l.cols === width);
  if (layout === undefined) {
    const [{ rows, cols }] = layouts;
    throw fail(
      path,
      `the image has ${width} × ${height} pixels, the model takes ${cols} × ${rows}`,
      "scale the images as the application will",
    );
  }
  const { last, rows, cols, channels } = layout;
  const pixel = (y: number, x: number, c: number): number => {
    const at = (y * width + x) * 3;
    // Luma of ITU-R BT.601, as image libraries convert to grey.
    const v = channels === 3
      ? rgb[at + c]
      : Math.round(0.299 * rgb[at] + 0.587 * rgb[at + 1] + 0.114 * rgb[at + 2]);
    return black + v / 255 * (white - black);
  };
  const values = Array.from({ length: channels * rows * cols }, (_, i) => {
    const [y, x, c] = last
      ? [Math.floor(i / (cols * channels)), Math.floor(i / channels) % cols, i % channels]
      : [Math.floor(i / cols) % rows, i % cols, Math.floor(i / (rows * cols))];
    return pixel(y, x, c);
  });
  return tensor("float32", shape, values);
}
