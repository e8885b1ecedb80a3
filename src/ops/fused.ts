/**
 * What onnxruntime writes when it saves a model that it has optimised: products and convolutions with
 * what follows them in one node. Each is what it was made of.
 */
import { dims, type Value } from "../ir/graph.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { ops as activations } from "./activation.ts";
import { type Building, building } from "./building.ts";
import { operand } from "./common.ts";
import { conv, type ConvAttrs, readConv } from "./conv.ts";
import { gemm, type GemmAttrs, matmul, PLAIN } from "./matmul.ts";

const MICROSOFT = "com.microsoft";

/** The activation function behind a product, by its name. */
interface Activation {
  readonly name: string;
  readonly attrs: unknown;
}

/** A parameter of an activation by name and place; null where it is left out and has no default. */
type Parameter = (name: string, place: number, fallback: number | null) => number | null;

/** What is read for each activation; the operators are those of activation.ts. */
const ACTIVATIONS: ReadonlyMap<string, (p: Parameter) => unknown> = new Map<
  string,
  (p: Parameter) => unknown
>([
  ["Relu", () => null],
  ["Tanh", () => null],
  ["Sigmoid", () => null],
  ["Softplus", () => null],
  ["Softsign", () => null],
  ["HardSwish", () => null],
  ["LeakyRelu", (p) => ({ alpha: p("alpha", 0, 0.01) })],
  ["Elu", (p) => ({ alpha: p("alpha", 0, 1) })],
  ["ThresholdedRelu", (p) => ({ alpha: p("alpha", 0, 1) })],
  ["HardSigmoid", (p) => ({ alpha: p("alpha", 0, 0.2), beta: p("beta", 1, 0.5) })],
  ["Clip", (p) => ({ lo: p("min", 0, null), hi: p("max", 1, null) })],
]);

function readActivation(name: string, p: Parameter): Activation | null {
  if (name === "") return null;
  const attrs = ACTIVATIONS.get(name);
  if (attrs) return { name, attrs: attrs(p) };
  throw new OpError(
    `its activation is '${name}'`,
    `it is one of ${[...ACTIVATIONS.keys()].join(", ")}`,
  );
}

const activated = (g: Building, x: Value, a: Activation | null): Value =>
  a ? g.apply(activations.find((o) => o.name === a.name)!, a.attrs, x) : x;

interface FusedConvAttrs {
  readonly conv: ConvAttrs;
  readonly activation: Activation | null;
}

/** Inputs x, weight, bias, and what is added before the activation. */
const fusedConv: OpDef<FusedConvAttrs> = {
  name: "FusedConv",
  onnx: [{
    domain: MICROSOFT,
    type: "FusedConv",
    since: 1,
    attrs(r) {
      const given = r.floats("activation_params", []);
      return {
        conv: readConv(r),
        activation: readActivation(r.string("activation", ""), (_, i, or) => given[i] ?? or),
      };
    },
  }],
  infer(a, ins, known) {
    const [y] = conv.infer(a.conv, ins.slice(0, 3), known);
    if (ins[3] && `${dims(ins[3])}` !== `${dims(y)}`) {
      throw new OpError(
        `its addend [${dims(ins[3])}] is not of its result's shape [${dims(y)}]`,
        "give both one shape",
      );
    }
    return [y];
  },
  body: {
    kind: "expand",
    rewrite(a, [x, w, bias, addend], _, b) {
      const g = building(b), y = g.apply(conv, a.conv, x, w, bias);
      return [activated(g, addend ? g.add(y, addend) : y, a.activation)];
    },
  },
};

interface FusedGemmAttrs {
  readonly gemm: GemmAttrs;
  readonly activation: Activation | null;
}

/** Gemm and an activation whose attributes have `activation_` before their names. */
const fusedGemm: OpDef<FusedGemmAttrs> = {
  name: "FusedGemm",
  onnx: [{
    domain: MICROSOFT,
    type: "FusedGemm",
    since: 1,
    attrs: (r) => ({
      gemm: gemm.onnx[0].attrs(r),
      activation: readActivation(
        r.string("activation", ""),
        (name, _, or) =>
          or !== null || r.has(`activation_${name}`)
            ? r.float(`activation_${name}`, or ?? undefined)
            : null,
      ),
    }),
  }],
  infer: (a, ins, known) => gemm.infer(a.gemm, ins, known),
  body: {
    kind: "expand",
    rewrite(a, ins, _, b) {
      const g = building(b);
      return [activated(g, g.apply(gemm, a.gemm, ...ins), a.activation)];
    },
  },
};

interface FusedMatMulAttrs {
  readonly alpha: number;
  readonly transA: boolean;
  readonly transB: boolean;
  /** The first axis goes in front of the last one before that. */
  readonly batchA: boolean;
  readonly batchB: boolean;
}

const readMatMul = (r: AttrReader): FusedMatMulAttrs => ({
  alpha: r.float("alpha", 1),
  transA: r.int("transA", 0) !== 0,
  transB: r.int("transB", 0) !== 0,
  batchA: r.int("transBatchA", 0) !== 0,
  batchB: r.int("transBatchB", 0) !== 0,
});

/** [a, b, …, m, k] as [b, …, m, a, k]. */
const batchOrder = (rank: number): number[] => [
  ...Array.from({ length: rank - 2 }, (_, i) => i + 1),
  0,
  rank - 1,
];
const ordered = (shape: readonly number[], batch: boolean): number[] =>
  batch && shape.length > 2 ? batchOrder(shape.length).map((i) => shape[i]) : [...shape];

/** alpha · a' · b'. */
const fusedMatMul: OpDef<FusedMatMulAttrs> = {
  name: "FusedMatMul",
  onnx: ["FusedMatMul", "TransposeMatMul"].map((type) => ({
    domain: MICROSOFT,
    type,
    since: 1,
    attrs: readMatMul,
  })),
  infer(a, ins, known) {
    const [x, y] = [operand(ins, 0, "float"), operand(ins, 1, "float")];
    const types = [
      { ...x, shape: ordered(dims(x), a.batchA) },
      { ...y, shape: ordered(dims(y), a.batchB) },
    ];
    return matmul.infer({ ...PLAIN, transA: a.transA, transB: a.transB }, types, known);
  },
  body: {
    kind: "expand",
    rewrite(a, [x, y], [out], b) {
      const g = building(b);
      const arranged = (v: Value, batch: boolean): Value => {
        const rank = v.type.shape.length;
        return batch && rank > 2 ? g.transpose(v, batchOrder(rank)) : v;
      };
      const attrs = { ...PLAIN, transA: a.transA, transB: a.transB };
      const product = g.apply(matmul, attrs, arranged(x!, a.batchA), arranged(y!, a.batchB));
      return [a.alpha === 1 ? product : g.mul(product, g.scalar(a.alpha, out.dtype))];
    },
  },
};

export const ops = [fusedConv, fusedGemm, fusedMatMul] as OpDef<unknown>[];
