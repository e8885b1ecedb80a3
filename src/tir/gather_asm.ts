/** The assembly of `gather` (gather.ts): two neighbours a word, several words at once. */
import { addLiteral, type Code, literal, quoted, REACH } from "./asm.ts";
import type { Gather } from "./gather.ts";

/** Registers of first and second neighbours. */
const FIRST = ["r4", "r5", "r6", "r8"], SECOND = ["r9", "r10", "r11", "r12"];
/** Elements that are in registers at once. */
const AT_ONCE = 2 * FIRST.length;
/** Elements that the text of a turn copies at most. */
const WRITTEN = 32;
/** Turns from which on several rows a turn are worth their text. */
const TURNS = 5;
/** What post-indexed accesses reach. */
const POST_REACH = 255;

/** Writes a run of elements that begins at an offset; the last store moves the pointer on by `skip` bytes more. */
function run(g: Gather, from: number, count: number, lead: number, skip: number): string[] {
  const step = g.steps[1], extend = g.x === "int8" ? "ldrsb" : "ldrb";
  const out: string[] = [];
  const load = (reg: string, j: number) =>
    out.push(`${extend} ${reg}, [%[src], #${from + j * step}]`);
  const one = (j: number, on: number): void => {
    load("r4", j);
    out.push(`strh r4, [%[dst]], #${2 + on}`);
  };
  /** How far the store of the elements up to j goes on behind its own. */
  const on = (j: number): number => j === count && skip <= POST_REACH - 4 ? skip : 0;
  let j = 0;
  if (lead === 1 && count > 0) {
    one(0, on(1));
    j = 1;
  }
  while (count - j >= 2) {
    const words = Math.min(FIRST.length, count - j >> 1), regs = FIRST.slice(0, words);
    regs.forEach((first, i) => {
      load(first, j + 2 * i);
      load(SECOND[i], j + 2 * i + 1);
    });
    regs.forEach((first, i) => out.push(`pkhbt ${first}, ${first}, ${SECOND[i]}, lsl #16`));
    j += 2 * words;
    const by = on(j);
    // A store of two words and a step take as long as two stores of which the last goes on.
    if (words === 1 || (words === 2 && by > 0)) {
      regs.forEach((r, i) => out.push(`str ${r}, [%[dst]], #${i === words - 1 ? 4 + by : 4}`));
    } else {
      out.push(`stmia %[dst]!, {${regs.join(", ")}}`, ...addLiteral("%[dst]", by, "r4"));
    }
  }
  if (j < count) one(j, on(count));
  if (skip > POST_REACH - 4) out.push(...addLiteral("%[dst]", skip, "r4"));
  return out;
}

/** The largest number of rows of a turn that divides them and whose text is short, and worth its length. */
function rowsOfTurn(g: Gather): number {
  const short = (n: number) => n === g.rows ? 2 * n * g.cols <= WRITTEN : g.rows >= TURNS * n;
  const fits = (n: number) =>
    g.rows % n === 0 && n * g.cols <= WRITTEN && short(n) &&
    (n - 1) * g.steps[0] + (g.cols - 1) * g.steps[1] <= REACH;
  for (let n = Math.min(g.rows, WRITTEN); n > 1; n--) if (fits(n)) return n;
  return 1;
}

/** `count` in a register. */
const counted = (reg: string, count: number): string[] =>
  count <= 255 ? [`mov ${reg}, #${count}`] : literal(reg, count);

/** The instructions; null where nothing is known of the address, or offsets do not reach. */
export function gatherCode(g: Gather): Code | null {
  const { rows, cols, pitch, steps: [down, step], lead } = g;
  if (lead === null || (rows > 1 && pitch % 2 !== 0) || (AT_ONCE - 1) * step > REACH) return null;
  const skip = rows > 1 ? 2 * (pitch - cols) : 0;
  if (cols <= WRITTEN && (cols - 1) * step <= REACH) {
    const each = rowsOfTurn(g), turns = rows / each;
    const body = Array.from({ length: each }, (_, i) => run(g, i * down, cols, lead, skip)).flat();
    return inTurns(turns, [
      ...body,
      ...(turns > 1 ? addLiteral("%[src]", each * down, "r4") : []),
    ]);
  }
  const main = cols - lead, most = 2 * AT_ONCE;
  const turn = main >= 2 * most && (most - 1) * step <= REACH ? most : AT_ONCE;
  const turns = Math.floor(main / turn), rest = main % turn;
  const row: Code = [
    ...(lead === 1 ? [...run(g, 0, 1, 1, 0), ...addLiteral("%[src]", step, "r4")] : []),
    ...counted("%[n]", turns),
    {
      label: 1,
      times: turns,
      body: [
        ...run(g, 0, turn, 0, 0),
        ...addLiteral("%[src]", turn * step, "r4"),
        "subs %[n], %[n], #1",
        "bne 1b",
      ],
    },
    ...run(g, 0, rest, 0, skip),
    ...(rows > 1 ? addLiteral("%[src]", down - (lead + turns * turn) * step, "r4") : []),
  ];
  return inTurns(rows, row);
}

/** A text several times. */
const inTurns = (turns: number, body: Code): Code =>
  turns === 1 ? body : [
    ...counted("%[m]", turns),
    { label: 2, times: turns, body: [...body, "subs %[m], %[m], #1", "bne 2b"] },
  ];

/** The body of the C function. */
export function gatherAssembly(code: Code): string {
  const text = quoted(code);
  const counters = ["m", "n"].filter((c) => text.includes(`%[${c}]`));
  const used = [...FIRST, ...SECOND].filter((r) => new RegExp(`\\b${r}\\b`).test(text));
  const declared = counters.length > 0 ? `    uint32_t ${counters.join(", ")};\n\n` : "";
  return `{
${declared}    __asm__ volatile(
${text}
        : ${
    ['[dst] "+r"(dst)', '[src] "+r"(src)', ...counters.map((c) => `[${c}] "=&r"(${c})`)]
      .join(", ")
  }
        :
        : ${[...used, "cc", "memory"].map((r) => `"${r}"`).join(", ")});
}`;
}
