/** Windows of three by three at stride 1 with fewer products, for more flash. */
import { loads } from "../../te/analyze.ts";
import { widen } from "../../tir/intrinsics.ts";
import { OUTPUTS } from "../../tir/winograd.ts";
import { WINOGRAD_COLS } from "../../tir/winograd_products.ts";
import { canPad } from "../pad.ts";
import { productOf } from "../product.ts";
import type { Step } from "../steps.ts";
import { WINOGRAD } from "../tensorize.ts";
import { canTakeBytes, whyNoWinograd } from "../winograd.ts";
import { applied, memoryOrder, tensorize } from "./common.ts";
import type { Form } from "./form.ts";

/** Tiles side by side: each weight is loaded once for both. */
const TILES = 2;

/** The steps, where the window slides over a map whose channels are neighbours. */
export function winogradSchedule({ w, s, r, out }: Form): Step[] | null {
  const f = productOf(s, r), order = memoryOrder(w, out);
  if (typeof f === "string" || !canPad(s, r) || order.length !== 4) return null;
  const source = loads(f.activation).find((l) => w.buffers.has(l.src));
  if (!source || (source.dtype !== "int8" && source.dtype !== "uint8")) return null;
  const { strides } = w.buffers.get(source.src)!;
  const copyOrder = strides.map((_, i) => i).sort((a, b) => strides[b] - strides[a] || a - b);
  const pad: Step = { do: "pad", stage: r.name, order: copyOrder, dtype: "int16" };
  const padded = applied(s, pad);
  if (!padded) return null;
  const stage = padded.stages.find((x) => x.name === r.name)!;
  if (whyNoWinograd(padded, stage) !== null) return null;
  const words = canTakeBytes(padded, stage);
  const [n, oh, ow, co] = order;
  const inner = copyOrder.at(-1)!, channels = source.src.shape![inner];
  const width = channels % 16 === 0 ? 16 : 4, run = `d${inner}`;
  const tail = "cut";
  const [x, v, h] = ["x", "v", "h"].map((part) => `${r.name}_${part}`);
  return [
    pad,
    { do: "winograd", stage: r.name, ...(words && { words }) },
    { do: "reorder", stage: out.name, loops: [n, oh, ow, co] },
    { do: "split", stage: out.name, loop: oh, factor: OUTPUTS, tail },
    { do: "split", stage: out.name, loop: ow, factor: TILES * OUTPUTS, tail },
    { do: "split", stage: out.name, loop: `${ow}_i`, factor: OUTPUTS, tail },
    { do: "split", stage: out.name, loop: co, factor: WINOGRAD_COLS, tail },
    {
      do: "reorder",
      stage: out.name,
      loops: [n, `${oh}_o`, `${ow}_o`, `${co}_o`, `${ow}_i_o`, `${co}_i`, `${oh}_i`, `${ow}_i_i`],
    },
    ...[`${ow}_i_o`, `${co}_i`, `${oh}_i`, `${ow}_i_i`]
      .map((loop): Step => ({ do: "unroll", stage: out.name, loop })),
    { do: "computeAt", stage: r.name, at: out.name, loop: words ? `${co}_o` : `${co}_i` },
    { do: "computeAt", stage: h, at: out.name, loop: `${co}_o` },
    { do: "computeAt", stage: v, at: out.name, loop: `${ow}_o` },
    { do: "computeAt", stage: x, at: out.name, loop: `${oh}_o` },
    { do: "reorder", stage: v, loops: ["n", "ty", "c", "tx", "j", "step", "lane"] },
    tensorize(v, "j", WINOGRAD),
    tensorize(h, "r", WINOGRAD),
    ...(words
      ? [{ do: "reorder", stage: r.name, loops: ["n", "ty", "r", "q", "tx", "co"] }] as Step[]
      : []),
    tensorize(r.name, "r", WINOGRAD),
    { do: "split", stage: x, loop: run, factor: width, tail },
    tensorize(x, `${run}_i`, widen(source.dtype, width).name),
  ];
}
