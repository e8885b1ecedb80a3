/** Bytes copied or filled in runs that lie apart (MVE). */
import { add, cast, type Expr, imm, load, mul, sub, variable } from "../te/expr.ts";
import { advance, asmCount, type AsmItem, asmText } from "./mve_asm.ts";
import type { CVariant, TensorIntrin } from "./intrinsics.ts";
import type { Access, Stmt } from "./stmt.ts";

const VECTOR = 16;

/** Offsets by which VLDRB and VSTRB move their pointers. */
const NEAR = 127;

/** What the bytes are: those of the source, those less 128 (unsigned ones become signed), one value. */
export type CopyKind = "same" | "flip" | { readonly value: number };

export interface CopyShape {
  readonly runs: number;
  /** Bytes of a run, and how far runs lie apart where they come from and where they go to. */
  readonly run: number;
  readonly from: number;
  readonly to: number;
  readonly kind: CopyKind;
}

const isFill = (k: CopyKind): k is { readonly value: number } => typeof k === "object";

/** Moves one vector; pointers go on by what is given. */
function move(kind: CopyKind, from: number, to: number, predicated: boolean): string[] {
  const t = predicated ? "t" : "";
  const post = (n: number) => n > 0 && n <= NEAR ? `, #${n}` : "";
  const after = (r: string, n: number) => n > NEAR || n < 0 ? advance(r, n) : [];
  const store = `vstrb${t}.8 q0, [%[dst]]${post(to)}`;
  if (isFill(kind)) return [...(predicated ? ["vpst"] : []), store, ...after("%[dst]", to)];
  const load = `vldrb${t}.8 q0, [%[src]]${post(from)}`;
  const flip = kind === "flip" ? [`veor${t} q0, q0, q1`] : [];
  return [
    ...(predicated ? [`vpst${"t".repeat(1 + flip.length)}`] : []),
    load,
    ...flip,
    store,
    ...after("%[src]", from),
    ...after("%[dst]", to),
  ];
}

/** One run longer than a vector. */
function longRun({ kind, run }: CopyShape): string[] {
  const body = move(kind, VECTOR, VECTOR, false);
  return [`movw lr, #${run}`, "wlstp.8 lr, lr, 2f", "1:", ...body, "letp lr, 1b", "2:"];
}

function code(s: CopyShape): AsmItem[] {
  if (s.run > VECTOR) return longRun(s);
  const short = s.run < VECTOR;
  return [
    ...(short ? [`mov r12, #${s.run}`, "vctp.8 r12"] : []),
    { turns: s.runs, counter: "lr", body: move(s.kind, s.from, s.to, short) },
  ];
}

/** Registers that hold what all vectors need. */
const before = (kind: CopyKind): string[] =>
  isFill(kind)
    ? [`mov r12, #${kind.value}`, "vdup.8 q0, r12"]
    : kind === "flip"
    ? ["vmov.i8 q1, #0x80"]
    : [];

function instructions(s: CopyShape): number {
  const setup = before(s.kind).length + 3;
  if (s.run <= VECTOR) return setup + asmCount(code(s));
  const one = 2 + Math.ceil(s.run / VECTOR) * (move(s.kind, VECTOR, VECTOR, false).length + 1);
  return setup + s.runs * (one + (s.runs > 1 ? 4 + before(s.kind).length : 0));
}

/**
 * dst[r][i] = src[r][i] for runs of bytes, or what {@link CopyKind} says.
 *
 * Operands: dst int8, src int8 or (flip) uint8; none to fill.
 */
