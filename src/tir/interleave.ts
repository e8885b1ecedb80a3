/** Bytes that lie in planes, one channel after another, brought together place by place. */
import { add, cast, imm, load, mul, sub, variable } from "../te/expr.ts";
import { addLiteral, type Code, executed, literal, quoted } from "./asm.ts";
import { flat } from "./gather.ts";
import type { CVariant, TensorIntrin } from "./intrinsics.ts";
import type { Access, Stmt } from "./stmt.ts";

/** What the text depends on. */
export interface Interleave {
  readonly places: number;
  readonly channels: number;
  /** Bytes between places where they come from and where they go to. */
  readonly from: number;
  readonly to: number;
  /** Bytes between channels where they come from. */
  readonly apart: number;
  /** Unsigned bytes become signed: less 128. */
  readonly flips: boolean;
}

/** What post-indexed accesses reach. */
const POST_REACH = 255;
/** Bytes that are in registers at once, and those of a turn of the loop. */
const AT_ONCE = 4, TURN = 8;
/** Bytes up to which a channel's text has no loop. */
const WRITTEN = 12;
/** Instructions around the assembly: call, operands, return. */
const AROUND = 10;
const BYTES = ["r4", "r5", "r6", "r8"];

/** Whether pointers can go on by themselves. */
export const canInterleave = ({ places, from, to, channels }: Interleave): boolean =>
  places > 0 && channels > 0 && channels < 65536 && places < 65536 && from >= 0 &&
  from <= POST_REACH && to >= 0 && to <= POST_REACH;

/** Copies some places of a channel. */
function run({ from, to, flips }: Interleave, places: number): string[] {
  const out: string[] = [];
  for (let left = places; left > 0; left -= AT_ONCE) {
    const regs = BYTES.slice(0, Math.min(left, AT_ONCE));
    const go = (by: number): string => by > 0 ? `, #${by}` : "";
    out.push(
      ...regs.map((r) => `ldrb ${r}, [%[src]]${go(from)}`),
      ...(flips ? regs.map((r) => `eor ${r}, ${r}, #0x80`) : []),
      ...regs.map((r) => `strb ${r}, [%[dst]]${go(to)}`),
    );
  }
  return out;
}

const counted = (reg: string, count: number): string[] =>
  count <= 255 ? [`mov ${reg}, #${count}`] : literal(reg, count);

function codeOf(s: Interleave): Code {
  const { places, channels, from, to, apart } = s;
  const turns = places <= WRITTEN ? 0 : Math.floor(places / TURN);
  const channel: Code = [
    ...(turns > 0
      ? [...counted("%[n]", turns), {
        label: 1,
        times: turns,
        body: [...run(s, TURN), "subs %[n], %[n], #1", "bne 1b"],
      }]
      : []),
    ...run(s, places - turns * TURN),
  ];
  if (channels === 1) return channel;
  return [...counted("%[m]", channels), {
    label: 2,
    times: channels,
    body: [
      ...channel,
      ...addLiteral("%[src]", apart - places * from, "r4"),
      ...addLiteral("%[dst]", 1 - places * to, "r4"),
      "subs %[m], %[m], #1",
      "bne 2b",
    ],
  }];
}

/** Bytes of a vector, and what a byte holds of an offset. */
const VECTOR = 16, MOST_OFFSET = 255;

/** Whether neighbours are loaded as vectors and stored by their offsets. */
const inVectors = ({ from, to }: Interleave): boolean =>
  from === 1 && to > 0 && (VECTOR - 1) * to <= MOST_OFFSET;

