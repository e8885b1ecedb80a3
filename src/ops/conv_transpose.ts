/** Convolutions turned round: every input element is spread over a window of the output. */
import { axis as reduceAxis, compute, sum, type Tensor } from "../te/compute.ts";
import {
  add,
  eq,
  type Expr,
  floordiv,
  floormod,
  ge,
  imm,
  load,
  lt,
  mul,
  type ReduceAxis,
  sub,
  type Var,
} from "../te/expr.ts";
import { type AttrReader, type OpDef, OpError, type Solve } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisNames, spatialNames } from "./axes.ts";
import { onnx, operand, sameType, type Types } from "./common.ts";
import { type ConvAttrs, readConv } from "./conv.ts";
import { factorizations, sizesFrom } from "./solve.ts";

interface TransposedAttrs extends Omit<ConvAttrs, "xZero" | "wZero" | "acc"> {
  /** Empty: 0 along every axis. */
  readonly outputPadding: readonly number[];
  /** Empty: what strides and pads give. */
  readonly outputShape: readonly number[];
}

/** Where the windows of the input's elements lie in the output. */
interface Spread {
  readonly size: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begin: readonly number[];
  readonly out: readonly number[];
}

function readTransposed(r: AttrReader): TransposedAttrs {
  const { strides, dilations, pads, autoPad, group } = readConv(r);
  const nd = (r.type(0)?.shape.length ?? 2) - 2, shape = r.ints("output_shape", []);
  return {
    strides,
    dilations,
    pads,
    autoPad,
    group,
    outputPadding: r.ints("output_padding", []),
    // Some exporters give the batch and the channels too.
    outputShape: shape.length === nd + 2 ? shape.slice(2) : shape,
  };
}

function spread(a: TransposedAttrs, size: readonly number[], kernel: readonly number[]): Spread {
  const nd = size.length;
  const or = (xs: readonly number[], fallback: number, what: string): readonly number[] => {
    const list = xs.length ? xs : size.map(() => fallback);
    if (list.length !== nd || list.some((v) => v < fallback)) {
      throw new OpError(`its ${what} [${xs}] do not fit ${nd} spatial axes`);
    }
    return list;
  };
  const strides = or(a.strides, 1, "strides"), dilations = or(a.dilations, 1, "dilations");
  const extra = or(a.outputPadding, 0, "output_padding");
  const full = size.map((n, i) =>
    strides[i] * (n - 1) + extra[i] + (kernel[i] - 1) * dilations[i] + 1
  );
  const same = a.autoPad === "SAME_UPPER" || a.autoPad === "SAME_LOWER";
  const wanted = a.outputShape.length
    ? a.outputShape
    : same
    ? size.map((n, i) => n * strides[i])
    : null;
  if (wanted) {
    if (wanted.length !== nd) {
      throw new OpError(`its output_shape [${wanted}] does not fit ${nd} spatial axes`);
    }
    const begin = wanted.map((n, i) => {
      const total = full[i] - n, less = Math.floor(total / 2);
      const first = a.autoPad === "SAME_UPPER" ? less : total - less;
      if (total < 0 && first !== 0) {
        throw new OpError(
          `its output of ${n} is larger than the ${full[i]} that its input reaches`,
          "give pads and output_padding instead of output_shape",
        );
      }
      return first;
    });
    return { size, kernel, strides, dilations, begin, out: wanted };
  }
  const pads = a.autoPad === "NOTSET" && a.pads.length ? a.pads : size.flatMap(() => [0, 0]);
  if (pads.length !== 2 * nd || pads.some((p) => p < 0)) {
    throw new OpError(`its pads [${pads}] do not fit ${nd} spatial axes`);
  }
  const out = full.map((n, i) => n - pads[i] - pads[nd + i]);
  if (out.some((n) => n < 1)) throw new OpError(`its pads [${pads}] leave nothing of [${full}]`);
  return { size, kernel, strides, dilations, begin: pads.slice(0, nd), out };
}

interface SpreadTaps {
  readonly axes: readonly ReduceAxis[];
  /** The input element whose window has the output element at the kernel's position. */
  readonly from: readonly Expr[];
  readonly where: readonly Expr[];
}

/** The elements of the input that reach the output position `o`. */
function spreadTaps(s: Spread, o: readonly Var[]): SpreadTaps {
  const axes = spatialNames("k", o.length).map((n, i) => reduceAxis(n, s.kernel[i]));
  const where: Expr[] = [];
  const from = o.map((v, i): Expr => {
    const place = sub(add(v, s.begin[i]), mul(axes[i].v, s.dilations[i]));
    where.push(ge(place, 0));
    if (s.strides[i] > 1) where.push(eq(floormod(place, s.strides[i]), 0));
    const at = floordiv(place, s.strides[i]);
    where.push(lt(at, s.size[i]));
    return at;
  });
  return { axes, from, where };
}

function transposedSpread(a: TransposedAttrs, ins: Types): Spread {
  const x = operand(ins, 0, "float"), w = operand(ins, 1, "float");
  sameType([x, w]);
  const xs = dims(x), ws = dims(w), nd = xs.length - 2;
  const fits = nd >= 1 && nd <= 3 && ws.length === xs.length && ws[0] === xs[1] &&
    xs[1] % a.group === 0;
  if (!fits) {
    throw new OpError(
      `its weight [${ws}] does not fit its input [${xs}] in ${a.group} groups`,
      "a weight is [Cin, Cout/group, kernel…], with 1 to 3 spatial axes",
    );
  }
  return spread(a, xs.slice(2), ws.slice(2));
}

