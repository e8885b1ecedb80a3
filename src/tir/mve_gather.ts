/** Short runs of bytes of several places brought together, place by place (MVE). */
import { add, imm, load, mul, variable } from "../te/expr.ts";
import { advance, asmCount, type AsmItem, asmText } from "./mve_asm.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { type Access, behind, type Stmt } from "./stmt.ts";

export interface GatherShape {
  /** Places, and how far they lie apart in the source; in the destination they follow each other. */
  readonly places: number;
  readonly from: number;
  /** Runs of a place, and how far they lie apart in the source. */
  readonly runs: number;
  readonly runFrom: number;
  readonly run: number;
}

const VECTOR = 16, WORD = 4;

/** Offsets that LDR takes, and by which VLDRB moves its pointer. */
const NEAR_WORDS = 4092, NEAR = 127;

const POINTERS = ["r1", "r2", "r3", "r4", "r5", "r6"];

const inWords = (s: GatherShape): boolean =>
  s.run % WORD === 0 && s.run <= VECTOR && (s.runs - 1) * s.runFrom + s.run <= NEAR_WORDS;

/** Whether the registers suffice. */
export const gatherFits = (s: GatherShape): boolean =>
  s.from >= 0 && s.runFrom >= 0 && s.places < 65536 && offsetsOf(s) !== null ||
  s.run <= VECTOR && s.from >= 0 && s.runFrom >= 0 && s.places < 65536 &&
    (inWords(s) && s.runs * s.run <= 64 || s.runs <= POINTERS.length && s.from <= NEAR);

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Vectors of offsets that stay in registers, and what a byte holds of one. */
const OFFSETS = ["q1", "q2", "q3", "q4", "q5", "q6"], MOST_OFFSET = 255;

/** Where the bytes of a place lie from its first; null where they are too far, or single runs are as good. */
function offsetsOf(s: GatherShape): number[] | null {
  const all = range(s.runs).flatMap((r) => range(s.run).map((i) => r * s.runFrom + i));
  const vectors = Math.ceil(all.length / VECTOR);
  if (s.runs === 1 || vectors > OFFSETS.length || Math.max(...all) > MOST_OFFSET) return null;
  const single = inWords(s) ? 2 * s.run / WORD : s.run === VECTOR ? 2 : 3;
  return 2 * vectors + 2 < single * s.runs ? all : null;
}

/** The pointers into the source: to its first place, or to each run of it. */
const pointersOf = (s: GatherShape): number => offsetsOf(s) || inWords(s) ? 1 : s.runs;

/** Every byte of a place by its own offset. */
function scattered(s: GatherShape, offsets: readonly number[]): AsmItem[] {
  const vectors = range(Math.ceil(offsets.length / VECTOR)), rest = offsets.length % VECTOR;
  const store = (v: number): string[] =>
    rest > 0 && v === vectors.length - 1
      ? ["vpst", `vstrbt.8 q0, [r8], #${rest}`]
      : [`vstrb.8 q0, [r8], #${VECTOR}`];
  return [
    ...vectors.map((v) => `vldrb.u8 ${OFFSETS[v]}, [r2, #${VECTOR * v}]`),
    ...(rest > 0 ? [`mov r12, #${rest}`, "vctp.8 r12"] : []),
    {
      turns: s.places,
      counter: "lr",
      body: [
        ...vectors.flatMap((v) => [`vldrb.u8 q0, [r1, ${OFFSETS[v]}]`, ...store(v)]),
        ...advance("r1", s.from),
      ],
    },
  ];
}

function code(s: GatherShape): AsmItem[] {
  const offsets = offsetsOf(s);
  if (offsets) return scattered(s, offsets);
  if (inWords(s)) {
    const body = range(s.runs).flatMap((r) =>
      range(s.run / WORD).flatMap((i) => [
        `ldr r12, [r1, #${r * s.runFrom + WORD * i}]`,
        `str r12, [r8], #${WORD}`,
      ])
    );
    return [{ turns: s.places, counter: "lr", body: [...body, ...advance("r1", s.from)] }];
  }
  const post = s.from > 0 ? `, #${s.from}` : "";
  const whole = s.run === VECTOR;
  const t = whole ? "" : "t";
  const body = range(s.runs).flatMap((r) => [
    ...(whole ? [] : ["vpstt"]),
    `vldrb${t}.8 q0, [${POINTERS[r]}]${post}`,
    `vstrb${t}.8 q0, [r8], #${s.run}`,
  ]);
  return [
    ...(whole ? [] : [`mov r12, #${s.run}`, "vctp.8 r12"]),
    { turns: s.places, counter: "lr", body },
  ];
}

