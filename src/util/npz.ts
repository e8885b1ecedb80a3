/** NumPy's .npz: a zip of .npy files, one an array. */
import { unzipSync, zipSync } from "fflate";
import { BurinError } from "./errors.ts";
import { readNpy, writeNpy } from "./npy.ts";
import type { TensorData } from "./tensor.ts";

/** An archive may not grow by more than this when unpacked: a few kilobytes can claim terabytes. */
const LARGEST = 2 ** 31;

/**
 * Reads all arrays of an .npz by name, in the archive's order.
 * @param where name for messages
 * @throws BurinError `data/npz` or `data/npy` where it cannot be read
 */
export function readNpz(file: Uint8Array, where = "the .npz"): Map<string, TensorData> {
  let entries: Record<string, Uint8Array>;
  let total = 0;
  try {
    entries = unzipSync(file, {
      filter: ({ name, originalSize }) => {
        total += originalSize;
        if (total > LARGEST) throw new Error("it unpacks to more than 2 GB");
        return name.endsWith(".npy");
      },
    });
  } catch (e) {
    const why = e instanceof Error ? e.message : String(e);
    throw new BurinError(
      "data/npz",
      `Cannot read ${where} as it is no .npz archive that can be unpacked (${why})`,
      "write it with numpy.savez",
    );
  }
  return new Map(
    Object.entries(entries).map(([name, data]) => {
      const key = name.slice(0, -".npy".length);
      return [key, readNpy(data, `array ${key} of ${where}`)];
    }),
  );
}

/** Writes arrays as an .npz; the same arrays give the same bytes at any time. */
export function writeNpz(arrays: ReadonlyMap<string, TensorData>): Uint8Array {
  const entries: Record<string, Uint8Array> = {};
  for (const [name, t] of arrays) entries[`${name}.npy`] = writeNpy(t);
  // Zip stores local time: the date is built from local fields so that the bytes are the same
  // in every time zone.
  return zipSync(entries, { mtime: new Date(1980, 0, 1) });
}
