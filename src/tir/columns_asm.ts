/** The assembly of `columns` (columns.ts) for cores with SMLAD and an FPU. */
import { intRange } from "../util/dtype.ts";
import { WORD_SHIFT } from "../te/rounding.ts";
import type { CVariant } from "./intrinsics.ts";
import {
  blockWords,
  type Columns,
  fixedShift,
  HEAD,
  isOdd,
  isShifted,
  type Result,
  turnOf,
  turnsOf as sharedTurns,
} from "./stream.ts";
import { saturationOf } from "./scalar_c.ts";
import { GROUP, type Tile } from "./tile.ts";

/** Groups of four k that are written out one after the other. */
const WRITTEN_OUT = 16;
/** Groups that stand in the text where there are more: some in front of the loop, some in it. */
const IN_TEXT = 12, IN_SINGLE_ROW = 6;

/** What instructions reach: offsets of LDR and STR, of LDRD and STRD, and a literal of SUBW. */
const REACH = 4095, PAIR_REACH = 1020;

/** How the groups are executed: `first` of them, then `turns` times `body`. */
interface Turns {
  readonly first: number;
  readonly body: number;
  readonly turns: number;
}

/** The fewest instructions within the length of text that is allowed. */
function turnsOf({ groups, rows }: Tile): Turns {
  const most = rows === 1 ? IN_SINGLE_ROW : IN_TEXT;
  if (groups <= WRITTEN_OUT) return { first: groups, body: 0, turns: 0 };
  let best: Turns | null = null;
  for (let body = 1; body < most; body++) {
    const first = groups % body === 0 ? body : groups % body;
    const turns = (groups - first) / body;
    if (first + body <= most && (best === null || turns < best.turns)) {
      best = { first, body, turns };
    }
  }
  return best!;
}

/** Registers by what they hold. r1 is the rows' address, r2 the stream's. */
interface Registers {
  /** [row][start word of the block]. */
  readonly sums: readonly (readonly string[])[];
  /** A word of each row. */
  readonly rows: readonly string[];
  /** Constants, in the order in which they are loaded. */
  readonly constants: readonly string[];
  /** Where results go; null: kept in s15 while a block is summed up, and in r7 behind it. */
  readonly result: string | null;
  /** Counts turns. */
  readonly count: string;
}

/** Words of constants for two k. */
const wordsOfTwo = ({ cols, wide }: Tile): number => wide ? cols : Math.ceil(cols / 2);

/** Whether the constants of a whole group are loaded at once. */
const wholeGroups = (tile: Tile): boolean => !tile.wide || tile.cols === 1;

function registersOf({ tile, bytes }: Columns, loop: boolean): Registers {
  const { rows, cols, pitch } = tile;
  const pool = ["r3", "r4", "r5", "r6", "r8", "r9"];
  const sums = Array.from({ length: rows }, () => pool.splice(0, cols));
  const few = wordsOfTwo(tile) * (wholeGroups(tile) ? 2 : 1) <= 2;
  const count = "r7";
  if (rows === 3) {
    const constants = ["r0", "lr"];
    return { sums, rows: ["r10", "r11", "r12"], constants, result: loop ? null : "r7", count };
  }
  return {
    sums,
    // Two words of a single row follow each other.
    rows: rows === 2 ? ["r8", "r9"] : pitch === 1 ? ["r12", "r0"] : ["r12"],
    constants: few ? ["r10", "r11"] : ["r8", "r9", "r10", "r11"],
    // What is taken from bytes is in its place.
    result: bytes === null ? "lr" : loop ? null : "r7",
    count,
  };
}

/** Loads registers from where another points to, which goes on by `step` bytes. */
const loadWords = (regs: readonly string[], from: string, step = 4 * regs.length): string =>
  regs.length === 1
    ? `ldr ${regs[0]}, [${from}], #${step}`
    : regs.length === 2
    ? `ldrd ${regs[0]}, ${regs[1]}, [${from}], #${step}`
    : `ldmia ${from}!, {${regs.join(", ")}}`;

/** Minus what is taken from bytes, in both halves. */
const MINUS = "lr";

