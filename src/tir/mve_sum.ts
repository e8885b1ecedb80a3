/** Bytes of several places summed in eight channels at once (MVE): what pools do. */
import { add, cast, type Expr, imm, load, mul, sub, variable } from "../te/expr.ts";
import { advance } from "./mve_asm.ts";
import { read, type TensorIntrin, write } from "./intrinsics.ts";
import { type Access, seq, type Stmt } from "./stmt.ts";

export const SUM_CHANNELS = 8;

export interface SumShape {
  readonly dtype: "int8" | "uint8";
  /** Rows of places, and how far they lie apart; places of a row, and how far these do. */
  readonly rows: number;
  readonly rowStep: number;
  readonly places: number;
  readonly step: number;
}

/** Bytes that halfwords hold the sum of. */
const AT_ONCE = { int8: 255, uint8: 128 } as const;

/** Offsets by which VLDRB moves its pointer. */
const NEAR = 127;

/**
 * acc[c] += Σ places: x[place + c] − zero, for eight channels.
 *
 * Operands: acc int32, x bytes; the zero point is a scalar.
 */
export function sumPlaces(s: SumShape): TensorIntrin {
  const { dtype, rows, rowStep, places, step } = s, most = AT_ONCE[dtype];
  const name = `sum8_${dtype === "int8" ? "s8" : "u8"}_${rows}x${places}_r${rowStep}_s${step}`;
  const head =
    `/* acc[c] += sum of x[place + c] - zero over ${rows} rows of places, ${rowStep} apart, of ${places}, ${step} apart, for 8 channels */
__attribute__((noinline)) static void ${name}(int32_t *acc, const ${dtype}_t *x, int32_t zero)`;
  const next = step <= NEAR && step > 0
    ? [`vldrb.${dtype === "int8" ? "s" : "u"}16 q1, [%[at]], #${step}`]
    : [`vldrb.${dtype === "int8" ? "s" : "u"}16 q1, [%[at]]`, ...advance("%[at]", step)];
  const turn = next.length + 2, flush = 13;
  const body = [
    "vmov.i32 q0, #0",
    "dls lr, %[m]",
    "1:",
    ...next,
    "vadd.i16 q0, q0, q1",
    "le lr, 1b",
    "vld20.32 {q2, q3}, [%[acc]]",
    "vld21.32 {q2, q3}, [%[acc]]",
    "vmovlb.s16 q1, q0",
    "vmovlt.s16 q0, q0",
    "vadd.i32 q2, q2, q1",
    "vadd.i32 q3, q3, q0",
    "vadd.i32 q2, q2, %[less]",
    "vadd.i32 q3, q3, %[less]",
    "vst20.32 {q2, q3}, [%[acc]]",
    "vst21.32 {q2, q3}, [%[acc]]",
  ];
  return {
    name,
    args: [
      { name: "acc", dtype: "int32", count: SUM_CHANNELS, mode: "update" },
      {
        name: "x",
        dtype,
        count: (rows - 1) * rowStep + (places - 1) * step + SUM_CHANNELS,
        mode: "read",
      },
    ],
    scalars: ["zero"],
    byValue: false,
    meaning: (args, [zero]) => meaning(args, s, zero),
    c: [
      {
        feature: "mve",
        needs: [],
        instructions: 30 +
          rows * (6 + places * turn + Math.ceil(places / most) * (flush + 8)),
        inMemory: true,
        text: `${head}
{
    for (int32_t r = 0; r < ${rows}; r++) {
        const ${dtype}_t *at = x + ${rowStep} * r;

        /* Halfwords hold the sum of ${most} bytes. */
        for (int32_t n = ${places}, m; n > 0; n -= m) {
            m = n < ${most} ? n : ${most};
            __asm__ volatile(
${body.map((l) => `                "${l}\\n"`).join("\n")}
                : [at] "+&l"(at)
                : [acc] "r"(acc), [m] "r"(m), [less] "r"(-zero * m)
                : "q0", "q1", "q2", "q3", "lr", "memory");
        }
    }
}`,
      },
      {
        feature: null,
        needs: [],
        text: `${head}
{
    for (int32_t r = 0; r < ${rows}; r++) {
        for (int32_t i = 0; i < ${places}; i++) {
            for (int32_t c = 0; c < ${SUM_CHANNELS}; c++) {
                acc[c] += x[${rowStep} * r + ${step} * i + c] - zero;
            }
        }
    }
}`,
      },
    ],
  };
}

function meaning([acc, x]: readonly Access[], s: SumShape, zero: number): Stmt {
  const r = variable("r", "int32", [0, s.rows - 1]), i = variable("i", "int32", [0, s.places - 1]);
  const at = (c: number): Expr[] =>
    x.idx.map((e, d) => d === x.axis ? add(e, add(add(mul(r, s.rowStep), mul(i, s.step)), c)) : e);
  const body = seq(
    ...Array.from(
      { length: SUM_CHANNELS },
      (_, c) => write(acc, c, add(read(acc, c), sub(cast("int32", load(x.buf, at(c))), zero))),
    ),
  );
  const inner: Stmt = { k: "for", v: i, lo: imm(0), hi: imm(s.places), body };
  return { k: "for", v: r, lo: imm(0), hi: imm(s.rows), body: inner };
}
