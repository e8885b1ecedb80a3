/** Samples: from the arrays of an .npz to one set of inputs a run, and to the bytes of a file. */
import type { Port } from "../project/mod.ts";
import { BurinError } from "../util/errors.ts";
import { didYouMean } from "../util/near.ts";
import { allocate, bytes, sizeOf, tensor, type TensorData } from "../util/tensor.ts";
import { arrayOver } from "../util/tensor.ts";

/** Values of all inputs (or outputs) of one run, in graph order. */
export type Sample = readonly TensorData[];

const shapeText = (shape: readonly (number | string)[]) => `[${shape.join(",")}]`;

function slice(t: TensorData, shape: readonly number[], index: number): TensorData {
  const size = sizeOf(shape);
  return { dtype: t.dtype, shape, data: t.data.slice(index * size, (index + 1) * size) };
}

/** How many samples an array holds for a port; null where its shape does not fit. */
function countSamples(array: readonly number[], port: readonly number[]): number | null {
  const same = (a: readonly number[], b: readonly number[]) =>
    a.length === b.length && a.every((n, i) => n === b[i]);
  if (same(array, port)) return 1;
  if (same(array.slice(1), port)) return array[0];
  const batch = port[0];
  const multiple = array.length === port.length && array.length > 0 && batch > 0 &&
    array[0] % batch === 0 && same(array.slice(1), port.slice(1));
  return multiple ? array[0] / batch : null;
}

/**
 * Splits arrays into samples. An array is named `in0`, `out1` … or as the graph names the tensor;
 * one axis more than the tensor, or a first axis that is a multiple of its own, is a batch.
 * @param prefix `in` or `out`; @param where the file, for messages
 * @throws BurinError `data/samples` where an array is absent or does not fit
 */
export function splitSamples(
  arrays: ReadonlyMap<string, TensorData>,
  ports: readonly Port[],
  prefix: "in" | "out",
  where: string,
): Sample[] {
  const fail = (why: string, hint?: string): never => {
    throw new BurinError("data/samples", `Cannot use ${where} as ${why}`, hint);
  };
  const perPort = ports.map((port, i) => {
    const array = arrays.get(`${prefix}${i}`) ?? arrays.get(port.name) ?? arrays.get(port.cName);
    if (!array) {
      const names = [...arrays.keys()];
      return fail(
        `it has no array ${prefix}${i} (${port.name})`,
        didYouMean(port.name, names) ?? `its arrays are ${names.join(", ") || "none"}`,
      );
    }
    if (array.dtype !== port.dtype) {
      return fail(
        `array ${prefix}${i} (${port.name}) is ${array.dtype}, not ${port.dtype}`,
        `convert it, in numpy by array.astype("${port.dtype}")`,
      );
    }
    const count = countSamples(array.shape, port.shape);
    if (count === null) {
      return fail(
        `array ${prefix}${i} (${port.name}) has shape ${shapeText(array.shape)}, not ${
          shapeText(port.shape)
        }`,
        `give one sample as ${shapeText(port.shape)}, N of them as ${
          shapeText(["N", ...port.shape])
        }`,
      );
    }
    return Array.from({ length: count }, (_, s) => slice(array, port.shape, s));
  });
  const counts = perPort.map((samples) => samples.length);
  const other = counts.findIndex((count) => count !== counts[0]);
  if (other > 0) {
    fail(
      `array ${prefix}0 (${ports[0].name}) holds ${counts[0]} samples and ` +
        `${prefix}${other} (${ports[other].name}) ${counts[other]}`,
      "give every sample its part in each array",
    );
  }
  return Array.from({ length: counts[0] ?? 0 }, (_, s) => perPort.map((samples) => samples[s]));
}

/** Joins samples to arrays `in0` … or `out0` …, the sample axis first. */
export function joinSamples(
  samples: readonly Sample[],
  ports: readonly Port[],
  prefix: "in" | "out",
): Map<string, TensorData> {
  return new Map(ports.map((port, i) => {
    const data = allocate(port.dtype, samples.length * sizeOf(port.shape));
    samples.forEach((s, n) => data.set(s[i].data as never, n * sizeOf(port.shape)));
    const shape = [samples.length, ...port.shape];
    return [`${prefix}${i}`, { dtype: port.dtype, shape, data }];
  }));
}

/** A made-up sample, the same each time for a seed: for counting instructions without data. */
export function madeUpSample(ports: readonly Port[], seed = 1): Sample {
  let state = seed;
  const next = () => (state = Math.imul(state, 1664525) + 1013904223 >>> 0) / 2 ** 32;
  return ports.map(({ dtype, shape }) => {
    const values = Array.from({ length: sizeOf(shape) }, () => {
      if (dtype.startsWith("float")) return dtype === "float16" ? 0 : next() * 2 - 1;
      if (dtype === "bool") return Math.round(next());
      return Math.floor(next() * 128);
    });
    return tensor(dtype, shape, values);
  });
}

/** The samples one after another, as the harness reads them. */
export function packSamples(samples: readonly Sample[]): Uint8Array {
  const parts = samples.flat().map(bytes);
  const out = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Reads what the harness wrote: the outputs of sample after sample. */
export function unpackSamples(file: Uint8Array, ports: readonly Port[], count: number): Sample[] {
  let at = 0;
  return Array.from({ length: count }, () =>
    ports.map((port) => {
      const raw = file.slice(at, at += port.bytes);
      const data = arrayOver(port.dtype, raw.buffer, 0, sizeOf(port.shape));
      return { dtype: port.dtype, shape: port.shape, data };
    }));
}
