/** Inline assembly as a list of instructions and loops: its text, and how many instructions it executes. */

/** An instruction, or what is executed several times. */
export type Code = readonly (string | Loop)[];
export interface Loop {
  readonly times: number;
  readonly label: number;
  readonly body: Code;
}

/** The lines of the text; a loop's own branch is the last instruction of its body. */
export const textOf = (code: Code): string[] =>
  code.flatMap((c) => typeof c === "string" ? [c] : [`${c.label}:`, ...textOf(c.body)]);

/** Instructions executed; IT is none of its own in the counts, labels are none. */
export const executed = (code: Code): number =>
  code.reduce(
    (sum, c) =>
      sum + (typeof c !== "string" ? c.times * executed(c.body) : c.endsWith(":") ? 0 : 1),
    0,
  );

/** As the lines of an `__asm__` statement. */
export const quoted = (code: Code): string =>
  textOf(code).map((l) => `        "${l}\\n"`).join("\n");

/** The largest literal of ADD, SUB and of offsets of LDR and STR. */
export const REACH = 4095;

/** reg += value; a value out of reach goes through a free register. */
export function addLiteral(reg: string, value: number, free: string): string[] {
  const n = Math.abs(value), op = value < 0 ? "sub" : "add";
  if (n === 0) return [];
  return n <= REACH
    ? [`${op} ${reg}, ${reg}, #${n}`]
    : [...literal(free, n), `${op} ${reg}, ${reg}, ${free}`];
}

/** A literal of up to 32 bits in a register. */
export const literal = (reg: string, n: number): string[] =>
  n < 2 ** 16
    ? [`movw ${reg}, #${n}`]
    : [`movw ${reg}, #${n % 2 ** 16}`, `movt ${reg}, #${Math.floor(n / 2 ** 16)}`];
