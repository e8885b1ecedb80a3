/** Figures of a bundle that Kconfig, Twister and the placement of memory are written from. */
import type { Artifact } from "../../codegen/artifact.ts";
import type { Bundle } from "../bundle.ts";
import { moduleNames } from "./names.ts";

/** Working memory that Kconfig places: a model's own, or what all models share. */
export interface PlacedArena {
  /** What its Kconfig symbols begin with: `KWS_ARENA`. */
  readonly symbol: string;
  /** Question in the menu. */
  readonly prompt: string;
  /** For help texts. */
  readonly users: string;
  readonly bytes: number;
  /** Models that run in it. */
  readonly models: readonly string[];
  /** Sources that reserve it, left out where the application provides it. */
  readonly sources: readonly string[];
  /** Macros of the sources that take a section: `KWS_ARENA`, before `_SECTION`. */
  readonly sections: readonly string[];
  /** Name of a section of its own. */
  readonly section: string;
  /** The devicetree's property in /chosen, and the same as a C token. */
  readonly chosen: string;
  readonly token: string;
  /** The function that takes memory of the application. */
  readonly run_in: string;
}

const withMemory = (m: Artifact) => m.regions.filter((r) => r.bytes > 0);

function arena(b: Bundle, stem: string, models: readonly Artifact[]): PlacedArena {
  const { id, module } = moduleNames(b);
  const own = stem === "" ? "arena" : `${stem}_arena`;
  const dashed = own.toLowerCase().replaceAll(/_+/g, "-");
  const shared = b.sharedMemory.length > 0;
  const names = models.map((m) => m.name);
  return {
    symbol: `${id}_${own}`.toUpperCase(),
    prompt: stem === "" ? "Where the arena lies" : `Where the arena of ${stem} lies`,
    users: names.join(", "),
    bytes: shared
      ? b.sharedMemory.reduce((sum, s) => sum + s.bytes, 0)
      : models.reduce((sum, m) => sum + m.arenaBytes, 0),
    models: names,
    sources: [
      ...(shared ? [`src/${b.name}_memory.c`] : []),
      ...names.map((name) => `src/${name}_static.c`),
    ],
    sections: shared
      ? b.sharedMemory.map((s) => s.symbol.toUpperCase())
      : models.flatMap((m) => withMemory(m).map((r) => `${m.name}_${r.name}`.toUpperCase())),
    section: `${id}_${own}`,
    chosen: `${module},${dashed}`,
    token: `${id}_${own.toLowerCase().replaceAll(/_+/g, "_")}`,
    run_in: names.map((name) => `${name}_run_in`).join(", ") +
      (names.length === 1 ? " is" : " are"),
  };
}

/** The arenas of a bundle; a model that stores nothing between kernels has none. */
export function arenasOf(b: Bundle): PlacedArena[] {
  const models = b.models.filter((m) => withMemory(m).length > 0);
  if (models.length === 0) return [];
  if (b.sharedMemory.length > 0) return [arena(b, "", models)];
  return models.map((m) => arena(b, b.models.length === 1 ? "" : m.name, [m]));
}

/** Bytes of inputs and outputs that are the caller's. */
export const bufferBytes = (m: Artifact): number =>
  [...m.inputs, ...m.outputs].filter((p) => p.placement.where === "caller")
    .reduce((sum, p) => sum + Math.max(16, p.bytes), 0);

/** Bytes of golden vectors in flash. */
export const goldenBytes = (b: Bundle): number =>
  b.models.reduce(
    (sum, m) =>
      sum + m.golden.length * [...m.inputs, ...m.outputs].reduce((n, p) => n + p.bytes, 0),
    0,
  );

/**
 * Functions of C99's <math.h> but for sqrt, which Zephyr's minimal C library has, and fabs, which
 * the compiler makes an instruction of.
 */
const LIBM = new RegExp(
  "\\b(a?(cos|sin|tan)h?|atan2|cbrt|ceil|copysign|erfc?|exp[2]?|expm1|fdim|floor|fma|fmax|fmin|fmod|" +
    "frexp|hypot|i?logb|ldexp|lgamma|log(10|1p|2)?|ll?r(int|ound)|modf|nearbyint|nextafter|pow|remainder|rint|" +
    "round|scalbl?n|tgamma|trunc)f?\\(",
);

/** Whether the code calls functions that Zephyr's minimal C library lacks. */
export const needsLibm = (m: Artifact): boolean =>
  [...m.sources.values()].some((s) => s.includes("#include <math.h>") && LIBM.test(s));

/** RAM of an application beside the arena, for the choice of a memory, in bytes. */
const APPLICATION_BYTES = 16 * 1024;

/**
 * The sample's configuration for the board where its main RAM is too small for the arenas and its
 * tightly coupled memory is not; null where no board file is needed.
 */
export function quickMemory(b: Bundle): string | null {
  const coupled = b.board.memory.find((m) => m.name === "dtcm" || m.name === "ccm");
  const others = b.board.memory.filter((m) => m.kind === "ram" && m !== coupled);
  if (coupled === undefined || others.length === 0) return null;
  const main = Math.max(...others.map((m) => m.bytes));
  const arenas = arenasOf(b);
  const bytes = arenas.reduce((sum, a) => sum + a.bytes, 0);
  const buffers = b.models.reduce((sum, m) => sum + 2 * bufferBytes(m), 0);
  if (bytes + buffers + APPLICATION_BYTES <= main || bytes > coupled.bytes) return null;
  return [
    `# The main RAM, ${main} bytes, is too small for the arena and the application.`,
    ...arenas.map((a) => `CONFIG_${a.symbol}_${coupled.name.toUpperCase()}=y`),
  ].join("\n") + "\n";
}
