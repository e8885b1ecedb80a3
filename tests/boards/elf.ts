/** What an image takes of an address space, as readelf says it. */
import assert from "node:assert/strict";

/** A run of addresses: the first one, how many. */
export interface Extent {
  readonly base: number;
  readonly bytes: number;
}

/** A section that takes memory while the program runs. */
export interface PlacedSection extends Extent {
  readonly name: string;
  readonly writable: boolean;
}

/** An image: its sections, what is loaded from where before it runs, its first words, its entry. */
export interface Image {
  readonly sections: readonly PlacedSection[];
  /** Bytes that a programmer writes, at the addresses where it writes them. */
  readonly loaded: readonly Extent[];
  /** Memory that the segments take while the program runs. */
  readonly segments: readonly Extent[];
  readonly entry: number;
}

async function readelf(program: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const hex = (text: string): number => parseInt(text, 16);

/** Reads an ELF file with the named readelf. */
export async function readImage(program: string, file: string): Promise<Image> {
  const text = await readelf(program, ["-W", "-h", "-S", "-l", file]);
  const section =
    /^ *\[ *\d+\] (\S+) +\S+ +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+) [0-9a-f]+ +([A-Za-z]*) +\d/gm;
  const sections = [...text.matchAll(section)]
    .filter(([, , , bytes, flags]) => flags.includes("A") && hex(bytes) > 0)
    .map(([, name, base, bytes, flags]) => ({
      name,
      base: hex(base),
      bytes: hex(bytes),
      writable: flags.includes("W"),
    }));
  const segment = /^ +LOAD +0x[0-9a-f]+ 0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+) /gm;
  const segments = [...text.matchAll(segment)].map((m) => m.slice(1).map(hex));
  const extents = (all: [base: number, bytes: number][]): Extent[] =>
    all.filter(([, bytes]) => bytes > 0).map(([base, bytes]) => ({ base, bytes }));
  const entry = /Entry point address: +0x([0-9a-f]+)/.exec(text);
  assert(entry && sections.length > 0 && segments.length > 0, text);
  return {
    sections,
    loaded: extents(segments.map(([, physical, inFile]) => [physical, inFile])),
    segments: extents(segments.map(([virtual, , , inMemory]) => [virtual, inMemory])),
    entry: hex(entry[1]),
  };
}

/** The first `count` words of a section, little-endian as the processor reads them. */
export async function wordsOf(
  program: string,
  file: string,
  section: string,
  count: number,
): Promise<number[]> {
  const text = await readelf(program, ["-x", section, file]);
  const bytes = [...text.matchAll(/^ +0x[0-9a-f]+ ((?:[0-9a-f]{2,8} ){1,4})/gm)]
    .flatMap(([, row]) => row.replaceAll(" ", "").match(/../g)!.map(hex));
  assert(bytes.length >= 4 * count, text);
  const view = new DataView(Uint8Array.from(bytes).buffer);
  return Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
}
