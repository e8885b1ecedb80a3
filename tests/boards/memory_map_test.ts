/**
 * Board files against what others say of the boards, and images against board files.
 *
 * figures.json holds, for every board that has real hardware, what its chip has: the ranges of
 * probe-rs's target file (aliases left out, neighbours joined), for RISC-V, for the i.MX RT1062 and
 * for flash that is a chip of its own those of Zephyr's devicetree file or of the vendor's linker
 * script; and how many bytes of the flash a boot loader, a boot header or data take before and
 * behind a program. A board file has to say exactly the rest.
 */
import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { compileLibrary, type Library } from "../../src/run/build.ts";
import { linkFirmware } from "../../src/run/firmware.ts";
import { tinyArtifact } from "../../src/run/tiny_artifact.ts";
import { findToolchain, type Toolchain } from "../../src/run/toolchain.ts";
import { withWorkDir } from "../../src/run/workdir.ts";
import { boardNames, loadBoard } from "../../src/target/boards.ts";
import { type Board, isHost, type Target } from "../../src/target/target.ts";
import { type Extent, readImage, wordsOf } from "./elf.ts";

interface Figures {
  readonly chip: string;
  readonly flash: readonly [string, number];
  readonly reserved?: readonly [before: number, behind: number];
  readonly ram: readonly (readonly [string, number])[];
}

interface BoardFile {
  readonly memory: readonly { kind: string; base: string; bytes: string }[];
  readonly fixed?: readonly { base: string; words: readonly string[] }[];
  readonly machine?: unknown;
  readonly source: string;
}

const read = (path: string) => JSON.parse(Deno.readTextFileSync(new URL(path, import.meta.url)));
const fileOf = (name: string): BoardFile => read(`../../boards/${name}.json`);
const figures: Readonly<Record<string, Figures>> = read("figures.json");

const UNITS: Readonly<Record<string, number>> = { K: 1024, M: 1024 * 1024 };

/** The memories of one kind as the file itself states them, neighbours joined, by address. */
function extents(file: BoardFile, kind: string): Extent[] {
  const all = file.memory.filter((m) => m.kind === kind).map((m) => ({
    base: Number(m.base),
    bytes: Number.parseInt(m.bytes) * (UNITS[m.bytes.at(-1)!] ?? 1),
  })).sort((a, b) => a.base - b.base);
  return all.reduce<Extent[]>((joined, m) => {
    const last = joined.at(-1);
    if (!last || last.base + last.bytes !== m.base) return [...joined, m];
    return [...joined.slice(0, -1), { base: last.base, bytes: last.bytes + m.bytes }];
  }, []);
}

const holds = (outer: Extent, inner: Extent): boolean =>
  outer.base <= inner.base && inner.base + inner.bytes <= outer.base + outer.bytes;

Deno.test("board files: each is what the schema says, as another validator reads it", () => {
  const validate = new Ajv2020({ strict: true, allErrors: true })
    .compile(read("../../boards/board.schema.json"));
  for (const name of boardNames()) {
    assert(validate(fileOf(name)), `${name}: ${JSON.stringify(validate.errors)}`);
  }
  for (
    const change of [
      { source: undefined },
      { colour: "red" },
      { clockHz: "216 MHz" },
      { memory: [{ name: "flash", kind: "flash", base: "134217728", bytes: "1 MB" }] },
      { arduino: "nano33ble" },
    ]
  ) {
    const changed = JSON.parse(JSON.stringify({ ...fileOf("stm32f746"), ...change }));
    assert(!validate(changed), JSON.stringify(change));
  }
});

Deno.test("board files: memories are those of the chip, less what is reserved", () => {
  const real = boardNames().filter((name) => name in figures);
  assert.deepEqual(Object.keys(figures).filter((name) => !real.includes(name)), []);
  assert(real.length >= 30);
  for (const name of real) {
    const { chip, flash: [base, bytes], reserved: [before, behind] = [0, 0], ram } = figures[name];
    const file = fileOf(name);
    assert.deepEqual(
      extents(file, "flash"),
      [{ base: Number(base) + before, bytes: bytes - before - behind }],
      `${name}: flash of ${chip}`,
    );
    const rams = ram.map(([base, bytes]) => ({ base: Number(base), bytes }));
    assert.deepEqual(
      extents(file, "ram"),
      rams.sort((a, b) => a.base - b.base),
      `${name}: RAM of ${chip}`,
    );
    assert.match(file.source, /probe-rs|Zephyr|data sheet|product specification/, name);
    // What boots no image, or locks the chip, where it is missing.
    assert.equal(file.fixed?.length ?? 0, ["rpi_pico2", "frdm_k64f"].includes(name) ? 1 : 0, name);
  }
  // The others are host and the machines of QEMU, which load and execute images in other tests.
  for (const name of boardNames().filter((n) => !(n in figures) && n !== "host")) {
    assert(fileOf(name).machine, `${name} has neither a machine nor figures in tests/boards`);
  }
});

