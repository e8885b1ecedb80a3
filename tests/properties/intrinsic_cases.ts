/** Calls of intrinsics with operands, as kernels: what tests compare with the C of a board. */
import assert from "node:assert/strict";
import type { Random } from "./random.ts";
import { runOnBoard } from "../../src/run/mod.ts";
import { loadBoard } from "../../src/target/boards.ts";
import { add, type Expr, imm, load, mul, variable } from "../../src/te/expr.ts";
import { interpretKernel } from "../../src/tir/interp.ts";
import type { TensorIntrin } from "../../src/tir/intrinsics.ts";
import {
  type Access,
  type Buffer,
  denseBuffer,
  type Kernel,
  seq,
  type Stmt,
} from "../../src/tir/stmt.ts";
import { verifyKernel } from "../../src/tir/verify.ts";
import {
  numbers,
  rowMajor,
  sizeOf,
  tensor,
  type TensorData,
  zeros,
} from "../../src/util/tensor.ts";
import { artifactOf, KERNELS_SOURCE } from "../../src/codegen/testing.ts";

/** Calls of one intrinsic, one after another through its operands' buffers. */
export const TRIALS = 32;

/** An operand of one call; its buffer holds those of all calls along the first axis. */
export interface Operand {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}
export interface Case {
  readonly intrinsic: TensorIntrin;
  readonly scalars: readonly number[];
  /** Of the first operand only where it is updated. */
  readonly operands: readonly Operand[];
  /** Which elements of the first operand are the call's, of those from its first to its last; default all. */
  readonly own?: (element: number) => boolean;
}

function kernelOf(c: Case, index: number): Kernel {
  const { args } = c.intrinsic;
  const buffers = args.map((a, i) => {
    const [first, ...rest] = c.operands[i].shape;
    const shape = [TRIALS * first, ...rest];
    const scope = a.mode === "read" ? "input" : "output";
    return denseBuffer(`${a.name}${index}`, a.dtype, shape, scope, rowMajor(shape), 4);
  });
  const t = variable("t", "int32", [0, TRIALS - 1]);
  // Planes are elements apart along the first axis of their buffer.
  const spread = c.intrinsic.scalars.includes("stride");
  const access = (b: Buffer): Access => ({
    buf: b,
    idx: [mul(t, b.shape[0] / TRIALS), ...b.shape.slice(1).map(() => imm(0))],
    axis: spread ? 0 : b.shape.length - 1,
  });
  const start = buffers.flatMap((b, i) => {
    if (args[i].mode !== "update") return [];
    const from = { ...b, name: `${b.name}_start`, scope: "input" as const };
    return [{ from, copy: copy(from, b, t) }];
  });
  const call: Stmt = {
    k: "intrin",
    op: c.intrinsic,
    args: buffers.map(access),
    scalars: c.scalars,
  };
  const body = seq(...start.map((s) => s.copy), call);
  return {
    name: c.intrinsic.name,
    buffers: [...buffers, ...start.map((s) => s.from)],
    params: [],
    body: { k: "for", v: t, lo: imm(0), hi: imm(TRIALS), body },
    origin: [],
    ops: [c.intrinsic.name],
    macs: 0,
  };
}

/** What belongs to call t, element by element. */
function copy(from: Buffer, to: Buffer, t: Expr): Stmt {
  const [all, ...rest] = from.shape, own = [all / TRIALS, ...rest], strides = rowMajor(own);
  const cells = Array.from({ length: sizeOf(own) }, (_, i) => {
    const [first, ...inner] = own.map((n, d) => Math.floor(i / strides[d]) % n);
    return [add(mul(t, own[0]), first), ...inner.map((v) => imm(v))];
  });
  return seq(
    ...cells.map((idx): Stmt => ({ k: "store", buf: to, idx, value: load(from, idx) })),
  );
}

/** What the meanings give: outputs of all cases in order. */
function interpreted(cases: readonly Case[], kernels: readonly Kernel[]): TensorData[] {
  return cases.flatMap((c, i) => {
    const memory = kernels[i].buffers.map((b, j) => dataOf(c, b, j));
    interpretKernel(kernels[i], { checked: true })(memory.map((m) => m.data));
    return memory.filter((_, j) => kernels[i].buffers[j].scope === "output");
  });
}

/** Elements of a buffer: an input's values, zeros for an output. */
function dataOf(c: Case, b: Buffer, index: number): TensorData {
  if (b.scope === "output") return zeros(b.dtype, b.shape);
  return tensor(b.dtype, b.shape, c.operands[index % c.operands.length].values);
}

export const drawn = (r: Random, count: number, lo: number, hi: number): number[] =>
  Array.from({ length: count }, () => r.oneIn(3) ? r.pick([lo, hi]) : r.int(lo, hi));

/**
 * Compares the C of every case on a board with what the cases mean.
 *
 * @returns the C
 */
export async function checkCases(cases: readonly Case[], board: string): Promise<string> {
  const kernels = cases.map(kernelOf);
  kernels.forEach(verifyKernel);
  const want = interpreted(cases, kernels);
  const artifact = artifactOf(kernels, loadBoard(board));
  const inputs = kernels.flatMap((k, i) =>
    k.buffers.flatMap((b, j) => b.scope === "input" ? [dataOf(cases[i], b, j)] : [])
  );
  const { outputs } = await runOnBoard(artifact, loadBoard(board), [inputs]);
  const written = cases.flatMap((c) =>
    c.intrinsic.args.flatMap((a, operand) => a.mode === "read" ? [] : [{ c, operand }])
  );
  want.forEach((t, i) => {
    const { c: { intrinsic, own: isOwn, operands }, operand } = written[i];
    const size = sizeOf(operands[operand].shape);
    const every = isOwn === undefined || operand > 0;
    const own = (x: TensorData) => numbers(x).filter((_, n) => every || isOwn(n % size));
    const [got, wanted] = [own(outputs[0][i]), own(t)];
    const first = got.findIndex((v, n) => v !== wanted[n]);
    assert.equal(
      first,
      -1,
      `${intrinsic.name} gives ${got[first]} for ${wanted[first]} at ${first}`,
    );
  });
  return artifact.sources.get(KERNELS_SOURCE)!;
}
