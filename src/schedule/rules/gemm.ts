/** Rows × columns in registers. */
import { intRange } from "../../util/dtype.ts";
import { has, type Target } from "../../target/target.ts";
import { valueRange } from "../../te/analyze.ts";
import { dot4, dotOrder, widen } from "../../tir/intrinsics.ts";
import { ROW_COLS } from "../../tir/dot_row.ts";
import { MAC_COLS } from "../../tir/mac_block.ts";
import { canPair } from "../gemm.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { pairedProduct, rowSteps, tileAxes, tileSteps } from "./tile.ts";

/** Tile of the blocked product: pixels × channels in registers. */
const TILE = { rows: 2, cols: 2 };

/** Rows × columns with a register-blocked inner product. */
export function gemmSchedule(
  w: Workload,
  s: State,
  r: Stage,
  out: Stage,
  target: Target,
): Step[] | null {
  const axes = tileAxes(w, s, r, out);
  if (!axes) return null;
  const [lo, hi] = valueRange(axes.weights) ?? [-Infinity, Infinity], i8 = intRange("int8");
  const dtype = lo >= i8.min && hi <= i8.max ? "int8" : "int16";
  const dot = dot4(dtype), order = dotOrder(dtype);
  const paired = has(target, "dsp") && canPair(s, r);
  const extent = (of: readonly string[]) =>
    of.reduce(
      (p, n) => p * out.compute.out.shape[out.compute.axes.findIndex((v) => v.name === n)],
      1,
    );
  const single = paired && extent(axes.rowAxes) === 1 && extent(axes.colAxes) % ROW_COLS === 0;
  const plain = !has(target, "dsp") && dtype === "int8";
  const tile = single
    ? { rows: 1, cols: ROW_COLS }
    : plain
    ? { rows: has(target, "umull") ? 2 : 1, cols: MAC_COLS }
    : TILE;
  const packing: Step = paired
    ? { do: "gemm", stage: r.name, block: tile.cols, group: 2, order: "paired", dtype: "int8" }
    : plain
    ? { do: "gemm", stage: r.name, block: tile.cols, group: 1, order: [0], dtype }
    : { do: "gemm", stage: r.name, block: TILE.cols, group: 4, order, dtype };
  return [
    packing,
    ...tileSteps(r, out, axes, tile),
    { do: "unroll", stage: r.name, loop: "row" },
    { do: "unroll", stage: r.name, loop: "col" },
    ...(paired || plain ? pairedProduct(r.name) : groupedProduct(r.name, dot.name)),
    ...rowSteps(w, r, `${r.name}_rows`, (dtype, run) => widen(dtype, run % 16 === 0 ? 16 : 4).name),
  ];
}

/** The product in groups of four, one call an accumulator. */
const groupedProduct = (stage: string, intrinsic: string): Step[] => [
  { do: "split", stage, loop: "k", factor: 4, tail: "exact" },
  { do: "reorder", stage, loops: ["k_o", "row", "col", "k_i"] },
  { do: "tensorize", stage, loop: "k_i", intrinsic },
];
