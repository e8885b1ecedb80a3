/** Einsum: sums of products over the axes that an equation names. */
import { axis as reduceAxis, compute, sum, type Tensor } from "../te/compute.ts";
import { type Expr, imm, load, mul } from "../te/expr.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames } from "./axes.ts";
import { onnx, operand, sameType, type Types } from "./common.ts";

/** One name for every axis of the inputs and of the output; those behind the ellipsis are numbers. */
interface Labels {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
  readonly sizes: ReadonlyMap<string, number>;
}

/** An equation's letters against the shapes. */
function labels(equation: string, shapes: readonly (readonly number[])[]): Labels {
  const bad = (why: string): OpError =>
    new OpError(`its equation '${equation}' ${why}`, "correct the equation or the inputs");
  const text = equation.replaceAll(" ", ""), [left, right] = text.split("->");
  const terms = left.split(",");
  if (terms.length !== shapes.length) throw bad(`has ${terms.length} terms`);
  const named = (term: string, rank: number | null, broadcast: number): string[] => {
    const match = /^([A-Za-z]*)(\.\.\.)?([A-Za-z]*)$/.exec(term);
    if (!match) throw bad(`has a term '${term}' that is not understood`);
    const [, before, dots, after] = match;
    const count = rank === null ? broadcast : rank - before.length - after.length;
    if (count < 0 || (!dots && rank !== null && count > 0)) throw bad(`does not fit ${rank} axes`);
    // Counted from the last, as broadcasting does.
    const middle = dots ? Array.from({ length: count }, (_, i) => `${count - i}`) : [];
    return [...before, ...middle, ...after];
  };
  const inputs = terms.map((t, i) => named(t, shapes[i].length, 0));
  const sizes = new Map<string, number>();
  inputs.forEach((names, i) =>
    names.forEach((name, axis) => {
      const n = shapes[i][axis], known = sizes.get(name) ?? 1;
      if (n !== 1 && known !== 1 && n !== known) throw bad(`gives '${name}' ${known} and ${n}`);
      sizes.set(name, Math.max(n, known));
    })
  );
  const broadcast = Math.max(0, ...[...sizes.keys()].map(Number).filter((n) => n > 0));
  const all = inputs.flat();
  const output = right !== undefined ? named(right, null, broadcast) : [
    ...named("...", null, broadcast),
    ...[...sizes.keys()].filter((n) => !/\d/.test(n) && all.indexOf(n) === all.lastIndexOf(n))
      .sort(),
  ];
  const unknown = output.find((n) => !sizes.has(n));
  if (unknown !== undefined || new Set(output).size !== output.length) {
    throw bad("has an output that its terms do not give");
  }
  return { inputs, output, sizes };
}

function types(ins: Types): TensorType[] {
  const list = ins.map((_, i) => operand(ins, i, "number"));
  sameType(list);
  return list;
}

const einsum: OpDef<{ equation: string }> = {
  name: "Einsum",
  onnx: [onnx("Einsum", 12, (r) => ({ equation: r.string("equation") }))],
  infer({ equation }, ins) {
    const list = types(ins), l = labels(equation, list.map(dims));
    return [{ dtype: list[0].dtype, shape: l.output.map((n) => l.sizes.get(n)!) }];
  },
  body: {
    kind: "compute",
    define({ equation }, ins, [out]) {
      const tensors = ins as readonly Tensor[], shape = dims(out);
      const l = labels(equation, tensors.map((t) => t.shape));
      const summed = [...l.sizes.keys()].filter((n) => !l.output.includes(n));
      return [compute("y", out.dtype, shape, (...at) => {
        const axes = summed.map((n) => reduceAxis(`sum_${n}`, l.sizes.get(n)!));
        const place = new Map<string, Expr>([
          ...l.output.map((n, i) => [n, at[i]] as const),
          ...summed.map((n, i) => [n, axes[i].v] as const),
        ]);
        const element = tensors.map((t, i): Expr =>
          load(t, l.inputs[i].map((n, axis) => t.shape[axis] === 1 ? imm(0) : place.get(n)!))
        ).reduce((x, y) => mul(x, y));
        return axes.length ? sum(axes, element) : element;
      }, axisNames(shape.length))];
    },
  },
};

export const ops = [einsum] as OpDef<unknown>[];
