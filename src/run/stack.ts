/**
 * A bound of the stack that a function needs with all that it calls, from what the C compiler says
 * of its frames (-fcallgraph-info=su) and from the disassembly of the linked library: who calls
 * whom, and the frames of libgcc's and libm's functions, which nobody compiled here.
 */
import type { Target } from "../target/target.ts";
import { execute, findProgram } from "./process.ts";

/** Makes gcc write the frames of each function beside the object file. */
export const FRAMES_FLAG = "-fcallgraph-info=su";

/** Stack of one function. */
export interface StackUse {
  /** Its name in the linked image. */
  readonly name: string;
  /** Bytes of its own frame, saved registers included. */
  readonly own: number;
  /** With the deepest of what it calls. */
  readonly total: number;
}

/** The functions that the entry reaches, it first; or why there is no bound. */
export type StackBound =
  | { readonly functions: readonly StackUse[]; readonly absent: null }
  | { readonly functions: null; readonly absent: string };

/** Frames by function as gcc wrote them; null where the frame has no fixed size. */
export function readFrames(text: string): Map<string, number | null> {
  const frames = new Map<string, number | null>();
  for (const [, title, label] of text.matchAll(/node: \{ title: "([^"]+)" label: "([^"]*)"/g)) {
    const [, bytes, kind] = /\\n(\d+) bytes \(([a-z,]+)\)/.exec(label) ?? [];
    if (bytes === undefined) continue;
    // A function of one file alone has that file's name before its own.
    const name = title.slice(title.lastIndexOf(":") + 1);
    const fixed = kind === "static" || kind.includes("bounded");
    const known = frames.get(name);
    frames.set(name, !fixed || known === null ? null : Math.max(Number(bytes), known ?? 0));
  }
  return frames;
}

/** A function as it was linked. */
export interface Linked {
  /** What its instructions take from the stack, all together; null where that is not fixed. */
  readonly frame: number | null;
  readonly callees: ReadonlySet<string>;
  /** It calls through a pointer. */
  readonly indirect: boolean;
}

const REGISTER_BYTES: Readonly<Record<string, number>> = { r: 4, s: 4, d: 8, q: 16 };
/** Registers of Arm that have names of their own. */
const ARM_NAMED = /^(sl|fp|ip|sp|lr|pc|sb)$/;

/** Bytes of a list such as `{r4, r5-r7, lr}` or `{d8-d15}`. */
function listBytes(list: string): number {
  return list.split(",").map((s) => s.trim()).reduce((sum, part) => {
    if (ARM_NAMED.test(part)) return sum + 4;
    const [, kind, from, to = from] = /^([rsdq])(\d+)(?:-[rsdq](\d+))?$/.exec(part) ?? [];
    return sum + (REGISTER_BYTES[kind] ?? 4) * (Number(to) - Number(from) + 1 || 1);
  }, 0);
}

/** What an instruction takes from the stack: bytes, or null for an unknown number of them. */
function taken(mnemonic: string, operands: string): number | null {
  const list = /\{([^}]*)\}/.exec(operands)?.[1];
  if (/^v?push/.test(mnemonic)) return listBytes(list ?? "");
  if (/^v?stmdb/.test(mnemonic) && /^sp!/.test(operands)) return listBytes(list ?? "");
  const before = /\[sp, #-(\d+)\]!/.exec(operands);
  if (before && /^v?str/.test(mnemonic)) return Number(before[1]);
  if (/^subw?/.test(mnemonic) && /^sp\b/.test(operands)) {
    const n = /#(\d+)/.exec(operands);
    return n ? Number(n[1]) : null;
  }
  // RISC-V.
  const down = /^(?:c\.)?add(?:i|i16sp)?$/.test(mnemonic) && /^sp,(?:sp,)?-(\d+)/.exec(operands);
  return down ? Number(down[1]) : 0;
}

const CALL = /^(bl|blx|b|b\.[nw]|b[a-z]{2}(?:\.[nw])?|cbn?z|jal|j|c\.j|c\.jal|call|tail)$/;

/** Behind these, and behind constants, nothing goes on. */
const ENDS = /^(b|bx|c\.j|j|jr|c\.jr|ret|tail|udf|ebreak|unimp|nop|\.\w+)$/;

/** Reads `objdump -d`, of an Arm or a RISC-V image. */
export function readLinked(text: string): Map<string, Linked> {
  const found = new Map<
    string,
    { frame: number | null; callees: Set<string>; indirect: boolean }
  >();
  let name = "", ends = true;
  for (const line of text.split("\n")) {
    const head = /^[0-9a-f]+ <(.+)>:$/.exec(line);
    if (head) {
      // Hand-written functions may run into the next one.
      if (!ends) found.get(name)!.callees.add(head[1]);
      name = head[1];
      ends = true;
      if (!found.has(name)) found.set(name, { frame: 0, callees: new Set(), indirect: false });
      continue;
    }
    const row = /^\s*[0-9a-f]+:\t[0-9a-f ]+\t(\S+)(?:\s+(.*))?$/.exec(line);
    const f = found.get(name);
    if (!row || !f) continue;
    const [, mnemonic, operands = ""] = row;
    const plain = mnemonic.replace(/\.[nw]$/, "");
    ends = ENDS.test(plain) || /^pc\b|\{.*\bpc\b.*\}/.test(operands);
    const bytes = taken(plain, operands);
    f.frame = bytes === null || f.frame === null ? null : f.frame + bytes;
    const target = /<([^>+]+)(\+0x[0-9a-f]+)?>/.exec(operands);
    const branches = CALL.test(mnemonic) || /^b[a-z]*$/.test(plain);
    if (branches && target && target[1] !== name) f.callees.add(target[1]);
    // Arm's `blx r3`, RISC-V's `jalr a5`.
    if (/^blx$/.test(plain) && /^(r\d+|ip|sl|fp|sb)\b/.test(operands)) f.indirect = true;
    if (/^(c\.)?jalr$/.test(plain) && !/^ra$/.test(operands)) f.indirect ||= !target;
  }
  return found;
}

/** Functions of the C library that jump into themselves at a computed place. */
const COMPUTED = /^mem(cpy|move|set)$/;

/** The bound of `entry` and of what it calls. */
export function boundStack(
  entry: string,
  frames: ReadonlyMap<string, number | null>,
  linked: ReadonlyMap<string, Linked>,
): StackBound {
  const done = new Map<string, StackUse>();
  const open = new Set<string>();
  let absent: string | null = null;
  const visit = (name: string): number => {
    const known = done.get(name);
    if (known) return known.total;
    const f = linked.get(name);
    if (!f) return absent ??= `${name} is not in the linked library`, 0;
    if (open.has(name)) return absent ??= `${name} calls itself`, 0;
    if (f.indirect && !COMPUTED.test(name)) absent ??= `${name} calls through a pointer`;
    const own = frames.has(name) ? frames.get(name)! : f.frame;
    if (own === null) absent ??= `the frame of ${name} has no fixed size`;
    open.add(name);
    const deepest = Math.max(0, ...[...f.callees].map(visit));
    open.delete(name);
    const use = { name, own: own ?? 0, total: (own ?? 0) + deepest };
    done.set(name, use);
    return use.total;
  };
  visit(entry);
  if (absent !== null) return { functions: null, absent };
  const others = [...done.values()].filter((u) => u.name !== entry)
    .sort((a, b) => b.total - a.total || (a.name < b.name ? -1 : 1));
  return { functions: [done.get(entry)!, ...others], absent: null };
}

/**
 * The bound of a library that was compiled with {@link FRAMES_FLAG} and linked by itself.
 * @param image the linked library; @param objects its object files, the frames beside them
 */
export async function measureStack(
  entry: string,
  image: string,
  objects: readonly string[],
  target: Target,
  folder: string,
): Promise<StackBound> {
  const objdump = findProgram(`${target.prefix}objdump`);
  if (objdump === null) {
    return { functions: null, absent: `${target.prefix}objdump is not installed` };
  }
  const { stdout } = await execute(objdump, ["-d", image], { cwd: folder });
  const texts = await Promise.all(
    objects.map((o) => Deno.readTextFile(o.replace(/\.o$/, ".ci")).catch(() => "")),
  );
  return boundStack(entry, readFrames(texts.join("\n")), readLinked(stdout));
}