/** Inputs x [N, Cin, spatial…], w [Cin, Cout/group, kernel…], bias [Cout] or null. */
const convTranspose: OpDef<TransposedAttrs> = {
  name: "ConvTranspose",
  onnx: [onnx("ConvTranspose", 1, readTransposed)],
  infer(a, ins): TensorType[] {
    const s = transposedSpread(a, ins), x = ins[0]!, channels = dims(ins[1]!)[1] * a.group;
    if (ins[2] && `${dims(ins[2])}` !== `${channels}`) {
      throw new OpError(`its bias is not [${channels}]`, "give one for every channel");
    }
    return [{ dtype: x.dtype, shape: [dims(x)[0], channels, ...s.out] }];
  },
  body: {
    kind: "compute",
    define(a, ins, [out]) {
      const [x, w, bias] = ins as readonly [Tensor, Tensor, Tensor | null | undefined];
      const s = transposedSpread(a, ins), [cin, groupOut] = w.shape, groupIn = cin / a.group;
      const shape = dims(out);
      return [compute("y", out.dtype, shape, (n, co, ...o) => {
        const { axes, from, where } = spreadTaps(s, o);
        const ci = reduceAxis("ci", groupIn);
        const channel = a.group === 1 ? ci.v : add(mul(floordiv(co, groupOut), groupIn), ci.v);
        const own = a.group === 1 ? co : floormod(co, groupOut);
        const product = mul(
          load(x, [n, channel, ...from]),
          load(w, [channel, own, ...axes.map((k) => k.v)]),
        );
        const init = bias ? load(bias, [co]) : imm(0, out.dtype);
        return sum([...axes, ci], product, { init, where });
      }, ["n", "co", ...spatialNames("o", s.out.length)])];
    },
  },
  cost: (_, { ins }) => ({
    macs: [...dims(ins[0]!), ...dims(ins[1]!).slice(1)].reduce((p, n) => p * n, 1),
  }),
};

interface FoldAttrs extends TransposedAttrs {
  readonly block: readonly number[];
  readonly image: readonly number[];
}

/** How many blocks lie along every axis. */
function blocks(a: FoldAttrs): { counts: number[]; s: Spread } {
  const pads = a.pads.length ? a.pads : a.image.flatMap(() => [0, 0]), nd = a.image.length;
  const strides = a.strides.length ? a.strides : a.image.map(() => 1);
  const dilations = a.dilations.length ? a.dilations : a.image.map(() => 1);
  const counts = a.image.map((n, i) => {
    const reach = (a.block[i] - 1) * dilations[i] + 1;
    return Math.floor((n + pads[i] + pads[nd + i] - reach) / strides[i]) + 1;
  });
  const lists = [a.block, strides, dilations].every((xs) => xs.length === nd);
  if (!lists || pads.length !== 2 * nd || counts.some((n) => !(n > 0)) || nd < 1 || nd > 3) {
    throw new OpError(
      `its blocks [${a.block}] do not fit the image [${a.image}]`,
      "images have 1 to 3 axes",
    );
  }
  return {
    counts,
    s: {
      size: counts,
      kernel: a.block,
      strides,
      dilations,
      begin: pads.slice(0, nd),
      out: a.image,
    },
  };
}

/** Blocks of as many elements as the input has rows for each of the output's channels. */
const blockSizes: Solve = ({ ins, outs }) => {
  if (!ins[0] || !outs[0]) return [];
  const size = dims(ins[0])[1] / dims(outs[0])[1];
  if (!Number.isInteger(size)) return [];
  return factorizations(size, outs[0].shape.length - 2).map((values) => ({ values }));
};

/** The image whose blocks are the columns of [N, C · block, columns]; what overlaps is added. */
const col2im: OpDef<FoldAttrs> = {
  name: "Col2Im",
  onnx: [onnx("Col2Im", 18, (r) => ({
    strides: r.ints("strides", []),
    dilations: r.ints("dilations", []),
    pads: r.ints("pads", []),
    autoPad: "NOTSET",
    group: 1,
    outputPadding: [],
    outputShape: [],
    image: r.operandInts(1, sizesFrom(2)) ?? [],
    block: r.operandInts(2, blockSizes) ?? [],
  }), 1)],
  infer(a, ins) {
    const x = operand(ins, 0, "number"), [n, rows, columns] = dims(x), { counts } = blocks(a);
    const each = a.block.reduce((p, k) => p * k, 1);
    const fits = x.shape.length === 3 && rows % each === 0 &&
      columns === counts.reduce((p, c) => p * c, 1);
    if (!fits) {
      throw new OpError(
        `its input [${dims(x)}] does not fit ${counts.join(" × ")} blocks of [${a.block}]`,
        "give it [N, channels × block, number of blocks]",
      );
    }
    return [{ dtype: x.dtype, shape: [n, rows / each, ...a.image] }];
  },
  body: {
    kind: "compute",
    define(a, [x], [out]) {
      const { s, counts } = blocks(a), shape = dims(out);
      const flat = (at: readonly Expr[], sizes: readonly number[]): Expr =>
        at.reduce((f, v, i) => add(mul(f, sizes[i]), v), imm(0) as Expr);
      const each = a.block.reduce((p, k) => p * k, 1);
      return [compute("y", out.dtype, shape, (n, c, ...o) => {
        const { axes, from, where } = spreadTaps(s, o);
        const row = add(mul(c, each), flat(axes.map((k) => k.v), a.block));
        return sum(axes, load(x!, [n, row, flat(from, counts)]), { where });
      }, axisNames(shape.length))];
    },
  },
};

export const ops = [convTranspose, col2im] as OpDef<unknown>[];
