/** Runs definitions as they stand, element by element: the slow, exact path. */
import { allocate, rowMajor, sizeOf, type TensorData } from "../util/tensor.ts";
import type { Compute, Tensor } from "./compute.ts";
import { bin, type Expr, type Indexable, type Reduce, REDUCE_STEP, variable } from "./expr.ts";
import { compileJs, JsPrinter } from "./js.ts";

/**
 * Evaluates the stages in order.
 *
 * @param inputs the data of every placeholder that the stages read
 * @returns the data of every stage's tensor
 */
export function evaluate(
  stages: readonly Compute[],
  inputs: ReadonlyMap<Tensor, TensorData>,
): Map<Tensor, TensorData> {
  const env = new Map<Indexable, TensorData>(inputs);
  for (const c of stages) {
    const data: TensorData = {
      dtype: c.out.dtype,
      shape: c.out.shape,
      data: allocate(c.out.dtype, sizeOf(c.out.shape)),
    };
    env.set(c.out, data);
    runStage(c, env);
  }
  return env as Map<Tensor, TensorData>;
}

function runStage(c: Compute, env: ReadonlyMap<Indexable, TensorData>): void {
  const used: Indexable[] = [c.out];
  const bufferName = (t: Indexable): string => {
    if (!used.includes(t)) used.push(t);
    return `b${used.indexOf(t)}`;
  };
  const flat = (t: Indexable, idx: readonly Expr[], print: (e: Expr) => string): string => {
    const s = rowMajor(t.shape);
    return idx.map((e, i) => s[i] === 1 ? print(e) : `${print(e)}*${s[i]}`).join("+") || "0";
  };
  const js = new JsPrinter((l, print) => `${bufferName(l.src)}[${flat(l.src, l.idx, print)}]`);
  const store = (value: string): string => `b0[${flat(c.out, c.axes, js.print)}]=${value};`;
  let body = c.body.k === "reduce"
    ? reduceText(js, c.body, (v) => store(v))
    : store(js.print(c.body));
  for (let i = c.axes.length - 1; i >= 0; i--) {
    body = loopText(js.name(c.axes[i]), c.out.shape[i], body);
  }
  const run = compileJs(js, used.map((_, i) => `b${i}`), body);
  run(...used.map((t) => {
    const d = env.get(t);
    if (!d) throw new TypeError(`no data for ${t.name}`);
    return d.data;
  }));
}

const loopText = (v: string, n: number, body: string): string =>
  `for(let ${v}=0;${v}<${n};${v}++){${body}}`;

function reduceText(js: JsPrinter, r: Reduce, store: (value: string) => string): string {
  const acc = variable("acc", r.dtype);
  const name = js.name(acc);
  let body = `${name}=${js.print(bin(REDUCE_STEP[r.op], acc, r.body))};`;
  if (r.where.length) body = `if(${r.where.map(js.print).join("&&")}){${body}}`;
  for (let i = r.axes.length - 1; i >= 0; i--) {
    body = loopText(js.name(r.axes[i].v), r.axes[i].extent, body);
  }
  return `let ${name}=${js.print(r.init)};${body}${store(name)}`;
}
