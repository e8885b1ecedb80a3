/** One step of an optimiser, for training on the device. */
import { type AttrReader, type OnnxBinding, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { type Building, building } from "./building.ts";
import { operand, type Types } from "./common.ts";
import { compare, pow } from "./elementwise.ts";
import { squareRoot } from "./unary.ts";

/** What a step makes of one tensor: the tensor and its states. */
type Step<A> = (
  g: Building,
  a: A,
  /** Rate and count, scalars of the tensors' type (the count int64). */
  scalars: { rate: Value; count: Value },
  tensors: readonly Value[],
) => Value[];

const binding = <A>(type: string, attrs: (r: AttrReader) => A): readonly OnnxBinding<A>[] => [
  { domain: "ai.onnx.preview.training", type, since: 1, attrs },
];

/** Inputs rate, count, tensors, gradients, states …; outputs tensors, states …. */
function optimizer<A>(
  name: string,
  states: number,
  attrs: (r: AttrReader) => A,
  step: Step<A>,
): OpDef<A> {
  const groups = states + 2;
  const count = (ins: Types): number => {
    const n = (ins.length - 2) / groups;
    if (!Number.isInteger(n) || n < 1) {
      throw new OpError(
        `it has ${ins.length} inputs`,
        `give it a rate, a count, and ${groups} for every tensor`,
      );
    }
    return n;
  };
  return {
    name,
    onnx: binding(name, attrs),
    infer(_, ins): TensorType[] {
      const n = count(ins);
      const kinds = Array.from(
        { length: groups },
        (_, k) => Array.from({ length: n }, (_, i) => operand(ins, 2 + k * n + i, "float")),
      );
      for (const kind of kinds.slice(1)) {
        kind.forEach((t, i) => {
          if (`${dims(t)}` !== `${dims(kinds[0][i])}` || t.dtype !== kinds[0][i].dtype) {
            throw new OpError(`its tensor ${i} and what belongs to it differ in type or shape`);
          }
        });
      }
      return [kinds[0], ...kinds.slice(2)].flat();
    },
    body: {
      kind: "expand",
      rewrite(a, ins, _, b) {
        const g = building(b), n = count(ins.map((v) => v!.type)), [rate, counted] = ins;
        const results = Array.from({ length: n }, (_, i) => {
          const tensors = Array.from({ length: groups }, (_, k) => ins[2 + k * n + i]!);
          const { dtype } = tensors[0].type;
          const scalar = (v: Value): Value => g.reshape(v, []);
          const scalars = { rate: g.cast(scalar(rate!), dtype), count: scalar(counted!) };
          return step(g, a, scalars, tensors);
        });
        return results[0].flatMap((_, k) => results.map((r) => r[k]));
      },
    },
  };
}

const started = (g: Building, count: Value): Value =>
  g.apply(compare.greater, null, count, g.scalar(0, count.type.dtype));
const root = (g: Building, x: Value): Value => g.apply(squareRoot, null, x);

/** The gradient with that of the regularisation, norm · x. */
const regularized = (g: Building, norm: number, x: Value, gradient: Value): Value =>
  norm === 0 ? gradient : g.add(g.mul(g.scalar(norm, x.type.dtype), x), gradient);

interface AdagradAttrs {
  readonly norm: number;
  readonly decay: number;
  readonly epsilon: number;
}
const adagrad = optimizer<AdagradAttrs>(
  "Adagrad",
  1,
  (r) => ({
    norm: r.float("norm_coefficient", 0),
    decay: r.float("decay_factor", 0),
    epsilon: r.float("epsilon", 0),
  }),
  (g, a, { rate, count }, [x, given, h]) => {
    const { dtype } = x.type, c = (v: number): Value => g.scalar(v, dtype);
    const slowed = g.div(rate, g.add(c(1), g.mul(g.cast(count, dtype), c(a.decay))));
    const gradient = regularized(g, a.norm, x, given);
    const next = g.add(h, g.mul(gradient, gradient));
    const divisor = g.add(root(g, next), c(a.epsilon));
    return [g.sub(x, g.div(g.mul(slowed, gradient), divisor)), next];
  },
);

interface AdamAttrs {
  readonly norm: number;
  readonly normAfter: number;
  readonly alpha: number;
  readonly beta: number;
  readonly epsilon: number;
}
const adam = optimizer<AdamAttrs>(
  "Adam",
  2,
  (r) => ({
    norm: r.float("norm_coefficient", 0),
    normAfter: r.float("norm_coefficient_post", 0),
    alpha: r.float("alpha", 0.9),
    beta: r.float("beta", 0.999),
    epsilon: r.float("epsilon", 0),
  }),
  (g, a, { rate, count }, [x, given, v, h]) => {
    const { dtype } = x.type, c = (value: number): Value => g.scalar(value, dtype);
    const gradient = regularized(g, a.norm, x, given);
    const v2 = g.add(g.mul(c(a.alpha), v), g.mul(c(1 - a.alpha), gradient));
    const h2 = g.add(g.mul(c(a.beta), h), g.mul(c(1 - a.beta), g.mul(gradient, gradient)));
    const missing = (base: number): Value =>
      g.sub(c(1), g.apply(pow, null, c(base), g.cast(count, dtype)));
    const corrected = g.div(g.mul(rate, root(g, missing(a.beta))), missing(a.alpha));
    const adjusted = g.where(started(g, count), corrected, rate);
    const next = g.sub(x, g.mul(adjusted, g.div(v2, g.add(root(g, h2), c(a.epsilon)))));
    return [a.normAfter === 0 ? next : g.mul(c(1 - a.normAfter), next), v2, h2];
  },
);

interface MomentumAttrs {
  readonly norm: number;
  readonly alpha: number;
  readonly beta: number;
  readonly nesterov: boolean;
}
const momentum = optimizer<MomentumAttrs>(
  "Momentum",
  1,
  (r) => ({
    norm: r.float("norm_coefficient"),
    alpha: r.float("alpha"),
    beta: r.float("beta"),
    nesterov: r.string("mode") === "nesterov",
  }),
  (g, a, { rate, count }, [x, given, v]) => {
    const c = (value: number): Value => g.scalar(value, x.type.dtype);
    const gradient = regularized(g, a.norm, x, given);
    const share = g.where(started(g, count), c(a.beta), c(1));
    const next = g.add(g.mul(c(a.alpha), v), g.mul(share, gradient));
    const direction = a.nesterov ? g.add(gradient, g.mul(c(a.alpha), next)) : next;
    return [g.sub(x, g.mul(rate, direction)), next];
  },
);

export const ops = [adagrad, adam, momentum] as OpDef<unknown>[];
