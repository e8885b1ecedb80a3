/**
 * Probabilities of classes from those of pairs of them, as libsvm and onnxruntime compute them (Wu,
 * Lin, Weng, "Probability estimates for multi-class classification by pairwise coupling", 2004).
 */
import { add, div, type Expr, f32, gt, imm, load, max, min, mul, sub, un } from "../te/expr.ts";
import { dims } from "../ir/graph.ts";
import type { OpDef } from "../ir/opdef.ts";
import { tensor } from "../util/tensor.ts";
import type { Buffer, Stmt } from "../tir/stmt.ts";
import { fn } from "./common.ts";
import { block, cell, cells, loop, store, when } from "./loops.ts";

interface CouplingAttrs {
  readonly classes: number;
  /** Of the logistic function of each pair: its probability is that of −(a·score + b). */
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/** Steps after which it ends in any case. */
const STEPS = 100;

const float = (...shape: number[]) => ({ dtype: "float32" as const, shape });

/** `buf[i, j]` with what is added to it. */
const increase = (buf: Buffer, at: readonly Expr[], by: Expr): Stmt =>
  store(buf, at, add(load(buf, at), by));

/** Scores of every pair of classes, [N, pairs], to [N, classes]. */
export const coupled: OpDef<CouplingAttrs> = {
  name: "CoupledProbabilities",
  onnx: [],
  infer: ({ classes }, [x]) => [float(dims(x!)[0], classes)],
  body: {
    kind: "kernel",
    // Probability of the row's class against the column's; the form that is minimised; its slope.
    scratch: ({ classes: k }) => [float(k, k), float(k, k), float(k)],
    constants: ({ a, b }) => [a, b].map((list) => tensor("float32", [list.length], list)),
    program({ classes }, { ins: [x], outs: [p], scratch: [r, q, slope], constants: [a, b] }) {
      const pairs = (n: Expr): Stmt =>
        cell("pair", imm(0), (pair) =>
          loop("i", classes, (i) =>
            loop("j", classes, (j) => {
              const at = pair.get;
              const logit = add(mul(load(x!, [n, at]), load(a, [at])), load(b, [at]));
              const likely = sub(f32(1), fn("sigmoid", logit));
              return block(
                store(r, [i, j], min(max(likely, f32(1e-7)), f32(1 - 1e-7))),
                store(r, [j, i], sub(f32(1), load(r, [i, j]))),
                pair.set(add(at, 1)),
              );
            }, add(i, 1))));
      const form = loop("i", classes, (i) => {
        const add2 = (j: Expr): Stmt =>
          block(
            increase(q, [i, i], mul(load(r, [j, i]), load(r, [j, i]))),
            store(q, [i, j], mul(sub(f32(0), load(r, [j, i])), load(r, [i, j]))),
          );
        return block(
          store(q, [i, i], f32(0)),
          loop("j", i, add2),
          loop("j", classes, add2, add(i, 1)),
        );
      });
      return loop("n", x!.shape[0], (n) =>
        block(
          pairs(n),
          form,
          loop("i", classes, (i) => store(p, [n, i], f32(1 / classes))),
          cell("open", f32(1), (open) =>
            loop("s", STEPS, () =>
              when(gt(open.get, f32(0)), step(classes, (i) => [n, i], { p, q, slope }, open.set)))),
        ));
    },
  },
};

/** One step of the minimisation; `close` with 0 where the slopes are equal enough. */
function step(
  classes: number,
  at: (i: Expr) => Expr[],
  { p, q, slope }: Readonly<Record<"p" | "q" | "slope", Buffer>>,
  close: (v: Expr) => Stmt,
): Stmt {
  return cells({ mean: f32(0), worst: f32(0) }, ({ mean, worst }) =>
    block(
      loop("i", classes, (i) =>
        block(
          store(slope, [i], f32(0)),
          loop("j", classes, (j) => increase(slope, [i], mul(load(q, [i, j]), load(p, at(j))))),
          mean.set(add(mean.get, mul(load(p, at(i)), load(slope, [i])))),
        )),
      loop("i", classes, (i) =>
        worst.set(max(worst.get, un("abs", sub(load(slope, [i]), mean.get))))),
      when(
        gt(f32(0.005 / classes), worst.get),
        close(f32(0)),
        loop("i", classes, (i) => {
          const own = load(q, [i, i]);
          return cell("d", div(sub(mean.get, load(slope, [i])), own), (d) => {
            const whole = add(f32(1), d.get);
            const grown = add(mul(d.get, own), mul(f32(2), load(slope, [i])));
            return block(
              store(p, at(i), add(load(p, at(i)), d.get)),
              mean.set(div(div(add(mean.get, mul(d.get, grown)), whole), whole)),
              loop("j", classes, (j) =>
                block(
                  store(slope, [j], div(add(load(slope, [j]), mul(d.get, load(q, [i, j]))), whole)),
                  store(p, at(j), div(load(p, at(j)), whole)),
                )),
            );
          });
        }),
      ),
    ));
}
