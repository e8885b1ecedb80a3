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
  roundClamp: 5,
  libm: 60,
  instruction: 1,
};

/** Floats are functions of libgcc; requantisation is integer arithmetic with a product of 64 bits. */
const SOFT_FLOAT: Costs = {
  ...FPU,
  floatAdd: 44,
  floatMul: 36,
  floatDiv: 90,
  floatSqrt: 200,
  floatMax: 30,
  floatCompare: 25,
  floatRound: 40,
  floatConvert: 30,
  toFloat: 18,
  fromFloat: 15,
  requantize: 23,
  roundClamp: 28,
  libm: 800,
};

/** Cortex-M0: also without long products and division, with eight registers and short offsets. */
const SMALL: Costs = {
  ...SOFT_FLOAT,
  turn: 4,
  pointer: 2,
  alu: 1.5,
  load: 2,
  floatLoad: 2,
  store: 2,
  select: 3,
  mac: 4.6,
  divide: 60,
  divideBy: 35,
  floatAdd: 65,
  floatMul: 95,
  floatDiv: 250,
  floatMax: 35,
  toFloat: 45,
  requantize: 76,
  roundClamp: 60,
  libm: 1500,
};

/** RISC-V with M and without F: compares as it branches, no product with a sum, no leading zeros. */
const RV32: Costs = {
  ...SOFT_FLOAT,
  kernel: 9,
  setUp: 0.5,
  turn: 3,
  branch: 1,
  load: 0.9,
  alu: 1.1,
  select: 1,
  mac: 2,
  wide: 6,
  floatAdd: 56,
  floatMul: 84,
  floatDiv: 65,
  floatMax: 25,
  floatCompare: 27,
  toFloat: 80,
  requantize: 26,
  roundClamp: 17,
  instruction: 1.2,
};

/** The costs of a core. */
export function costsOf(target: Target): Costs {
  if (has(target, "fpu") || isHost(target)) return FPU;
  if (architectureOf(target)?.name === "riscv") return RV32;
  return has(target, "umull") ? SOFT_FLOAT : SMALL;
}