/** One group of four k; the first one of all gives the sums their start. */
function group({ tile, bytes }: Columns, r: Registers, first: boolean): string[] {
  const { rows, cols, pitch, wide } = tile;
  const out: string[] = [];
  const each = wordsOfTwo(tile), whole = wholeGroups(tile);
  const single = rows === 1 && pitch === 1;
  for (let half = 0; half < 2; half++) {
    if (bytes !== null && half === 0) {
      const [x, odd] = r.rows, extend = bytes === "int8" ? "sxtab16" : "uxtab16";
      out.push(
        loadWords([x], "r1"),
        `${extend} ${odd}, ${MINUS}, ${x}, ror #8`,
        `${extend} ${x}, ${MINUS}, ${x}`,
      );
    } else if (!single || half === 0) {
      out.push(loadWords(r.rows, "r1", single ? 8 : 4 * pitch));
    }
    const row = (p: number): string => r.rows[single ? half : p];
    if (whole && half === 0) out.push(loadWords(r.constants.slice(0, 2 * each), "r2"));
    if (!whole) out.push(loadWords(r.constants.slice(0, each), "r2"));
    const own = r.constants.slice(whole ? half * each : 0).slice(0, each);
    const products = (constant: string, c: number): void => {
      // The first row's sum is what the others start at, so it comes last.
      for (let p = rows - 1; p >= 0; p--) {
        const from = r.sums[first && half === 0 ? 0 : p][c];
        out.push(`smlad ${r.sums[p][c]}, ${row(p)}, ${constant}, ${from}`);
      }
    };
    own.forEach((word, i) => products(word, wide ? i : 2 * i));
    if (wide) continue;
    const pairs = own.filter((_, i) => 2 * i + 1 < cols);
    out.push(...pairs.map((word) => `sxtb16 ${word}, ${word}`));
    pairs.forEach((word, i) => products(word, 2 * i + 1));
  }
  return out;
}

/** The instructions in front of the loop over blocks, in it, and behind it. */
interface Text {
  readonly before: readonly string[];
  /** Of a block, up to the loop over groups; that loop; what follows it. */
  readonly start: readonly string[];
  readonly loop: readonly string[];
  readonly end: readonly string[];
  /** What follows for blocks with multipliers; empty where there are none. */
  readonly fixed: readonly string[];
  /** What follows for the others. */
  readonly floats: readonly string[];
  /** What all blocks end with. */
  readonly next: readonly string[];
  readonly after: readonly string[];
  readonly turns: Turns;
  /** Groups of the loop that are not executed. */
  readonly skipped: number;
}

/** Splits a list into pairs. */
const pairsOf = <T>(xs: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(xs.length / 2) }, (_, i) => xs.slice(2 * i, 2 * i + 2));

/** A literal in a register. */
const literal = (reg: string, value: number): string[] =>
  value < 0
    ? [`mvn ${reg}, #${-value - 1}`]
    : value > 0xffff
    ? [`movw ${reg}, #${value & 0xffff}`, `movt ${reg}, #${value >>> 16}`]
    : [`movw ${reg}, #${value}`];

/** Any literal in a register. */
const wide32 = (reg: string, value: number): string[] =>
  value >= 0 ? literal(reg, value) : [`movw ${reg}, #${value & 0xffff}`, `movt ${reg}, #65535`];

type Bytes = Extract<Result, { k: "bytes" }>;

/**
 * Saturates registers with a rounded value each and stores them, columns of one row at a time.
 *
 * @param rounded whether they are saturated already
 */
function storeBytes(
  f: Columns,
  result: Bytes,
  values: readonly (readonly string[])[],
  y: string,
  zero: string,
  pitch: string,
  rounded = false,
): string[] {
  const { cols } = f.tile;
  const out: string[] = [];
  const own = intRange(result.dtype);
  const shifted = isShifted(result) && !rounded;
  const finish = (v: string): void => {
    if (rounded) return;
    if (shifted) return void out.push(`usat ${v}, #8, ${v}`);
    if (result.zero !== 0 || f.shared) out.push(`qadd ${v}, ${v}, ${zero}`);
    const whole = saturationOf(result.lo, result.hi);
    if (whole) return void out.push(`${whole.instruction} ${v}, #${whole.bits}, ${v}`);
    out.push(`${result.dtype === "int8" ? "ssat" : "usat"} ${v}, #8, ${v}`);
    if (result.lo !== own.min) {
      out.push(`cmp ${v}, #${result.lo}`, "it lt", `movlt ${v}, #${result.lo}`);
    }
    if (result.hi !== own.max) {
      out.push(`cmp ${v}, #${result.hi}`, "it gt", `movgt ${v}, #${result.hi}`);
    }
  };
  const flip = (v: string): void => {
    if (shifted) out.push(`eor ${v}, ${v}, #0x80808080`);
  };
  const step = cols * f.colStep;
  const last = step <= 255;
  for (let p = f.tile.rows - 1; p >= 0; p--) {
    const parts = f.colStep === 1 ? pairsOf(values[p]) : values[p].map((v) => [v]);
    for (let i = parts.length - 1; i >= 0; i--) {
      const [e, o] = parts[i];
      finish(e);
      if (o !== undefined) {
        finish(o);
        out.push(`bfi ${e}, ${o}, #8, #8`);
      }
      flip(e);
      const at = p * f.rowStep + i * (f.colStep === 1 ? 2 : f.colStep);
      const where = p === 0 && i === 0 && last
        ? `[${y}], #${step}`
        : p > 0 && f.shared
        ? `[${y}, ${pitch}${p === 2 ? ", lsl #1" : ""}]`
        : `[${y}, #${at}]`;
      out.push(`${o === undefined ? "strb" : "strh"} ${e}, ${where}`);
    }
  }
  return last ? out : [...out, `add ${y}, ${y}, #${step}`];
}

