/** Assembly as data: lines and counted loops, so that the same list is printed and counted. */

/** Lines that run `turns` times. `lr` loops are low-overhead ones and do not nest in each other. */
export interface AsmLoop {
  readonly turns: number;
  readonly body: readonly AsmItem[];
  /** Where the turns are counted: in LR, or in a register of the FPU with the help of a free one. */
  readonly counter: "lr" | { readonly in: string; readonly free: string };
}
export type AsmItem = string | AsmLoop;

/** What a loop adds around its body: before it, and at the end of each turn. */
function frame({ turns, counter }: AsmLoop, label: number): { before: string[]; turn: string[] } {
  if (counter === "lr") {
    return { before: [`movw lr, #${turns}`, "dls lr, lr"], turn: [`le lr, ${label}b`] };
  }
  const { in: kept, free } = counter;
  return {
    before: [`movw ${free}, #${turns}`, `vmov ${kept}, ${free}`],
    turn: [
      `vmov ${free}, ${kept}`,
      `subs ${free}, ${free}, #1`,
      `vmov ${kept}, ${free}`,
      `bne ${label}b`,
    ],
  };
}

/** The lines as they are printed; a loop of one turn is its body. */
export function asmLines(items: readonly AsmItem[], label = 1): string[] {
  return items.flatMap((i) => {
    if (typeof i === "string") return [i];
    const body = asmLines(i.body, label + 1);
    if (i.turns === 1) return body;
    const { before, turn } = frame(i, label);
    return [...before, `${label}:`, ...body, ...turn];
  });
}

/** How many instructions run. */
export function asmCount(items: readonly AsmItem[]): number {
  return items.reduce((sum: number, i) => {
    if (typeof i === "string") return sum + (i.endsWith(":") ? 0 : 1);
    if (i.turns === 1) return sum + asmCount(i.body);
    const { before, turn } = frame(i, 1);
    return sum + before.length + i.turns * (asmCount(i.body) + turn.length);
  }, 0);
}

/** Lines as the text of an `__asm__` statement. */
export const asmText = (items: readonly AsmItem[], indent = "        "): string =>
  asmLines(items).map((l) => `${indent}"${l}\\n"`).join("\n");

/** A register moved by a constant of up to 20 bits. */
export function advance(register: string, by: number): string[] {
  const op = by < 0 ? "sub" : "add", size = Math.abs(by);
  const high = size - size % 4096;
  return [
    ...(high > 0 ? [`${op}.w ${register}, ${register}, #${high}`] : []),
    ...(size > high ? [`${op}w ${register}, ${register}, #${size - high}`] : []),
  ];
}
