/** The memory that is live while kernels, or a stream of them, run: what choosing streams counts with. */
import { bytesOf } from "../util/dtype.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { type Storage, storageBytes } from "../ir/storage.ts";
import type { ScheduledKernel } from "../compile.ts";
import { overlaps } from "./in_place.ts";
import { liveRanges } from "./place.ts";
import type { StreamChoice } from "./row_stream.ts";

/** What lies in the arena while a kernel or a stream runs. */
export class Liveness {
  readonly #ranges: ReadonlyMap<Value, { first: number; last: number }>;
  readonly #external: ReadonlySet<Value>;
  readonly #kept: ReadonlySet<Value>;

  constructor(
    graph: Graph,
    readonly kernels: readonly ScheduledKernel[],
    readonly storage: ReadonlyMap<Value, Storage>,
    inArena: boolean,
  ) {
    this.#ranges = liveRanges(graph, kernels, (v) => this.#owner(v));
    const ports = [...graph.inputs, ...graph.outputs].map((v) => this.#owner(v));
    this.#external = new Set(inArena ? [] : ports);
    this.#kept = new Set(graph.outputs.map((v) => this.#owner(v)));
  }

  #owner(v: Value): Value {
    return this.storage.get(v)!.owner;
  }

  /** Bytes of all values that are live at some time from one kernel to another. */
  #between(first: number, last: number, inside: (owner: Value) => boolean): number {
    let bytes = 0;
    for (const [v, r] of this.#ranges) {
      if (r.first <= last && first <= r.last && !this.#external.has(v) && !inside(v)) {
        bytes += storageBytes(v);
      }
    }
    return bytes;
  }

  #isBorn(v: Value, first: number): boolean {
    return !this.#external.has(v) && this.#ranges.get(v)!.first >= first;
  }

  #dies(v: Value, last: number): boolean {
    return !this.#external.has(v) && !this.#kept.has(v) && this.#ranges.get(v)!.last <= last;
  }

  ofKernel(i: number, { kernel, values }: ScheduledKernel): number {
    const scratch = kernel.buffers.slice(values.length)
      .reduce((sum, b) => sum + b.length * bytesOf(b.dtype), 0);
    const outs = kernel.buffers.flatMap((b, j) => b.scope === "output" ? [j] : []);
    let saved = 0;
    if (outs.length === 1 && this.#isBorn(this.#owner(values[outs[0]]), i)) {
      const inputs = values.flatMap((v, j) =>
        kernel.buffers[j].scope === "input" && this.#dies(this.#owner(v), i) &&
          values.filter((w) => this.#owner(w) === this.#owner(v)).length === 1
          ? [j]
          : []
      );
      const y = storageBytes(this.#owner(values[outs[0]]));
      for (
        const { input, forward, reversed } of overlaps(kernel, outs[0], inputs, (b) => b.align)
      ) {
        const x = storageBytes(this.#owner(values[input]));
        for (const d of [...forward, ...reversed]) saved = Math.max(saved, savedBytes(x, y, d));
      }
    }
    return this.#between(i, i, () => false) + scratch - saved;
  }

  ofStream(
    first: number,
    last: number,
    stream: Pick<StreamChoice, "outer" | "bytes" | "distance" | "over" | "under">,
  ): number {
    const outer = new Set(stream.outer.map((v) => this.#owner(v)));
    const inside = (v: Value): boolean => {
      const r = this.#ranges.get(v)!;
      return !outer.has(v) && r.first >= first && r.last <= last;
    };
    const outputs = [...outer].filter((v) => this.#isBorn(v, first));
    const inputs = [...outer].filter((v) => !this.#isBorn(v, first) && this.#dies(v, last));
    let saved = 0;
    if (outputs.length === 1) {
      const [y] = outputs;
      for (const x of inputs) {
        const d = -stream.distance(y, x);
        saved = Math.max(saved, savedBytes(storageBytes(x), storageBytes(y), d));
      }
    }
    // Rings or an output over an input: not both over the same bytes.
    for (const x of inputs) {
      const over = stream.over(x);
      const [y] = outputs, far = outputs.length === 1 ? -stream.distance(y, x) : -Infinity;
      const both = over <= far ? savedBytes(storageBytes(x), storageBytes(y), over) : 0;
      saved = Math.max(saved, over + both);
    }
    for (const y of outputs) saved = Math.max(saved, stream.under(y));
    return this.#between(first, last, inside) + stream.bytes - saved;
  }
}

/** What two buffers that begin at a distance from each other need less than side by side. */
const savedBytes = (x: number, y: number, distance: number): number =>
  Math.max(0, x + y - (Math.max(x, distance + y) - Math.min(0, distance)));