/** What fixed-point products start with. */
const offsetOf = ({ zero }: Bytes): number => zero * 2 ** WORD_SHIFT + 2 ** (WORD_SHIFT - 1);

/** Sums times the multipliers in registers, the bits behind the point shifted out, saturated. */
function fixedValues(
  { tile }: Columns,
  result: Bytes,
  values: readonly (readonly string[])[],
  words: readonly string[],
  offset: string,
): string[] {
  const out: string[] = [];
  for (const odd of [false, true]) {
    const own = words.flatMap((_, c) => isOdd(tile, c) === odd ? [c] : []);
    if (own.length === 0) continue;
    if (odd) out.push(`lsl ${offset}, ${offset}, #8`);
    const each = own.flatMap((c) => values.map((row) => [row[c], c] as const));
    const { instruction, bits } = saturationOf(result.lo, result.hi)!;
    out.push(
      ...each.map(([v, c]) => `smmls ${v}, ${v}, ${words[c]}, ${offset}`),
      ...each.map(([v, c]) => `${instruction} ${v}, #${bits}, ${v}, asr #${fixedShift(tile, c)}`),
    );
  }
  return out;
}

/** Stores sums as they are. */
function storeSums(
  f: Columns,
  sums: readonly (readonly string[])[],
  y: string,
  [pitch, at]: readonly [string, string],
): string[] {
  const out: string[] = [];
  const { rows, cols } = f.tile, step = 4 * cols * f.colStep;
  for (let p = 0; p < rows; p++) {
    const far = f.shared && p > 0;
    if (far) out.push(`add ${at}, ${p === 1 ? y : at}, ${pitch}`);
    for (let c = 0; c < cols;) {
      const offset = 4 * ((far ? 0 : p * f.rowStep) + c * f.colStep);
      const two = f.colStep === 1 && c + 1 < cols && offset <= PAIR_REACH;
      const to = `[${far ? at : y}, #${offset}]`;
      out.push(
        two ? `strd ${sums[p][c]}, ${sums[p][c + 1]}, ${to}` : `str ${sums[p][c]}, ${to}`,
      );
      c += two ? 2 : 1;
    }
  }
  return [...out, `add ${y}, ${y}, #${step}`];
}

/** Whether every result is in reach of the first one. */
export const columnsFit = (
  { tile: { rows, cols }, rowStep, colStep, result, shared }: Columns,
): boolean =>
  rowStep >= 0 && colStep > 0 &&
  (shared ||
    ((rows - 1) * rowStep + (cols - 1) * colStep) * (result.k === "sums" ? 4 : 1) <= REACH);

