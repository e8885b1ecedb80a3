/** Sizes for symbolic and anonymous dimensions: from the user, or 1 for a leading batch. */
import { BurinError } from "../util/errors.ts";
import { didYouMean } from "../util/near.ts";
import type { TensorType } from "../ir/graph.ts";
import type { DimView, GraphView, TypeView, ValueInfoView } from "./reader.ts";
import { dtypeOf, elementCount } from "./tensors.ts";

/** What the dimensions' names mean from here on. */
export class DimSizes {
  constructor(readonly sizes: ReadonlyMap<string, number>) {}

  /** The size of a declared dimension, null where it is not known. */
  size(d: DimView): number | null {
    if (typeof d === "string") return this.sizes.get(d) ?? null;
    return d !== null && d >= 0 ? d : null;
  }

  /** The declared tensor type, null where it is not complete. */
  type(t: TypeView, what: string): TensorType | null {
    if (t.kind !== "tensor" || t.elemType === 0 || t.shape === null) return null;
    const shape = t.shape.map((d) => this.size(d));
    if (shape.includes(null)) return null;
    elementCount(shape as number[], what);
    return { dtype: dtypeOf(t.elemType, what), shape: shape as number[] };
  }
}

/** Name of a dimension: as declared, or `input.axis` where it is anonymous, null for a number. */
const dimName = (v: ValueInfoView, axis: number): string | null => {
  const d = v.type.shape![axis];
  if (typeof d === "string") return d;
  return d !== null && d >= 0 ? null : `${v.name}.${axis}`;
};

/**
 * Gives every dimension of the inputs a size.
 *
 * @param inputs the graph's inputs, initialisers not among them
 * @param given sizes by name, from `--dim NAME=SIZE`
 * @throws BurinError `model/unbound-dimension`, `usage/unknown-dimension`, `usage/bad-dimension`
 */
export function bindDims(
  graph: GraphView,
  inputs: readonly ValueInfoView[],
  given: Readonly<Record<string, number>>,
  notes: string[],
): { sizes: DimSizes; types: TensorType[] } {
  inputs.forEach(checkKind);
  const names = inputs.map((v) => v.type.shape!.map((_, axis) => dimName(v, axis)));
  checkGiven(given, names.flat().filter((n) => n !== null), graph);
  const sizes = new Map<string, number>(Object.entries(given));
  const inner = new Set(names.flatMap((list) => list.slice(1)));
  inputs.forEach((v, i) => {
    const name = names[i][0];
    if (!name || sizes.has(name) || inner.has(name)) return;
    sizes.set(name, 1);
    notes.push(
      `the leading dimension '${name}' of the input '${v.name}' is taken as 1; ` +
        `--dim ${quoted(name)}=N gives it another size`,
    );
  });
  const open = [...new Set(names.flat())].filter((n) => n !== null && !sizes.has(n)) as string[];
  if (open.length) throw unbound(open, inputs, names);
  const types = inputs.map((v, i) => {
    const what = `the input '${v.name}'`;
    const shape = v.type.shape!.map((d, axis) =>
      names[i][axis] === null ? d as number : sizes.get(names[i][axis])!
    );
    elementCount(shape, what);
    return { dtype: dtypeOf(v.type.elemType, what), shape };
  });
  return { sizes: new DimSizes(sizes), types };
}

function checkKind(v: ValueInfoView): void {
  const what = `the input '${v.name}'`;
  if (v.type.kind !== "tensor") {
    throw new BurinError(
      "model/unsupported-type",
      `Cannot use ${what} as it is ${v.type.kind === "none" ? "of no type" : `a ${v.type.kind}`}`,
      v.type.kind === "sequence" || v.type.kind === "optional"
        ? "make each of its elements an input of the model"
        : "inputs must be tensors",
    );
  }
  dtypeOf(v.type.elemType, what);
  if (v.type.shape === null) {
    throw new BurinError(
      "model/unknown-shape",
      `Cannot use ${what} as its number of dimensions is not declared`,
      "export the model with input shapes",
    );
  }
}

function checkGiven(
  given: Readonly<Record<string, number>>,
  inInputs: readonly string[],
  graph: GraphView,
): void {
  const elsewhere = [...graph.outputs, ...graph.valueInfo]
    .flatMap((v) => v.type.shape ?? [])
    .filter((d) => typeof d === "string");
  const known = [...new Set([...inInputs, ...elsewhere])];
  for (const [name, size] of Object.entries(given)) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new BurinError(
        "usage/bad-dimension",
        `Cannot take ${size} as the size of '${name}' as it is not a positive integer`,
        `write --dim ${quoted(name)}=1`,
      );
    }
    if (known.includes(name)) continue;
    const names = [...new Set(inInputs)].map((n) => `'${n}'`).join(", ");
    const guess = didYouMean(name, known);
    throw new BurinError(
      "usage/unknown-dimension",
      `Cannot give '${name}' a size as the model has no dimension of that name`,
      (guess ? `${guess} ` : "") +
        (names ? `the inputs have ${names}` : "all dimensions of the inputs are fixed"),
    );
  }
}

function unbound(
  open: readonly string[],
  inputs: readonly ValueInfoView[],
  names: readonly (readonly (string | null)[])[],
): BurinError {
  const where = open.map((n) => {
    const i = names.findIndex((list) => list.includes(n));
    return `'${n}' (axis ${names[i].indexOf(n)} of the input '${inputs[i].name}')`;
  });
  const [s, have] = open.length === 1 ? ["", "has"] : ["s", "have"];
  return new BurinError(
    "model/unbound-dimension",
    `Cannot compile as the dimension${s} ${where.join(", ")} ${have} no size`,
    `give a size with ${open.map((n) => `--dim ${quoted(n)}=N`).join(" ")}`,
  );
}

/** Quoted where a shell would not take the name as it is. */
const quoted = (name: string): string =>
  /^[\w./:-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;

/** A dimension of a model's inputs that the file gives no size. */
export interface OpenDim {
  readonly name: string;
  /** Index among the inputs that are not initialised. */
  readonly input: number;
  readonly axis: number;
}

/** The dimensions of a model that `--dim` can give a size. */
export function openDims(g: GraphView): OpenDim[] {
  const initialized = new Set(g.initializers.map((t) => t.name));
  return g.inputs.filter((v) => !initialized.has(v.name)).flatMap((v, input) =>
    (v.type.shape ?? []).flatMap((_, axis) => {
      const name = dimName(v, axis);
      return name === null ? [] : [{ name, input, axis }];
    })
  );
}
