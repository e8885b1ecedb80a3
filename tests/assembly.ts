/**
 * Inline assembly of generated C, read as a compiler reads it: instructions, operands, clobbers; and
 * what it does that its operand lists do not say. A compiler believes these lists without a look.
 */

/** One operand of a statement. */
interface Operand {
  /** `%[name]`, or `%0` by position. */
  readonly name: string;
  readonly constraint: string;
  readonly value: string;
}

/** One `__asm__` statement. */
export interface Assembly {
  readonly volatile: boolean;
  readonly lines: readonly string[];
  readonly outputs: readonly Operand[];
  readonly inputs: readonly Operand[];
  readonly clobbers: readonly string[];
  /** Registers that variables of the function are bound to, by the variable's name. */
  readonly bound: ReadonlyMap<string, string>;
}

/** The text up to the bracket that closes the one before `from`, texts in quotes left alone. */
function closing(text: string, from: number): number {
  let depth = 1, quoted = false;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '"' && text[i - 1] !== "\\") quoted = !quoted;
    if (quoted) continue;
    if (text[i] === "(") depth++;
    if (text[i] === ")" && --depth === 0) return i;
  }
  throw new Error("a bracket is open");
}

/** Splits at a character that stands in no brackets and no quotes. */
function split(text: string, at: string): string[] {
  const parts = [""];
  let depth = 0, quoted = false;
  for (const [i, c] of [...text].entries()) {
    if (c === '"' && text[i - 1] !== "\\") quoted = !quoted;
    if (!quoted && "([".includes(c)) depth++;
    if (!quoted && ")]".includes(c)) depth--;
    if (c === at && depth === 0 && !quoted) parts.push("");
    else parts[parts.length - 1] += c;
  }
  return parts;
}

const operandsOf = (text: string, first: number): Operand[] =>
  split(text, ",").filter((o) => o.trim() !== "").map((o, i) => {
    const [, name, constraint, value] = /^\s*(?:\[(\w+)\]\s*)?"([^"]*)"\s*\(([^]*)\)\s*$/.exec(o)!;
    return { name: name ?? `${first + i}`, constraint, value };
  });

/** All statements of a C source. */
export function assemblies(source: string): Assembly[] {
  return [...source.matchAll(/__asm__( volatile)?\(\s*(?=")/g)].filter(({ index }) =>
    // `register int32_t x __asm__("r0")` names a register and is no statement.
    !/\w\s$/.test(source.slice(0, index)) || /\n\s*$/.test(source.slice(0, index))
  ).map((m) => {
    const from = m.index + m[0].length, to = closing(source, from);
    const [text, outputs = "", inputs = "", clobbers = ""] = split(source.slice(from, to), ":");
    const lines = [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, t]) => t).join("")
      .split(/\\n(?:\\t)?|;/).map((l) => l.trim()).filter((l) => l !== "");
    const out = operandsOf(outputs, 0);
    const head = source.slice(source.lastIndexOf("\n{", m.index), m.index);
    return {
      volatile: m[1] !== undefined,
      lines,
      outputs: out,
      inputs: operandsOf(inputs, out.length),
      clobbers: [...clobbers.matchAll(/"(\w+)"/g)].map(([, c]) => c),
      bound: new Map(
        [...head.matchAll(/(\w+) __asm__\("(\w+)"\)/g)].map(([, name, r]) => [name, r]),
      ),
    };
  });
}

/** Registers of the FPU and of vectors by the single ones that they consist of. */
function singles(register: string): string[] {
  const [, kind, number] = /^([sdq])(\d+)$/.exec(register) ?? [];
  if (kind === undefined) return [register];
  const each = kind === "s" ? 1 : kind === "d" ? 2 : 4;
  return Array.from({ length: each }, (_, i) => `s${Number(number) * each + i}`);
}

/** `r4-r6` and the like in full. */
const listed = (line: string): string =>
  line.replace(
    /\b([rsdq])(\d+)-\1(\d+)\b/g,
    (_, k, a, b) => Array.from({ length: b - a + 1 }, (_, i) => `${k}${Number(a) + i}`).join(", "),
  );

const FLAGS = /^(cmp|cmn|tst|teq|(?:add|sub|mov|mvn|lsl|lsr|asr|and|orr|eor|bic|mul|rsb|neg)s)\b/;
const MEMORY = /^(v?ldr|v?str|v?ldm|v?stm|ldrd|strd|vld|vst|push|pop)/;
/** Instructions whose first operand is read, or is no register. */
const READS_FIRST =
  /^(str|vstr|vstm|stm|cmp|cmn|tst|teq|vctp|vpst|vcmp|b(?!ic)|cb|push|wls|dls|le\b|letp)/;

/** The operands that an instruction writes: `%[x]` by name. */
function written(line: string): string[] {
  const mark = (text: string) => [...text.matchAll(/%\[?(\w+)\]?/g)].map(([, n]) => n);
  const [mnemonic, ...rest] = line.split(/\s+/), operands = rest.join(" ");
  // `[x], #4`, `[x, #4]!` and `x!` move the pointer.
  const moved = [
    ...operands.matchAll(/\[%\[(\w+)\](?:\],|[^\]]*\]!)/g),
    ...operands.matchAll(/(?<!\[)%\[(\w+)\]!/g),
  ].map(([, n]) => n);
  if (/^(ldm|vldm)/.test(mnemonic)) {
    return [...moved, ...mark(operands.slice(operands.indexOf("{")))];
  }
  if (READS_FIRST.test(mnemonic)) return moved;
  const parts = split(operands, ",");
  const two = /^(ldrd|smlal|smull|umull|umlal)/.test(mnemonic) ||
    (/^vmov/.test(mnemonic) && parts.length > 2 && /^%|^r\d/.test(parts[1].trim()));
  return [
    ...moved,
    ...parts.slice(0, two ? 2 : 1).flatMap((p) =>
      p.includes("[%") && !/^%/.test(p.trim()) ? [] : mark(p)
    ),
  ];
}