function textOf(f: Columns): Text {
  const { tile, result, blocks, shared } = f;
  const { cols, groups, pitch, wide } = tile;
  const loop = shared || groups > WRITTEN_OUT;
  const turns = shared
    ? { first: 1, body: turnOf(tile), turns: sharedTurns(tile).turns }
    : turnsOf(tile);
  const r = registersOf(f, loop);
  const usesR7 = loop || r.result === "r7";
  const w = blockWords(f), bytes = 4 * (w.starts + w.constants + w.scales) * blocks;
  const rowBytes = (f.bytes === null ? 2 : 1) * GROUP * groups * pitch;
  const near = !shared && rowBytes <= REACH;
  const y = r.result ?? "r7";
  const moved = result.k === "bytes" && !isShifted(result);
  const zero = moved && !shared ? result.zero : 0;
  const spare = r.rows[0];
  const fixes = result.k === "bytes" && f.fixed !== null;
  const body = Array.from({ length: turns.body }, () => group(f, r, false)).flat();
  const begin = [
    ...(f.bytes === null ? [] : [`mov ${MINUS}, r3`]),
    ...(usesR7 ? ["vmov s12, r7"] : []),
    r.result === null ? "vmov s15, r0" : `mov ${r.result}, r0`,
    ...(fixes && !moved ? [...wide32("r3", offsetOf(result)), "vmov s14, r3"] : []),
    ...(near ? [] : ["vmov s11, r1"]),
  ];
  const before = shared
    ? [
      ...begin,
      "ldmia r2!, {r3, r4, r5, r6, r8}",
      "add r6, r6, r2",
      "vmov s13, r6",
      "vmov s10, r5",
      ...(tile.rows > 1 ? ["vmov s9, r3"] : []),
      ...(moved ? ["vmov s14, r8"] : []),
      // Where the loop is entered.
      `mov r5, #${4 * body.length / turnOf(tile)}`,
      "mul r4, r4, r5",
      "adr.w r5, 2f",
      "add r4, r4, r5",
      "vmov s8, r4",
    ]
    : [
      ...begin,
      ...(blocks > 1 ? [...literal("r3", bytes), "add r3, r3, r2", "vmov s13, r3"] : []),
      ...(zero === 0 ? [] : [...literal("r3", zero), "vmov s14, r3"]),
    ];
  const start = [
    loadWords(r.sums[0], "r2"),
    ...Array.from({ length: turns.first }, (_, i) => group(f, r, i === 0)).flat(),
    ...(shared
      ? [`vmov ${r.count}, s10`, `vmov ${spare}, s8`, `mov pc, ${spare}`]
      : loop
      ? [`mov ${r.count}, #${turns.turns}`]
      : []),
  ];
  const end: string[] = [];
  if (r.result === null) end.push("vmov r7, s15");
  const odd = (c: number) => !wide && c % 2 === 1;
  // T of a pair comes first: T − U takes the second column's place.
  const values = r.sums.map((row) => {
    const v = [...row];
    for (let c = 1; c < cols; c++) {
      if (!odd(c)) continue;
      end.push(`sub ${row[c - 1]}, ${row[c - 1]}, ${row[c]}`);
      if (result.k === "sums") end.push(`asr ${row[c - 1]}, ${row[c - 1]}, #8`);
      [v[c - 1], v[c]] = [row[c], row[c - 1]];
    }
    return v;
  });
  if (shared && tile.rows > 1) end.push(`vmov ${r.rows[1]}, s9`);
  const fixed: string[] = [], floats: string[] = [];
  if (result.k === "sums") end.push(...storeSums(f, values, y, [r.rows[1], spare]));
  else {
    if (fixes) {
      const words = r.constants.slice(0, cols);
      end.push(loadWords(words, "r2"), `cmp ${words[0]}, #0`, "bge 3f");
      floats.push(`sub r2, r2, #${4 * cols}`);
      fixed.push(
        ...(!moved ? [`vmov ${spare}, s14`] : shared
          ? [
            `vmov ${spare}, s14`,
            `lsl ${spare}, ${spare}, #${WORD_SHIFT}`,
            `add ${spare}, ${spare}, #${2 ** (WORD_SHIFT - 1)}`,
          ]
          : wide32(spare, offsetOf(result))),
        ...fixedValues(f, result, values, words, spare),
        ...storeBytes(f, result, values, y, spare, r.rows[1], true),
      );
    }
    const all = values.flat();
    const s = (i: number) => `s${cols + i}`;
    floats.push(
      cols === 1 ? "vldmia r2!, {s0}" : `vldmia r2!, {s0-s${cols - 1}}`,
      ...pairsOf(all).map(([a, b], i) =>
        b === undefined ? `vmov ${s(2 * i)}, ${a}` : `vmov ${s(2 * i)}, ${s(2 * i + 1)}, ${a}, ${b}`
      ),
      ...all.map((_, i) => `vcvt.f32.s32 ${s(i)}, ${s(i)}`),
      ...all.map((_, i) => `vmul.f32 ${s(i)}, ${s(i)}, s${i % cols}`),
      ...all.map((_, i) => `vcvtr.s32.f32 ${s(i)}, ${s(i)}`),
      ...pairsOf(all).map(([a, b], i) =>
        b === undefined ? `vmov ${a}, ${s(2 * i)}` : `vmov ${a}, ${b}, ${s(2 * i)}, ${s(2 * i + 1)}`
      ),
      ...(zero === 0 && !(moved && shared) ? [] : [`vmov ${spare}, s14`]),
      ...storeBytes(f, result, values, y, spare, r.rows[1]),
    );
  }
  const next: string[] = [];
  const back = near ? `sub r1, r1, #${rowBytes}` : "vmov r1, s11";
  if (blocks > 1 || shared) {
    if (r.result === null) next.push("vmov s15, r7");
    next.push(back, `vmov ${spare}, s13`, `cmp r2, ${spare}`, "bne 1b");
  }
  const skipped = shared ? sharedTurns(tile).skipped : 0;
  const after = usesR7 ? ["vmov r7, s12"] : [];
  return { before, start, loop: body, end, fixed, floats, next, after, turns, skipped };
}

