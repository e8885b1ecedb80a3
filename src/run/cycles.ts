/**
 * An estimate of cycles from what was executed, instruction by instruction: what each one takes on a
 * core is a table. Pure: the counts come from QEMU (profile.ts), the instructions from objdump.
 */
import { type CycleModel, cyclesOf, listWords, MOVES_LIST } from "../target/cycle_model.ts";

/** One instruction of an image. */
export interface Instruction {
  readonly address: number;
  readonly bytes: 2 | 4;
  /** Its halfwords, hexadecimal. */
  readonly code: string;
  /** Function that it belongs to. */
  readonly symbol: string;
  readonly mnemonic: string;
  readonly operands: string;
}

/** A straight run of instructions, as the plugin counts them. */
export interface ExecutedRun {
  /** Address of the first one. */
  readonly start: number;
  /** Address of the last one. */
  readonly last: number;
  readonly executed: number;
  /** How often execution went on 2 bytes behind the last one's address, and 4. */
  readonly next: { readonly 2: number; readonly 4: number };
}

/** What the entry function executed, the mean over its calls. */
export interface Traffic {
  /** Instructions. */
  readonly instructions: number;
  /** Cycles by the core's model; null where there is none. */
  readonly cycles: number | null;
  /** Values that were loaded: a register, a lane of one, or a vector each. */
  readonly loads: number;
  /** The same of what was stored. */
  readonly stores: number;
  /** Bytes of both. */
  readonly bytes: number;
}

/** {@link Traffic} of the whole and of each function. */
export interface Profile extends Traffic {
  /** By the function's symbol. */
  readonly functions: ReadonlyMap<string, Traffic>;
}

/** What one instruction moves. */
interface Moved {
  readonly kind: "load" | "store";
  /** Values: registers of a list or pair, 1 otherwise. */
  readonly values: number;
  readonly bytes: number;
}

/**
 * Bytes that an MVE load or store moves, from its encoding: objdump shows some as those of the
 * coprocessors 14 and 15, whose encodings they have. Widening ones move less than a vector.
 */
function vectorBytes(code: string): number {
  const [first, second] = code.split(" ").map((half) => parseInt(half, 16));
  if ((second & 0x1000) !== 0) return 16;
  const lanes = 16 >> (second >> 7 & 3);
  return (first & 8 ? 2 : 1) * lanes;
}

/** What an instruction of an Arm core loads or stores; null where nothing. */
export function movedBy({ mnemonic, operands, code }: Instruction): Moved | null {
  const kind = /^v?(ldr|ldm|pop|ld[24]|ldc)/.test(mnemonic)
    ? "load"
    : /^v?(str|stm|push|st[24]|stc)/.test(mnemonic)
    ? "store"
    : null;
  if (kind === null) return null;
  if (MOVES_LIST.test(mnemonic)) {
    const words = listWords(operands);
    return { kind, values: words, bytes: 4 * words };
  }
  if (/^v(ldr|str)[bhwd][a-z]*\.|^v(ld|st)[24]|^(ldc|stc)/.test(mnemonic)) {
    return { kind, values: 1, bytes: vectorBytes(code) };
  }
  if (mnemonic.startsWith("v")) {
    return { kind, values: 1, bytes: /^d\d/.test(operands) ? 8 : 4 };
  }
  // A condition may follow: ldrhi is a word where ldrh, hi is none.
  const [, size] = /^(?:ldr|str)(d|s?b|s?h(?!i$))?/.exec(mnemonic)!;
  const bytes = size === undefined ? 4 : size === "d" ? 8 : size.endsWith("b") ? 1 : 2;
  return { kind, values: size === "d" ? 2 : 1, bytes };
}

/** Reads `objdump -d` of Thumb code. Widths (`.w`, `.n`) are left out. */
export function readDisassembly(text: string): Instruction[] {
  const found: Instruction[] = [];
  let symbol = "";
  for (const line of text.split("\n")) {
    const head = /^[0-9a-f]+ <(.+)>:$/.exec(line);
    if (head) symbol = head[1];
    const row = /^\s*([0-9a-f]+):\t([0-9a-f]{4}(?: [0-9a-f]{4})?) *\t(\S+)(?:\s+(.*))?$/.exec(line);
    if (!row) continue;
    const [, address, code, mnemonic, operands = ""] = row;
    found.push({
      address: parseInt(address, 16),
      bytes: code.length === 4 ? 2 : 4,
      code,
      symbol,
      mnemonic: mnemonic.replace(/\.[wn]$/, ""),
      operands,
    });
  }
  return found;
}

/** Reads what the plugin wrote. */
export function readRuns(text: string): { calls: number; runs: ExecutedRun[] } {
  const [first, ...rows] = text.trim().split("\n");
  return {
    calls: Number(first.split(" ")[1]),
    runs: rows.map((row) => {
      const [start, last, executed, next2, next4] = row.split(" ");
      return {
        start: parseInt(start, 16),
        last: parseInt(last, 16),
        executed: Number(executed),
        next: { 2: Number(next2), 4: Number(next4) },
      };
    }),
  };
}

type Sum = { -readonly [K in keyof Traffic]: Traffic[K] };

const none = (model: CycleModel | null): Sum => ({
  instructions: 0,
  cycles: model === null ? null : 0,
  loads: 0,
  stores: 0,
  bytes: 0,
});

function add(sum: Sum, at: Instruction, executed: number, cycles: number): void {
  sum.instructions += executed;
  if (sum.cycles !== null) sum.cycles += cycles;
  const moved = movedBy(at);
  if (moved === null) return;
  sum[moved.kind === "load" ? "loads" : "stores"] += executed * moved.values;
  sum.bytes += executed * moved.bytes;
}

const perCall = (sum: Sum, calls: number): Traffic => ({
  instructions: Math.round(sum.instructions / calls),
  cycles: sum.cycles === null ? null : Math.round(sum.cycles / calls),
  loads: Math.round(sum.loads / calls),
  stores: Math.round(sum.stores / calls),
  bytes: Math.round(sum.bytes / calls),
});

/** Joins what was executed with the instructions that it was. */
export function profileOf(
  instructions: readonly Instruction[],
  runs: readonly ExecutedRun[],
  calls: number,
  model: CycleModel | null,
): Profile {
  const index = new Map(instructions.map((at, i) => [at.address, i]));
  const whole = none(model);
  const functions = new Map<string, Sum>();
  for (const { start, last, executed, next } of runs) {
    const first = index.get(start);
    if (first === undefined) continue;
    for (let i = first; i < instructions.length && instructions[i].address <= last; i++) {
      const at = instructions[i];
      // A run begins where a branch led or was not taken: no load lies directly before it.
      const before = i === first ? undefined : instructions[i - 1];
      const taken = at.address === last ? executed - next[at.bytes] : 0;
      const cycles = model === null
        ? 0
        : executed * cyclesOf(model, at, before) + taken * model.taken;
      const own = functions.get(at.symbol) ?? none(model);
      functions.set(at.symbol, own);
      add(own, at, executed, cycles);
      add(whole, at, executed, cycles);
    }
  }
  return {
    ...perCall(whole, calls),
    functions: new Map([...functions].map(([name, sum]) => [name, perCall(sum, calls)])),
  };
}
