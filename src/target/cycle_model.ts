/** What each instruction of a core takes in cycles: a table, known before an instruction executes. */

/** An instruction as text. */
export interface InstructionText {
  readonly mnemonic: string;
  readonly operands: string;
}

/** Cycles of a core; `n` is the number of registers of a list. */
export interface CycleModel {
  /** Of what no rule names. */
  readonly other: number;
  /** Of a single load that follows directly after a single load or store. */
  readonly pipelinedLoad: number;
  /** Added to a branch that is taken, a call and a return. */
  readonly taken: number;
  /** The first rule that matches decides. */
  readonly rules: readonly (readonly [
    mnemonic: RegExp,
    cycles: number | ((n: number) => number),
  ])[];
}

/** Instructions that move a list of registers. */
export const MOVES_LIST = /^(v?ldm|v?stm|v?push|v?pop)/;
const SINGLE = /^v?(ldr|str)(?!d)/;

/** Cortex-M4 without wait states, a static model: what is known before an instruction executes. */
const CORTEX_M4: CycleModel = {
  other: 1,
  pipelinedLoad: 1,
  taken: 2,
  rules: [
    [MOVES_LIST, (n) => 1 + n],
    [/^ldrd/, 3],
    [/^strd/, 2],
    [/^v?ldr/, 2],
    [/^[su]div/, 7],
    [/^v(ml[as]|nml[as]|fm[as]|fnm[as])/, 3],
    [/^v(div|sqrt)/, 14],
  ],
};

/** Models by core. A core without one gets no estimate. */
export const CYCLE_MODELS: Readonly<Record<string, CycleModel>> = { "cortex-m4": CORTEX_M4 };

/** Registers of a list such as `{r4, r5, lr}` or `{d8-d11}`, as words. */
export function listWords(operands: string): number {
  const list = /\{([^}]*)\}/.exec(operands)?.[1] ?? "";
  let words = 0;
  for (const part of list.split(",")) {
    const [, kind, from, to = from] = /^\s*([a-z])(\d+)(?:-[a-z](\d+))?\s*$/.exec(part) ?? [];
    const count = kind === undefined ? Number(part.trim() !== "") : Number(to) - Number(from) + 1;
    words += count * (kind === "d" ? 2 : 1);
  }
  return words;
}

/** Cycles of one execution that does not branch. */
export function cyclesOf(
  model: CycleModel,
  at: InstructionText,
  before: InstructionText | undefined,
): number {
  const { mnemonic, operands } = at;
  const rule = model.rules.find(([pattern]) => pattern.test(mnemonic));
  if (rule === undefined) return model.other;
  const [, cycles] = rule;
  if (typeof cycles === "function") return cycles(listWords(operands));
  const isLoad = SINGLE.test(mnemonic) && /^v?ldr/.test(mnemonic);
  return isLoad && before && SINGLE.test(before.mnemonic) ? model.pipelinedLoad : cycles;
}
