/** Running a model on samples as generated C and looking at tensors inside it. */
import { compileModel, type CompileOptions } from "../compile.ts";
import { EditableModel } from "../onnx/editable.ts";
import type { Sample } from "../run/samples.ts";
import { withHostModel } from "../run/host.ts";
import type { TensorData } from "../util/tensor.ts";

/** Values of one run by tensor name. */
export type Values = (name: string) => TensorData;

/**
 * Compiles a model for this computer with further outputs, runs it, and shows each run.
 *
 * @param names tensors to see: inputs, outputs, anything float that a node computes
 * @param take called once a sample, in order
 * @throws BurinError as compiling and running do
 */
export async function observe(
  file: Uint8Array,
  compile: CompileOptions,
  names: readonly string[],
  samples: readonly Sample[],
  take: (values: Values, index: number) => void,
): Promise<void> {
  const model = EditableModel.read(file);
  const inputs = model.inputs, present = new Set([...inputs, ...model.outputs]);
  for (const name of names) if (!present.has(name)) model.addOutput(name);
  const artifact = await compileModel(model.encode(), compile);
  const inputAt = new Map(artifact.inputs.map((p, i) => [p.name, i]));
  const outputAt = new Map(artifact.outputs.map((p, i) => [p.name, i]));
  await withHostModel(artifact, compile.board, (run) =>
    run(samples, (outputs, index) => {
      const values: Values = (name) =>
        outputAt.has(name) ? outputs[outputAt.get(name)!] : samples[index][inputAt.get(name)!];
      take(values, index);
    }));
}
