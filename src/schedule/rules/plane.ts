/** Windows within each channel (depthwise) on planes of halfwords. */
import type { Load, Var } from "../../te/expr.ts";
import { coefficient, linear } from "../../te/linear.ts";
import { loads, variables } from "../../te/analyze.ts";
import { planes4 } from "../../tir/intrinsics.ts";
import { TAPS } from "../../tir/plane.ts";
import { productOf } from "../product.ts";
import { canPair } from "../pack.ts";
import { canPad } from "../pad.ts";
import { planeRows } from "../plane_rows.ts";
import { PLANE } from "../tensorize.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Step } from "../steps.ts";
import { memoryOrder, tensorize } from "./common.ts";

/**
 * A reduction within each channel (depthwise) over windows of three by three, stride 1: four channels
 * of some rows are copied to planes of int16 whose borders are filled in, and each plane gives tiles
 * of two by two outputs.
 */
export function planeSchedule(w: Workload, s: State, r: Stage, out: Stage): Step[] | null {
  const f = productOf(s, r);
  if (typeof f === "string" || !canPad(s, r)) return null;
  const constant = loads(f.weights).find((l) => s.consts.has(l.src));
  const source = loads(f.activation).find((l) => w.buffers.has(l.src));
  const order = memoryOrder(w, out);
  if (!constant || !canPair(constant.src) || !source || order.length !== 4) return null;
  const bytes = source.dtype === "int8" || source.dtype === "uint8";
  const [n, oh, ow, c] = order;
  const axis = (name: string) => r.compute.axes[out.compute.axes.findIndex((v) => v.name === name)];
  const position = (l: Load, v: Var) => l.idx.findIndex((e) => variables(e).has(v));
  const [sc, sh, sw] = [c, oh, ow].map((name) => position(source, axis(name)));
  const wc = position(constant, axis(c));
  const taps = f.reduce.axes.map((a) => a.extent);
  const one = (d: number, name: string) => coefficient(linear(source.idx[d]), axis(name)) === 1;
  const fits = bytes && wc === 0 && [sc, sh, sw].every((d) => d >= 0) && one(sh, oh) &&
    one(sw, ow) && taps.filter((e) => e > 1).join() === `${TAPS},${TAPS}` &&
    w.buffers.get(source.src)!.strides[sc] === 1;
  if (!fits) return null;
  const [kh, kw] = f.reduce.axes.filter((a) => a.extent > 1).map((a) => a.v.name);
  const rest = source.idx.map((_, d) => d).filter((d) => ![sc, sh, sw].includes(d));
  const name = `${r.name}_x`;
  const tail = "cut";
  const extent = (of: string) => r.compute.out.shape[r.compute.axes.indexOf(axis(of))];
  const rows = planeRows(extent(oh), extent(ow));
  const others = [
    ...r.compute.axes.filter((v) => v !== axis(oh) && v !== axis(ow)).map((v) => v.name),
    ...f.reduce.axes.filter((a) => a.extent === 1).map((a) => a.v.name),
  ];
  return [
    {
      do: "pack",
      stage: r.name,
      tensor: constant.src.name,
      perm: constant.idx.map((_, d) => d),
      pairs: true,
    },
    { do: "pad", stage: r.name, order: [...rest, sc, sh, sw], dtype: "int16", spacing: 2 },
    { do: "reorder", stage: out.name, loops: [n, oh, ow, c] },
    { do: "split", stage: out.name, loop: oh, factor: rows, tail },
    { do: "split", stage: out.name, loop: `${oh}_i`, factor: 2, tail },
    { do: "split", stage: out.name, loop: ow, factor: 2, tail },
    { do: "split", stage: out.name, loop: c, factor: 4, tail },
    {
      do: "reorder",
      stage: out.name,
      loops: [n, `${oh}_o`, `${c}_o`, `${c}_i`, `${oh}_i_o`, `${ow}_o`, `${oh}_i_i`, `${ow}_i`],
    },
    { do: "unroll", stage: out.name, loop: `${oh}_i_i` },
    { do: "unroll", stage: out.name, loop: `${ow}_i` },
    { do: "computeAt", stage: r.name, at: out.name, loop: `${ow}_o` },
    { do: "computeAt", stage: name, at: out.name, loop: `${c}_o` },
    {
      do: "reorder",
      stage: r.name,
      loops: [...others, kh, kw, axis(oh).name, axis(ow).name],
    },
    { do: "unroll", stage: r.name, loop: axis(oh).name },
    { do: "unroll", stage: r.name, loop: axis(ow).name },
    tensorize(r.name, kh, PLANE),
    {
      do: "reorder",
      stage: name,
      loops: [...rest, sh, sw, sc].map((d) => `d${d}`),
    },
    { do: "unroll", stage: name, loop: `d${sc}` },
    tensorize(name, `d${sc}`, planes4(source.dtype).name),
  ];
}
