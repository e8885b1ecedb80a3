/** Runs a compiled program on the loop IR, in the memory that was planned for it. */
import { bytesOf } from "../util/dtype.ts";
import { BurinError, invariant } from "../util/errors.ts";
import { arrayOver, type ElementArray, type TensorData, zeros } from "../util/tensor.ts";
import { interpretKernel, type RunnableKernel } from "../tir/interp.ts";
import type { Buffer } from "../tir/stmt.ts";
import type { Argument, Program } from "../codegen/program.ts";

/**
 * A function that runs one sample: inputs in graph order, outputs likewise. The arena keeps what the
 * last run left in it, as it does on a board.
 */
export function interpreter(
  p: Program,
  options: { checked?: boolean } = {},
): (inputs: readonly TensorData[]) => TensorData[] {
  const params = new Map(p.params.map((x) => [x.name, x.data.data]));
  const arenas = new Map(
    p.regions.map((r) => [r.name, new ArrayBuffer(Math.ceil(r.bytes / 8) * 8 + 8)]),
  );
  let kernels: RunnableKernel[] | undefined;
  const over = (buffer: ArrayBufferLike, start: number, b: Buffer): ElementArray => {
    const room = Math.floor((buffer.byteLength - start) / bytesOf(b.dtype));
    return arrayOver(b.dtype, buffer, start, Math.min(b.length, room));
  };
  return (inputs) => {
    kernels ??= p.calls.map((c) => interpretKernel(c.kernel, options));
    p.inputs.forEach((port, i) => {
      const { placement: at } = port;
      if (at.where !== "arena") return;
      const arena = arenas.get(at.region)!;
      arrayOver(port.dtype, arena, at.offset, inputs[i].data.length).set(inputs[i].data as never);
    });
    const outputs = p.outputs.map((o) => zeros(o.dtype, o.shape));
    const memory = (a: Argument, b: Buffer): ElementArray => {
      switch (a.k) {
        case "input":
          return inputs[a.index].data;
        case "output":
          return outputs[a.index].data;
        case "arena":
          return over(arenas.get(a.region)!, a.offset, b);
        case "param":
          return params.get(a.name)!;
      }
    };
    p.calls.forEach((c, i) => {
      invariant(c.args.length === c.kernel.buffers.length, `${c.kernel.name} lacks arguments`);
      kernels![i]([
        ...c.kernel.buffers.map((b, j) => memory(c.args[j], b)),
        ...c.paramNames.map((n) => params.get(n)!),
      ]);
      if (c.check === undefined) return;
      const [holds] = memory(c.args[c.check], c.kernel.buffers[c.check]);
      if (!holds) {
        throw new BurinError(
          "data/wrong-operand",
          `Cannot run the sample as ${
            c.kernel.origin.join(", ")
          } gets another shape or axis than ` +
            "the model declares",
          "give the inputs that are shapes or axes the values that the declared outputs follow from",
        );
      }
    });
    return p.outputs.map((o, i) => {
      const { placement: at } = o;
      if (at.where !== "arena") return outputs[i];
      const data = arrayOver(o.dtype, arenas.get(at.region)!, at.offset, outputs[i].data.length);
      return { ...outputs[i], data: data.slice() };
    });
  };
}
