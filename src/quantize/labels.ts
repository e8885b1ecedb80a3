/** Whether labels fit a model's output. */
import { BurinError } from "../util/errors.ts";
import { numbers, sizeOf, type TensorData } from "../util/tensor.ts";

/** The output that labels are about. */
export interface Labelled {
  readonly name: string;
  /** How many elements it has for one sample. */
  readonly elements: number;
}

/**
 * Labels as they are compared: class numbers [samples], or targets [samples, elements].
 * @param where what holds them, for messages
 * @throws BurinError `data/samples` where they are too few, of another size, or no class of the output
 */
export function checkLabels(
  labels: TensorData,
  samples: number,
  { name, elements }: Labelled,
  where = "the labels",
): TensorData {
  const refuse = (why: string, hint: string): never => {
    throw new BurinError("data/samples", `Cannot use ${where} as ${why}`, hint);
  };
  const count = labels.shape[0] ?? 1, each = sizeOf(labels.shape) / (count || 1);
  const classes = `class numbers from 0 to ${elements - 1}`;
  const forms = elements === 1
    ? "one number a sample"
    : `${classes}, or ${elements} targets a sample`;
  if (count !== samples) {
    refuse(`there are ${count} labels for ${samples} samples`, "give one label a sample");
  }
  if (each !== 1 && each !== elements) {
    refuse(
      `a label has ${each} elements and the output '${name}' ${elements}`,
      `give ${forms}`,
    );
  }
  const values = numbers(labels), isClass = each === 1 && elements > 1;
  const bad = values.findIndex((v) =>
    isClass ? !(Number.isInteger(v) && v >= 0 && v < elements) : !Number.isFinite(v)
  );
  if (bad >= 0) {
    const sample = Math.floor(bad / each);
    refuse(
      isClass
        ? `the label of sample ${sample}, ${values[bad]}, is no class of the output '${name}'`
        : `the label of sample ${sample} holds ${values[bad]}`,
      `give ${forms}; samples count from 0`,
    );
  }
  return { ...labels, shape: each === 1 ? [count] : [count, elements] };
}
