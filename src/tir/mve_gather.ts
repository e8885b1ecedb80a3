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
  s.run <= VECTOR && s.from >= 0 && s.runFrom >= 0 && s.places < 65536 &&
  (inWords(s) && s.runs * s.run <= 64 || s.runs <= POINTERS.length && s.from <= NEAR);

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function code(s: GatherShape): AsmItem[] {
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
  const pointers = inWords(s) ? 1 : s.runs;
  const registers = [...POINTERS.slice(0, pointers), "r8"];
  const given = [...range(pointers).map((r) => r === 0 ? "src" : `src + ${r * s.runFrom}`), "dst"];
  const clobbers = [...registers, "r12", "lr", "q0", "memory"];
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
    const void *given[${given.length}] = { ${given.join(", ")} };
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
