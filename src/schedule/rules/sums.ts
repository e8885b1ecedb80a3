/** Sums of bytes within channels (pools), eight channels at a time (MVE). */
import { loads, variables } from "../../te/analyze.ts";
import { SUM_CHANNELS } from "../../tir/mve_sum.ts";
import { WINDOW } from "../tensorize.ts";
import type { Step } from "../steps.ts";
import { memoryOrder, tensorize } from "./common.ts";
import type { Form } from "./form.ts";

/** The steps, for an output whose channels are innermost. */
export function sumsSchedule({ w, r, out }: Form): Step[] | null {
  const { body } = r.compute;
  if (body.k !== "reduce" || body.op !== "sum" || body.dtype !== "int32") return null;
  const [source, ...others] = loads(body.body);
  if (!source || others.length > 0 || (source.dtype !== "int8" && source.dtype !== "uint8")) {
    return null;
  }
  const order = memoryOrder(w, out), c = order.at(-1);
  if (c === undefined) return null;
  const channel = r.compute.axes[out.compute.axes.findIndex((v) => v.name === c)];
  const dim = source.idx.findIndex((e) => variables(e).has(channel));
  const memory = w.buffers.get(source.src);
  if (dim < 0 || memory?.strides[dim] !== 1 || body.axes.length === 0) return null;
  return [
    { do: "reorder", stage: out.name, loops: order },
    { do: "split", stage: out.name, loop: c, factor: SUM_CHANNELS, tail: "cut" },
    { do: "computeAt", stage: r.name, at: out.name, loop: `${c}_o` },
    {
      do: "reorder",
      stage: r.name,
      loops: [
        ...r.compute.axes.filter((v) => v !== channel).map((v) => v.name),
        ...body.axes.map((a) => a.v.name),
        channel.name,
      ],
    },
    tensorize(r.name, body.axes[0].v.name, WINDOW),
  ];
}
