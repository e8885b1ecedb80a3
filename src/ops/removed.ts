/** Operators that the first operator sets had and later ones dropped. */
import * as te from "../te/expr.ts";
import { add, type Expr, imm, mul } from "../te/expr.ts";
import { dims } from "../ir/graph.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { building } from "./building.ts";
import { elementwise, fn, onnx, operand } from "./common.ts";

interface LinearAttrs {
  readonly alpha: number;
  readonly beta: number;
}

/** An element-wise function with two numbers, 1 and 0 where they are left out. */
const withTwo = (name: string, f: (x: Expr, alpha: Expr, beta: Expr) => Expr) =>
  elementwise<LinearAttrs>({
    name,
    onnx: 1,
    attrs: (r) => ({ alpha: r.float("alpha", 1), beta: r.float("beta", 0) }),
    accepts: "float",
    body: ([x], { alpha, beta }) => f(x, imm(alpha, x.dtype), imm(beta, x.dtype)),
  });

/** log(1 + e^x), without overflow. */
function softplus(x: Expr): Expr {
  const one = imm(1, x.dtype), zero = imm(0, x.dtype);
  const far = fn("exp", te.un("neg", te.un("abs", x)));
  return add(te.max(x, zero), fn("log", add(one, far)));
}

interface ImageScalerAttrs {
  readonly scale: number;
  readonly bias: readonly number[];
}

/** scale · x + bias, a bias for each channel of x [N, C, H, W]. */
const imageScaler: OpDef<ImageScalerAttrs> = {
  name: "ImageScaler",
  onnx: [
    onnx("ImageScaler", 1, (r) => ({ scale: r.float("scale", 1), bias: r.floats("bias", []) })),
  ],
  infer({ bias }, ins) {
    const x = operand(ins, 0, "float"), shape = dims(x);
    if (shape.length !== 4 || bias.length !== shape[1]) {
      throw new OpError(
        `its bias of ${bias.length} does not fit its input [${shape}]`,
        "give one for every channel of images [N, C, H, W]",
      );
    }
    return [x];
  },
  body: {
    kind: "expand",
    rewrite({ scale, bias }, [x], _, b) {
      const g = building(b), { dtype } = x!.type;
      const channels = g.concat(bias.map((v) => g.fill(v, dtype, [1, 1, 1, 1])), 1);
      return [g.add(g.mul(x!, g.scalar(scale, dtype)), channels)];
    },
  },
};

interface CropAttrs {
  /** Left, top, right, bottom. */
  readonly border: readonly number[];
  /** Height and width of the result, which right and bottom give otherwise. */
  readonly size: readonly number[];
}

/** Rows and columns of what is kept, each from and to. */
function kept({ border, size }: CropAttrs, shape: readonly number[]): number[][] {
  const [left, top, right, bottom] = border, [, , height, width] = shape;
  const ends = size.length === 2
    ? [top + size[0], left + size[1]]
    : [height - bottom, width - right];
  const bad = border.length !== 4 || shape.length !== 4 || ![0, 2].includes(size.length) ||
    border.some((v) => v < 0) || ends[0] > height || ends[1] > width || ends[0] <= top ||
    ends[1] <= left;
  if (!bad) return [[top, ends[0]], [left, ends[1]]];
  throw new OpError(
    `its border [${border}] and scale [${size}] do not fit its input [${shape}]`,
    "border is left, top, right, bottom of images [N, C, H, W]",
  );
}

const crop: OpDef<CropAttrs> = {
  name: "Crop",
  onnx: [onnx("Crop", 1, (r) => ({ border: r.ints("border"), size: r.ints("scale", []) }))],
  infer(a, ins) {
    const x = operand(ins, 0, "any"), shape = dims(x);
    return [{ ...x, shape: [...shape.slice(0, 2), ...kept(a, shape).map(([s, e]) => e - s)] }];
  },
  body: {
    kind: "expand",
    rewrite(a, [x], _, b) {
      const g = building(b), [rows, columns] = kept(a, dims(x!.type));
      return [g.slice(g.slice(x!, 2, rows[0], rows[1]), 3, columns[0], columns[1])];
    },
  },
};

export const ops = [
  withTwo("Affine", (x, alpha, beta) => add(mul(alpha, x), beta)),
  withTwo("ScaledTanh", (x, alpha, beta) => mul(alpha, fn("tanh", mul(beta, x)))),
  withTwo("ParametricSoftplus", (x, alpha, beta) => mul(alpha, softplus(mul(beta, x)))),
  imageScaler,
  crop,
] as OpDef<unknown>[];