export function copyRuns(s: CopyShape): TensorIntrin {
  const number = (n: number) => n < 0 ? `m${-n}` : `${n}`;
  const { kind } = s, fill = isFill(kind);
  const verb = fill ? `fill_${number(kind.value)}` : kind === "flip" ? "copy_u8" : "copy_s8";
  const apart = s.runs > 1 ? `_d${number(s.to)}${fill ? "" : `_s${number(s.from)}`}` : "";
  const name = `${verb}_${s.runs}x${s.run}${apart}`;
  const type = kind === "flip" ? "uint8_t" : "int8_t";
  const source = fill ? "" : `, const ${type} *src`;
  const value = fill ? `${kind.value}` : `src[r][i]${kind === "flip" ? " - 128" : ""}`;
  const where = s.runs > 1 ? `, ${s.to} apart${fill ? "" : ` (src: ${s.from})`}` : "";
  const head = `/* dst[r][i] = ${value} for ${s.runs} run${
    s.runs > 1 ? "s" : ""
  } of ${s.run}${where} */
__attribute__((always_inline)) static inline void ${name}(int8_t *dst${source})`;
  const many = s.run > VECTOR && s.runs > 1;
  const clobbers = [
    '"q0"',
    ...(kind === "flip" ? ['"q1"'] : []),
    ...(fill || s.run < VECTOR ? ['"r12"'] : []),
    '"lr"',
    '"memory"',
  ];
  const operands = `[dst] "+r"(${many ? "to" : "dst"})${
    fill ? "" : `, [src] "+r"(${many ? "from" : "src"})`
  }`;
  const asm = (pad: string) =>
    `${pad}__asm__ volatile(
${asmText([...before(kind), ...code(s)], `${pad}    `)}
${pad}    : ${operands}
${pad}    :
${pad}    : ${clobbers.join(", ")});`;
  const text = many
    ? `    for (int32_t r = 0; r < ${s.runs}; r++) {
        int8_t *to = dst + ${s.to} * r;
${fill ? "" : `        const ${type} *from = src + ${s.from} * r;\n`}
${asm("        ")}
    }`
    : asm("    ");
  const count = (step: number) => (s.runs - 1) * step + s.run;
  return {
    name,
    args: [
      { name: "dst", dtype: "int8", count: count(s.to), mode: "write" },
      ...(fill ? [] : [
        {
          name: "src",
          dtype: kind === "flip" ? "uint8" : "int8",
          count: count(s.from),
          mode: "read",
        } as const,
      ]),
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, s),
    c: [
      { feature: "mve", needs: [], instructions: instructions(s), text: `${head}\n{\n${text}\n}` },
      words(s, head),
      {
        feature: null,
        needs: [],
        text: `${head}
{
    for (int32_t r = 0; r < ${s.runs}; r++) {
        for (int32_t i = 0; i < ${s.run}; i++) {
            dst[${s.to} * r + i] = ${
          fill
            ? kind.value
            : kind === "flip"
            ? `(int8_t)(src[${s.from} * r + i] - 128)`
            : `src[${s.from} * r + i]`
        };
        }
    }
}`,
      },
    ],
  };
}

/** Bytes of a turn of the loop over words, and instructions around them: count, compare, pointers. */
const TURN = 16, PER_TURN = 4;

/** The same with loads and stores of four bytes. */
function words(s: CopyShape, head: string): CVariant {
  const { kind } = s, fill = isFill(kind);
  const turns = Math.floor(s.run / TURN), left = s.run % TURN;
  const word = (at: number): string => {
    const from = fill
      ? `0x${((kind.value & 0xff) * 0x01010101).toString(16)}u`
      : `load32(from${at > 0 ? ` + ${at}` : ""})${kind === "flip" ? " ^ 0x80808080u" : ""}`;
    return `store32(to${at > 0 ? ` + ${at}` : ""}, ${from});`;
  };
  const byte = (at: number): string =>
    `to[${at}] = ${
      fill ? kind.value : kind === "flip" ? `(int8_t)(from[${at}] - 128)` : `from[${at}]`
    };`;
  const range = (n: number, step: number) =>
    Array.from({ length: Math.floor(n / step) }, (_, i) => step * i);
  const turn = range(TURN, 4).map((at) => `            ${word(at)}`);
  const rest = [
    ...range(left, 4).map(word),
    ...range(left % 4, 1).map((i) => byte(left - left % 4 + i)),
  ];
  const type = kind === "flip" ? "uint8_t" : "int8_t";
  const pointers = `        int8_t *to = dst + ${s.to} * r;
${fill ? "" : `        const ${type} *from = src + ${s.from} * r;\n`}`;
  const loop = turns === 0 ? "" : `
        for (int32_t i = 0; i < ${turns}; i++) {
${turn.join("\n")}
            to += ${TURN};
${fill ? "" : `            from += ${TURN};\n`}        }
`;
  const each = fill ? 1 : kind === "flip" ? 3 : 2;
  const one = turns * (each * TURN / 4 + PER_TURN) + each * rest.length + 3;
  return {
    feature: "dsp",
    needs: fill ? ["store32"] : ["load32", "store32"],
    instructions: s.runs * one,
    text: `${head}
{
    for (int32_t r = 0; r < ${s.runs}; r++) {
${pointers}${loop}${rest.map((l) => `        ${l}\n`).join("")}    }
}`,
  };
}

function meaning([dst, src]: readonly Access[], s: CopyShape): Stmt {
  const r = variable("r", "int32", [0, s.runs - 1]), i = variable("i", "int32", [0, s.run - 1]);
  const behind = (x: Access, step: number): Expr[] =>
    x.idx.map((e, d) => d === x.axis ? add(e, add(mul(r, step), i)) : e);
  const { kind } = s;
  const value = isFill(kind)
    ? imm(kind.value, "int8")
    : kind === "flip"
    ? cast("int8", sub(cast("int32", load(src.buf, behind(src, s.from))), 128))
    : load(src.buf, behind(src, s.from));
  const store: Stmt = { k: "store", buf: dst.buf, idx: behind(dst, s.to), value };
  const inner: Stmt = { k: "for", v: i, lo: imm(0), hi: imm(s.run), body: store };
  return { k: "for", v: r, lo: imm(0), hi: imm(s.runs), body: inner };
}