/** Checks one linked image against the board's file. */
async function checkImage(board: Board, readelf: string, path: string): Promise<void> {
  const file = fileOf(board.name);
  const image = await readImage(readelf, path);
  const [flash, ram] = ["flash", "ram"].map((kind) => extents(file, kind));
  for (const s of image.sections) {
    const where = s.writable ? ram : flash;
    const what = `${board.name}: ${s.name} at 0x${s.base.toString(16)}, ${s.bytes} bytes`;
    assert(where.some((m) => holds(m, s)), what);
  }
  for (const name of [".data", ".bss"]) {
    assert(image.sections.some((s) => s.name === name && s.writable), `${board.name}: ${name}`);
  }
  for (const part of image.loaded) {
    assert(flash.some((m) => holds(m, part)), `${board.name}: loaded at ${part.base.toString(16)}`);
  }
  for (const part of image.segments) {
    const what = `${board.name}: segment of ${part.bytes} bytes at 0x${part.base.toString(16)}`;
    assert([...flash, ...ram].some((m) => holds(m, part)), what);
  }
  for (const [i, { base, words }] of (file.fixed ?? []).entries()) {
    const name = `.fixed_${i}`;
    assert.equal(image.sections.find((s) => s.name === name)?.base, Number(base), board.name);
    const there = await wordsOf(readelf, path, name, words.length);
    assert.deepEqual(there, words.map(Number), `${board.name}: ${name}`);
  }
  // Programs go to the first flash and the first RAM of the file.
  const first = (kind: string) => Number(file.memory.find((m) => m.kind === kind)!.base);
  const main = ram.find((m) => holds(m, { base: first("ram"), bytes: 1 }))!;
  assert(image.sections.some((s) => s.base === first("flash")), `${board.name}: flash's start`);
  assert(flash.some((m) => holds(m, { base: image.entry & ~1, bytes: 4 })), board.name);
  if (!board.target.cpu.startsWith("cortex-")) return;
  const vectors = image.sections.find((s) => s.name === ".vectors");
  assert.equal(vectors?.base, first("flash"), `${board.name}: vectors`);
  const [stack, reset] = await wordsOf(readelf, path, ".vectors", 2);
  assert(stack > main.base && stack <= main.base + main.bytes && stack % 8 === 0, board.name);
  assert.equal(reset, image.entry | 1, `${board.name}: reset vector`);
}

/** Gives the library a variable with a value, which starts in flash and lives in RAM. */
const withData = (source: string): string =>
  source
    .replace("#include <string.h>", "#include <string.h>\nstatic volatile uint32_t word = 7u;")
    .replace("memcpy", "word += 1u; memcpy");

Deno.test("boards: an image lies inside the memory map, its vectors at the flash's start", () =>
  withWorkDir(async (folder) => {
    const artifact = tinyArtifact("tiny", withData);
    const libraries = new Map<string, Promise<Library>>();
    const libraryFor = (target: Target, tools: Toolchain): Promise<Library> => {
      const key = target.cflags.join(" ");
      const into = `${folder}/flags${libraries.size}`;
      const compile = async () => {
        Deno.mkdirSync(into);
        const library = await compileLibrary(artifact, target, tools, into);
        return { ...library, include: `${into}/${library.include}` };
      };
      if (!libraries.has(key)) libraries.set(key, compile());
      return libraries.get(key)!;
    };
    const link = async (board: Board) => {
      const tools = await findToolchain(board.target);
      const here = `${folder}/${board.name}`;
      Deno.mkdirSync(here);
      await linkFirmware(artifact, await libraryFor(board.target, tools), board, tools, here, 1024);
      await checkImage(board, tools.readelf, `${here}/firmware.elf`);
    };
    const waiting = boardNames().map(loadBoard).filter((b) => !isHost(b.target));
    const worker = async () => {
      for (let b = waiting.shift(); b; b = waiting.shift()) await link(b);
    };
    await Promise.all([worker(), worker()]);
  }));
