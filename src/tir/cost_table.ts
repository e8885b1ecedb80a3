/**
 * Instructions of each kind of operation, per kind of core: what gcc 12 -O2 makes of the generated C
 * as counted under QEMU on mps2-an386, -an385, -an500, -an505, mps3-an547, microbit and qemu-rv32imc.
 */
import { architectureOf } from "../target/architecture.ts";
import { has, isHost, type Target } from "../target/target.ts";

/** What a loop program's cost is made of. */
export type Operation =
  /** A call of a kernel: registers saved and restored. */
  | "kernel"
  /** A loop begins. */
  | "enter"
  /** A turn of a loop: compare and branch. */
  | "turn"
  /** A turn of a loop around one intrinsic whose bounds are no literals: its counter. */
  | "count"
  /** A loop whose bounds are no literals begins: they are kept in memory, for want of registers. */
  | "bounds"
  /** A condition: compare and branch. */
  | "branch"
  /** A pointer goes on to the next element. */
  | "pointer"
  /** A pointer is set to where a loop begins. */
  | "setUp"
  /** An integer from memory. */
  | "load"
  /** A float from memory. */
  | "floatLoad"
  /** An element to memory. */
  | "store"
  /** An element from memory to a local array, on cores with vectors. */
  | "copy"
  /** A register to another, or a literal to one. */
  | "move"
  /** An integer addition, shift, logical operation. */
  | "alu"
  /** An integer minimum or maximum. */
  | "select"
  /** An integer product. */
  | "mul"
  /** An integer product with its sum. */
  | "mac"
  /** An integer quotient. */
  | "divide"
  /** An integer quotient or remainder by a literal. */
  | "divideBy"
  /** An operation on 64 bits. */
  | "wide"
  /** A float sum. */
  | "floatAdd"
  /** A float product. */
  | "floatMul"
  /** A float quotient. */
  | "floatDiv"
  /** A square root. */
  | "floatSqrt"
  /** A float minimum or maximum. */
  | "floatMax"
  /** A condition on floats. */
  | "floatCompare"
  /** A float rounded to a whole one. */
  | "floatRound"
  /** Float32 to float64 or back. */
  | "floatConvert"
  /** An integer to a float. */
  | "toFloat"
  /** A float to an integer, saturating. */
  | "fromFloat"
  /** `REQUANTIZE` of te/rounding.ts. */
  | "requantize"
  /** `REQUANTIZE_WORD` of it, without an FPU: about three of four words are multipliers. */
  | "requantizeWord"
  /** `ROUND_CLAMP` of te/rounding.ts. */
  | "roundClamp"
  /** A function of libm. */
  | "libm"
  /** An instruction of an intrinsic's text. */
  | "instruction";

/** Instructions of one of each. */
export type Costs = Readonly<Record<Operation, number>>;

/** Thumb-2 with an FPU. */
const FPU: Costs = {
  kernel: 12,
  enter: 1,
  setUp: 1,
  turn: 2,
  count: 3,
  bounds: 4,
  branch: 2,
  pointer: 1,
  load: 1,
  floatLoad: 1,
  store: 1,
  copy: 0.5,
  move: 1,
  alu: 1,
  select: 2,
  mul: 1,
  mac: 1,
  divide: 2,
  divideBy: 3,
  wide: 4,
  floatAdd: 1,
  floatMul: 1,
  floatDiv: 1,
  floatSqrt: 1,
  floatMax: 4,
  floatCompare: 3,
  floatRound: 20,
  floatConvert: 1,
  toFloat: 2,
  fromFloat: 6,
  requantize: 7,
  requantizeWord: 13,
  roundClamp: 5,
  libm: 60,
  instruction: 1,
};

/** Cycles of the same on a Cortex-M4, by the model of target/cycle_model.ts. */
export const CYCLES: Costs = {
  ...FPU,
  kernel: 26,
  turn: 4,
  count: 5,
  branch: 3,
  load: 1.55,
  floatLoad: 1.55,
  divide: 8,
  floatDiv: 14,
  floatSqrt: 14,
  floatMax: 5,
  floatCompare: 4,
  floatRound: 28,
  fromFloat: 8,
  requantize: 7.5,
  libm: 90,
};

/** Floats are functions of libgcc; requantisation is integer arithmetic with a product of 64 bits. */
const SOFT_FLOAT: Costs = {
  ...FPU,
  floatAdd: 47,
  floatMul: 40,
  floatDiv: 98,
  floatSqrt: 200,
  floatMax: 30,
  floatCompare: 25,
  floatRound: 40,
  floatConvert: 30,
  toFloat: 20,
  fromFloat: 15,
  requantize: 23,
  roundClamp: 32,
  libm: 800,
  mac: 1.1,
  alu: 1.1,
};

/** Cortex-M0: also without long products and division, with eight registers and short offsets. */
const SMALL: Costs = {
  ...SOFT_FLOAT,
  bounds: 0,
  turn: 2.5,
  pointer: 2,
  alu: 1.4,
  load: 0.8,
  floatLoad: 2,
  store: 1.7,
  select: 1.5,
  mac: 5.1,
  divide: 60,
  divideBy: 38,
  floatAdd: 70,
  floatMul: 108,
  floatDiv: 275,
  floatMax: 35,
  toFloat: 50,
  requantize: 74,
  requantizeWord: 50,
  instruction: 1.9,
  roundClamp: 65,
  libm: 1500,
  branch: 2.2,
};

/** RISC-V with M and without F: compares as it branches, no product with a sum, no leading zeros. */
const RV32: Costs = {
  ...SOFT_FLOAT,
  kernel: 9,
  setUp: 0.5,
  turn: 2.8,
  branch: 1,
  load: 0.9,
  alu: 1.1,
  select: 1,
  mac: 2,
  wide: 6,
  floatAdd: 62,
  floatMul: 94,
  floatDiv: 85,
  floatMax: 25,
  floatCompare: 27,
  toFloat: 75,
  requantize: 30,
  requantizeWord: 18,
  roundClamp: 18,
  instruction: 1.4,
};

/** The costs of a core. */
export function costsOf(target: Target): Costs {
  if (has(target, "fpu") || isHost(target)) return FPU;
  if (architectureOf(target)?.name === "riscv") return RV32;
  return has(target, "umull") ? SOFT_FLOAT : SMALL;
}