/** Instructions of a call: the texts as often as they are executed, and the call itself. */
export function columnsInstructions(f: Columns): number {
  const t = textOf(f);
  const left = t.skipped * t.loop.length / (t.turns.body || 1);
  const share = f.fixed ?? 0;
  const back = t.fixed.length > 0 ? 1 : 0;
  const results = share * t.fixed.length + (1 - share) * (t.floats.length + back);
  const end = t.end.length + results + t.next.length;
  const block = t.start.length + t.turns.turns * (t.loop.length + 2) - left + end;
  return t.before.length + f.blocks * block + t.after.length + 5;
}

/** The lines of a call by how often they are executed. */
export function columnsExecuted(f: Columns): CVariant["executed"] {
  const t = textOf(f), groups = t.turns.turns - t.skipped / (t.turns.body || 1);
  return [
    { lines: [...t.before, ...t.after], times: 1 },
    { lines: [...t.start, ...t.end, ...t.next], times: f.blocks },
    { lines: t.fixed, times: f.blocks * (f.fixed ?? 0) },
    { lines: t.floats, times: f.blocks * (1 - (f.fixed ?? 0)) },
    { lines: t.loop, times: f.blocks * groups },
    { lines: ["subs r7, r7, #1", "bne 2b"], times: f.blocks * t.turns.turns },
  ];
}

/** Registers that the text may use beside its operands. */
const CLOBBERED = ["r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr"];

/** The body of the C function. */
export function columnsAssembly(f: Columns): string {
  const t = textOf(f);
  const lines = [
    ...t.before,
    ...(f.blocks > 1 || f.shared ? ["1:"] : []),
    ...t.start,
    ...(t.turns.turns > 0 ? ["2:", ...t.loop, "subs r7, r7, #1", "bne 2b"] : []),
    ...t.end,
    ...(t.fixed.length > 0 ? [...t.fixed, "4:"] : t.floats),
    ...t.next,
    ...t.after,
    ...(t.fixed.length > 0 ? ["b 5f", "3:", ...t.floats, "b 4b", "5:"] : []),
  ];
  const type = f.result.k === "sums" ? "int32" : f.result.dtype;
  const text = lines.join("\n");
  // r7 may be the frame's pointer: it is kept in a register of the FPU.
  const named = [...(f.bytes === null ? ["r3"] : []), ...CLOBBERED]
    .filter((r) => new RegExp(`\\b${r}\\b`).test(text));
  const floats = Array.from({ length: 16 }, (_, i) => `s${i}`)
    .filter((s) => new RegExp(`\\b${s}\\b`).test(text) || inRange(s, text));
  const clobbers = [...named, ...floats, "cc", "memory"].map((c) => `"${c}"`);
  return `{
    register ${type}_t *result __asm__("r0") = y;
    register const ${f.bytes ?? "int16"}_t *rows __asm__("r1") = a;
    register const int32_t *stream __asm__("r2") = w${f.shared ? "" : ` + ${HEAD}`};${
    f.bytes === null ? "" : `
    register uint32_t minus __asm__("r3") = ((uint32_t)-from & 0xffffu) | ((uint32_t)-from << 16);`
  }

    __asm__ volatile(
${lines.map((l) => `        "${l}\\n"`).join("\n")}
        : "+r"(result), "+r"(rows), "+r"(stream)${f.bytes === null ? "" : ', "+r"(minus)'}
        :
        : ${clobbers.join(", ")});
}`;
}

/** Whether a list of registers such as {s0-s3} holds one. */
function inRange(s: string, text: string): boolean {
  const n = Number(s.slice(1));
  return [...text.matchAll(/\{s(\d+)-s(\d+)\}/g)].some(([, a, b]) =>
    n >= Number(a) && n <= Number(b)
  );
}