/** Sixteen places of a channel at a time (MVE). */
function vectorVariant(s: Interleave, head: string): CVariant {
  const { places, channels, to, apart, flips } = s;
  const turn = [
    "vldrb.8 q0, [%[from]], #16",
    ...(flips ? ["veor q0, q0, q2"] : []),
    "vstrb.8 q0, [%[to], q1]",
    `add %[to], %[to], #${VECTOR * to}`,
  ];
  const lines = [
    "vldrb.8 q1, [%[offsets]]",
    ...(flips ? ["vmov.i8 q2, #0x80"] : []),
    `movw lr, #${places}`,
    "wlstp.8 lr, lr, 2f",
    "1:",
    ...turn,
    "letp lr, 1b",
    "2:",
  ];
  const offsets = Array.from({ length: VECTOR }, (_, i) => i * to).join(", ");
  const one = lines.length - turn.length - 3 + Math.ceil(places / VECTOR) * (turn.length + 1) + 5;
  return {
    feature: "mve",
    needs: [],
    instructions: AROUND + channels * one,
    text: `${head}
{
    /* Where the places of a vector go. */
    static const uint8_t offsets[${VECTOR}] = { ${offsets} };

    for (int32_t c = 0; c < ${channels}; c++) {
        const ${flips ? "uint8_t" : "int8_t"} *from = src + ${apart} * c;
        int8_t *to = dst + c;

        __asm__ volatile(
${lines.map((l) => `            "${l}\\n"`).join("\n")}
            : [from] "+r"(from), [to] "+r"(to)
            : [offsets] "r"(offsets)
            : "q0", "q1", ${flips ? '"q2", ' : ""}"lr", "memory");
    }
}`,
  };
}

/** dst[p][c] = src[c][p]: int8, from int8 or (less 128) uint8. */
export function interleave(s: Interleave): TensorIntrin {
  const { places, channels, from, to, apart, flips } = s, x = flips ? "uint8" : "int8";
  const name = `interleave_${flips ? "u8" : "s8"}_${places}x${channels}_${
    [apart, from, to].join("_")
  }`;
  const head = `/* dst[p * ${to} + c] = src[c * ${apart} + p * ${from}]${
    flips ? " - 128" : ""
  }: ${places} places of ${channels} channels */
__attribute__((noinline)) static void ${name}(int8_t *dst, const ${x}_t *src)`;
  const code = codeOf(s), text = quoted(code);
  const counters = ["m", "n"].filter((c) => text.includes(`%[${c}]`));
  const used = BYTES.filter((r) => new RegExp(`\\b${r}\\b`).test(text));
  const declared = counters.length > 0 ? `    uint32_t ${counters.join(", ")};\n\n` : "";
  const changed = ['[dst] "+r"(dst)', '[src] "+r"(src)'];
  const outputs = [...changed, ...counters.map((c) => `[${c}] "=&r"(${c})`)].join(", ");
  return {
    name,
    args: [
      { name: "dst", dtype: "int8", count: (places - 1) * to + channels, mode: "write" },
      {
        name: "src",
        dtype: x,
        count: (places - 1) * from + (channels - 1) * apart + 1,
        mode: "read",
      },
    ],
    scalars: [],
    byValue: false,
    meaning: ([dst, src]) => meaning(s, dst, src),
    c: [
      ...(inVectors(s) ? [vectorVariant(s, head)] : []),
      {
        feature: "dsp",
        needs: [],
        instructions: executed(code) + AROUND,
        text: `${head}
{
${declared}    __asm__ volatile(
${text}
        : ${outputs}
        :
        : ${[...used, "cc", "memory"].map((r) => `"${r}"`).join(", ")});
}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    for (int32_t p = 0; p < ${places}; p++) {
        for (int32_t c = 0; c < ${channels}; c++) {
            dst[p * ${to} + c] = ${
          flips
            ? `(int8_t)(src[c * ${apart} + p * ${from}] - 128)`
            : `src[c * ${apart} + p * ${from}]`
        };
        }
    }
}`,
      },
    ],
  };
}

function meaning(s: Interleave, to: Access, from: Access): Stmt {
  const dst = flat(to), src = flat(from);
  const p = variable("p", "int32", [0, s.places - 1]);
  const c = variable("c", "int32", [0, s.channels - 1]);
  const x = load(src.buf, [add(src.at, add(mul(c, s.apart), mul(p, s.from)))]);
  const store: Stmt = {
    k: "store",
    buf: dst.buf,
    idx: [add(dst.at, add(mul(p, s.to), c))],
    value: s.flips ? cast("int8", sub(cast("int32", x), 128)) : x,
  };
  const inner: Stmt = { k: "for", v: c, lo: imm(0), hi: imm(s.channels), body: store };
  return { k: "for", v: p, lo: imm(0), hi: imm(s.places), body: inner };
}