/**
 * dst[p][r][i] = src[p][r][i]: the runs of all places without gaps.
 *
 * Operands: dst int8, src int8.
 */
export function gatherRuns(s: GatherShape): TensorIntrin {
  const name = `gather_${s.places}x${s.runs}x${s.run}_s${s.from}_r${s.runFrom}`;
  const head =
    `/* dst[p][r][i] = src[p][r][i]: ${s.runs} runs of ${s.run} elements, ${s.runFrom} apart in src, of ${s.places} places ${s.from} apart */
__attribute__((always_inline)) static inline void ${name}(int8_t *dst, const int8_t *src)`;
  const pointers = pointersOf(s), offsets = offsetsOf(s);
  const registers = [...POINTERS.slice(0, pointers), ...(offsets ? ["r2"] : []), "r8"];
  const given = [
    ...range(pointers).map((r) => r === 0 ? "src" : `src + ${r * s.runFrom}`),
    ...(offsets ? ["offsets"] : []),
    "dst",
  ];
  const vectors = offsets ? OFFSETS.slice(0, Math.ceil(offsets.length / VECTOR)) : [];
  const clobbers = [...registers, "r12", "lr", "q0", ...vectors, "memory"];
  return {
    name,
    args: [
      { name: "dst", dtype: "int8", count: s.places * s.runs * s.run, mode: "write" },
      {
        name: "src",
        dtype: "int8",
        count: (s.places - 1) * s.from + (s.runs - 1) * s.runFrom + s.run,
        mode: "read",
      },
    ],
    scalars: [],
    byValue: false,
    meaning: (args) => meaning(args, s),
    c: [
      {
        feature: "mve",
        needs: [],
        instructions: 4 + 2 * registers.length + asmCount(code(s)),
        text: `${head}
{
${offsets ? offsetTable(offsets) : ""}    const void *given[${given.length}] = { ${
          given.join(", ")
        } };
    register const void **r0 __asm__("r0") = given;

    __asm__ volatile(
${asmText([`ldm r0, {${registers.join(", ")}}`, ...code(s)])}
        : "+r"(r0)
        :
        : ${clobbers.map((c) => `"${c}"`).join(", ")});
}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    for (int32_t p = 0; p < ${s.places}; p++) {
        for (int32_t r = 0; r < ${s.runs}; r++) {
            for (int32_t i = 0; i < ${s.run}; i++) {
                *dst++ = src[${s.from} * p + ${s.runFrom} * r + i];
            }
        }
    }
}`,
      },
    ],
  };
}

/** The offsets of a place's bytes, in whole vectors. */
function offsetTable(offsets: readonly number[]): string {
  const rows = range(Math.ceil(offsets.length / VECTOR)).map((v) =>
    `        ${range(VECTOR).map((i) => offsets[VECTOR * v + i] ?? 0).join(", ")}`
  );
  return `    /* Where the bytes of a place are. */
    static const uint8_t offsets[${VECTOR * rows.length}] = {
${rows.join(",\n")}
    };
`;
}

function meaning([dst, src]: readonly Access[], s: GatherShape): Stmt {
  const [p, r, i] = [s.places, s.runs, s.run].map((n, j) =>
    variable("pri"[j], "int32", [0, n - 1])
  );
  const to = add(add(mul(p, s.runs * s.run), mul(r, s.run)), i);
  const from = add(add(mul(p, s.from), mul(r, s.runFrom)), i);
  const store: Stmt = {
    k: "store",
    buf: dst.buf,
    idx: behind(dst, to),
    value: load(src.buf, behind(src, from)),
  };
  return [[i, s.run], [r, s.runs], [p, s.places]].reduce<Stmt>(
    (body, [v, n]) => ({ k: "for", v: v as typeof p, lo: imm(0), hi: imm(n as number), body }),
    store,
  );
}
