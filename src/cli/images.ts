/** Pictures as plain pixels. The decoders are loaded where there is a picture. */
import { BurinError } from "../util/errors.ts";

/** Extensions that are read. */
export const IMAGES: readonly string[] = [".png", ".jpg", ".jpeg"];

/** Eight bits a channel, three channels a pixel, row by row. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/**
 * Decodes a picture; transparency is dropped.
 * @param kind its extension; @param path for messages
 * @throws BurinError `data/image`
 */
export async function decodeImage(file: Uint8Array, kind: string, path: string): Promise<Image> {
  try {
    return kind === ".png" ? await png(file) : await jpeg(file);
  } catch (e) {
    throw new BurinError(
      "data/image",
      `Cannot read ${path} as its picture does not decode (${(e as Error).message})`,
      "open it elsewhere and save it as a PNG of 8 bits a channel",
    );
  }
}

async function png(file: Uint8Array): Promise<Image> {
  const { decode } = await import("fast-png");
  const { width, height, data, channels, depth, palette } = decode(file, { checkCrc: true });
  if (palette ? depth > 8 : depth !== 8) throw new Error(`it has ${depth} bits a channel`);
  const rgb = new Uint8Array(width * height * 3);
  const bits = palette ? depth : 8, rowBytes = Math.ceil(width * bits / 8);
  for (let i = 0; i < width * height; i++) {
    if (palette) {
      const y = Math.floor(i / width), x = i % width, at = x * bits;
      const shift = 8 - bits - at % 8;
      const index = (Number(data[y * rowBytes + (at >> 3)]) >> shift) & ((1 << bits) - 1);
      rgb.set(palette[index].slice(0, 3), i * 3);
    } else {
      for (let c = 0; c < 3; c++) {
        rgb[i * 3 + c] = Number(data[i * channels + (channels < 3 ? 0 : c)]);
      }
    }
  }
  return { width, height, rgb };
}

async function jpeg(file: Uint8Array): Promise<Image> {
  const { default: decoder } = await import("jpeg-js");
  const { width, height, data } = decoder.decode(file, { useTArray: true, formatAsRGBA: false });
  return { width, height, rgb: data };
}
