/** Loop programs of operators whose control flow depends on data. */
import { bytesOf } from "../util/dtype.ts";
import { rowMajor, sizeOf, type TensorData, zeros } from "../util/tensor.ts";
import { interpretKernel } from "../tir/interp.ts";
import { type Buffer, denseBuffer, type Kernel, type Scope } from "../tir/stmt.ts";
import { dims, type TensorType } from "./graph.ts";
import type { IO, KernelBody } from "./opdef.ts";

/** A kernel of such an operator over buffers for its operands. */
export function kernelOf<A>(
  body: KernelBody<A>,
  a: A,
  io: IO,
  operands: { readonly ins: readonly (Buffer | null)[]; readonly outs: readonly Buffer[] },
  about: Pick<Kernel, "name" | "origin" | "ops" | "macs">,
): Kernel {
  const scratch = (body.scratch?.(a, io) ?? []).map((t, i) => dense(t, `s${i || ""}`, "scratch"));
  const constants = (body.constants?.(a) ?? []).map((data, i): Buffer => ({
    ...dense(data, `k${i || ""}`, "param"),
    data,
  }));
  const program = body.program(a, { ...operands, scratch, constants });
  const ins = operands.ins.filter((b): b is Buffer => b !== null);
  const own = ins.filter((b) => b.scope === "param");
  return {
    ...about,
    buffers: [...new Set(ins.filter((b) => b.scope !== "param")), ...operands.outs, ...scratch],
    params: [...new Set(own), ...constants],
    body: program,
    ordered: true,
  };
}

const dense = (t: TensorType, name: string, scope: Scope): Buffer =>
  denseBuffer(name, t.dtype, dims(t), scope, rowMajor(dims(t)), bytesOf(t.dtype));

/** Runs such an operator on the interpreter of loop programs. */
export function runKernel<A>(
  body: KernelBody<A>,
  a: A,
  ins: readonly (TensorData | null)[],
  outs: readonly TensorType[],
): TensorData[] {
  const io: IO = { ins: ins.map((t) => t && { dtype: t.dtype, shape: t.shape }), outs };
  const given = ins.map((t, i) => t && dense(t, `x${i || ""}`, "input"));
  const results = outs.map((t) => zeros(t.dtype, dims(t)));
  const made = outs.map((t, i) => dense(t, `y${i || ""}`, "output"));
  const k = kernelOf(body, a, io, { ins: given, outs: made }, {
    name: "",
    origin: [],
    ops: [],
    macs: 0,
  });
  const memory = new Map<Buffer, TensorData["data"]>();
  given.forEach((b, i) => b && memory.set(b, ins[i]!.data));
  made.forEach((b, i) => memory.set(b, results[i].data));
  interpretKernel(k)([
    ...k.buffers.map((b) => memory.get(b) ?? zeros(b.dtype, [sizeOf(b.shape)]).data),
    ...k.params.map((b) => b.data!.data),
  ]);
  return results;
}