/** What a statement does that it does not say, one sentence each. */
export function undeclared(a: Assembly): string[] {
  const found: string[] = [];
  const operands = [...a.outputs, ...a.inputs];
  const declared = new Set([
    ...a.clobbers.flatMap(singles),
    ...operands.flatMap((o) => a.bound.get(o.value.trim()) ?? []),
  ]);
  const lines = a.lines.map(listed).filter((l) => !l.startsWith("."));
  const first = (r: string) => lines.findIndex((l) => new RegExp(`\\b${r}\\b`).test(l));
  // Without the mnemonic, whose types look like registers, and without named operands.
  const bare = (l: string) => l.replace(/^\S+/, "").replace(/%\[\w+\]/g, "");
  const fixed = new Set(lines.flatMap((l) => bare(l).match(/\b(?:r\d+|lr|[sdq]\d+)\b/g) ?? []));
  for (const r of fixed) {
    if (singles(r).every((s) => declared.has(s))) continue;
    // Saved at first and restored: a frame pointer cannot be clobbered.
    const kept = /^vmov (s\d+), r7$/.exec(lines[first("r7")] ?? "")?.[1];
    if (r === "r7" && kept && lines.includes(`vmov r7, ${kept}`)) continue;
    found.push(`${r} is used and not declared`);
  }
  if (lines.some((l) => FLAGS.test(l)) && !a.clobbers.includes("cc")) found.push("flags change");
  const inMemory = operands.some((o) => /m/.test(o.constraint));
  if (lines.some((l) => MEMORY.test(l)) && !inMemory && !a.clobbers.includes("memory")) {
    found.push("memory is used");
  }
  if (a.outputs.length === 0 && !a.volatile) found.push("it has no output and may be removed");
  const loops = lines.flatMap((l, to) => {
    const [, label] = /\b(\d)b$/.exec(l) ?? [];
    return label === undefined ? [] : [[lines.lastIndexOf(`${label}:`, to), to]];
  });
  const writes = (name: string) => lines.findIndex((l) => written(l).includes(name));
  /** Where an operand is read last; what is read in a loop is read at its end. */
  const uses = (name: string): number => {
    const at = lines.findLastIndex((l) => new RegExp(`%\\[?${name}\\b`).test(l));
    return Math.max(
      at,
      ...loops.filter(([from, to]) => from <= at && at <= to).map(([, to]) => to),
    );
  };
  for (const i of a.inputs) {
    if (writes(i.name) >= 0) found.push(`the input ${i.name} is written`);
    for (const o of a.outputs) {
      // A register may be shared by an input and an output that is not written before its last use.
      const early = o.constraint.includes("&") || a.bound.has(o.value.trim());
      const kinds = /t|w/.test(i.constraint) === /t|w/.test(o.constraint);
      if (early || !kinds || i.constraint === "m" || writes(o.name) < 0) continue;
      if (writes(o.name) < uses(i.name)) {
        found.push(`${o.name} is written before ${i.name} is read and may share its register`);
      }
    }
  }
  return found;
}
