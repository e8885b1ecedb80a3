/**
 * Streams of rows in stripes: kernels that pass rows on, once for some columns of what the last of
 * them writes, and once for the next. Their rings are as narrow as a stripe; what lies at the borders
 * of two stripes is computed for both.
 */
import type { Graph, Value } from "../ir/graph.ts";
import { ownStorage, type Storage, storageBytes } from "../ir/storage.ts";
import type { Indexable } from "../te/expr.ts";
import type { Buffer } from "../tir/stmt.ts";
import { rowAxis } from "../schedule/band.ts";
import {
  columnAxis,
  type Columns,
  inColumns,
  narrowed,
  type Stripe,
  stripeOf,
} from "../schedule/stripe.ts";
import type { ScheduledKernel } from "../compile.ts";
import type { BandOptions } from "./bands.ts";
import { type StreamChoice, Streams } from "./row_stream.ts";

/** Stripes that could be built, with estimates. */
export interface StripedChoice extends Omit<StreamChoice, "build"> {
  /** One kernel for each stripe. */
  build(): ScheduledKernel[];
}

/** What a stripe of several kernels reads. */
interface Reads {
  readonly needed: ReadonlyMap<Value, Columns>;
  readonly stripes: ReadonlyMap<ScheduledKernel, Stripe>;
  /** The memories of the values between them, of all columns. */
  readonly buffers: ReadonlyMap<Value, Buffer>;
}

/** Stripes write over no input: the last one still reads what the first would have overwritten. */
export const apart = (_: Value, input: Value): number => -storageBytes(input);

/** Makes stripes of the kernels of a model. */
export class Stripes {
  constructor(
    readonly kernels: readonly ScheduledKernel[],
    readonly storage: ReadonlyMap<Value, Storage>,
    readonly graph: Graph,
    readonly options: BandOptions,
  ) {}

  /**
   * How wide the rows between kernels `first` and `last` are in the widest of so many stripes, as a
   * share of all their columns; null where there are no stripes.
   */
  width(first: number, last: number, count: number): number | null {
    const cuts = this.#cuts(last, count);
    let widest = 0;
    for (const columns of cuts ?? []) {
      const reads = this.#reads(first, last, columns);
      if (!reads) return null;
      let kept = 0, all = 0;
      for (const [v, [from, to]] of reads.needed) {
        if (!this.#isInside(v, first, last)) continue;
        const rows = rowAxis(reads.buffers.get(v)!)!, of = columnAxis(reads.buffers.get(v)!)!;
        kept += of.stride * (to - from);
        all += rows.stride;
      }
      widest = Math.max(widest, all === 0 ? 1 : kept / all);
    }
    return cuts && widest;
  }

  /** Kernels `first` to `last` in so many stripes: the fastest, and others with less scratch memory. */
  striped(first: number, last: number, count: number): StripedChoice[] {
    const cuts = this.#cuts(last, count) ?? [];
    const parts = cuts.map((columns) => this.#stripe(first, last, columns));
    if (parts.length === 0 || parts.some((p) => p.length === 0)) return [];
    const limits = [...new Set(parts.flat().map((p) => p.bytes))].sort((a, b) => b - a);
    const choices: StripedChoice[] = [];
    for (const limit of limits) {
      const taken = parts.flatMap((p) => p.find((c) => c.bytes <= limit) ?? []);
      const bytes = Math.max(...taken.map((p) => p.bytes));
      if (taken.length < parts.length || choices.at(-1)?.bytes === bytes) continue;
      choices.push({
        instructions: taken.reduce((sum, p) => sum + p.instructions, 0),
        bytes,
        outer: [...new Set(taken.flatMap((p) => p.outer))],
        distance: apart,
        over: () => 0,
        under: () => 0,
        build: () => taken.map((p) => p.build()),
      });
    }
    return choices;
  }

  /** The columns of a kernel's output in so many parts. */
  #cuts(last: number, count: number): Columns[] | null {
    const { values, workload } = this.kernels[last];
    const out = [...workload.buffers.values()].findIndex((b) => b.scope === "output");
    const of = out < 0 ? null : columnAxis([...workload.buffers.values()][out]);
    const owned = out >= 0 && this.storage.get(values[out])!.owner === values[out];
    if (!of || !owned || of.columns < count) return null;
    const at = (s: number): number => Math.floor(of.columns * s / count);
    return Array.from({ length: count }, (_, s) => [at(s), at(s + 1)]);
  }

  /** The stripe of each kernel, and the columns of values between them that are needed for it. */
  #reads(first: number, last: number, columns: Columns): Reads | null {
    const members = this.kernels.slice(first, last + 1);
    const needed = new Map([[outputOf(members.at(-1)!), columns]]);
    const stripes = new Map<ScheduledKernel, Stripe>(), memories = new Map<Value, Buffer>();
    for (const k of members.toReversed()) {
      const out = outputOf(k), own = needed.get(out);
      if (k !== members.at(-1) && !this.#isInside(out, first, last)) return null;
      const stripe = own && stripeOf(k.workload, own);
      if (!stripe) return null;
      stripes.set(k, stripe);
      const buffers = [...k.workload.buffers];
      for (const [i, v] of k.values.entries()) {
        if (!this.#isInside(v, first, last)) continue;
        const [tensor, buffer] = buffers[i];
        memories.set(v, buffer);
        if (v === out) continue;
        const read = stripe.reads.get(tensor), known = needed.get(v) ?? read;
        if (!read || !known) return null;
        needed.set(v, [Math.min(known[0], read[0]), Math.max(known[1], read[1])]);
      }
    }
    return { needed, stripes, buffers: memories };
  }

  /** Kernels that pass on the rows of some columns alone. */
  #stripe(first: number, last: number, columns: Columns): StreamChoice[] {
    const reads = this.#reads(first, last, columns);
    if (!reads) return [];
    const { needed, stripes } = reads;
    const members = this.kernels.slice(first, last + 1);
    const inside = (v: Value): boolean => this.#isInside(v, first, last);
    const storage = new Map(this.storage), narrow = new Map<Value, Value>();
    const kernels = members.map((k): ScheduledKernel => {
      const kept = new Map<Indexable, Columns>();
      const buffers = [...k.workload.buffers];
      const values = k.values.map((v, i): Value => {
        const of = needed.get(v);
        if (!inside(v) || !of) return v;
        const [tensor, buffer] = buffers[i];
        kept.set(tensor, of);
        const known = narrow.get(v);
        if (known) return known;
        const { shape, strides } = narrowed(buffer, of);
        const made: Value = { ...v, type: { ...v.type, shape } };
        narrow.set(v, made);
        storage.set(made, { ...ownStorage(made, strides), align: this.storage.get(v)!.align });
        return made;
      });
      const workload = inColumns(k.workload, stripes.get(k)!, kept);
      return { ...k, workload, kernel: { ...k.kernel, macs: workload.macs }, values };
    });
    const outside = members.flatMap((k) => k.values).filter((v) => !inside(v));
    const ports = { ...this.graph, inputs: outside, outputs: [] };
    return new Streams(kernels, storage, ports, this.options).streams(0, last - first, () => 1);
  }

  /** Whether nobody but some kernels touches a value, which lies in memory of its own. */
  #isInside(v: Value, first: number, last: number): boolean {
    const { inputs, outputs } = this.graph;
    const owner = this.storage.get(v)!.owner;
    if (owner !== v || inputs.includes(v) || outputs.includes(v)) return false;
    return v !== outputOf(this.kernels[last]) &&
      this.kernels.every((k, i) =>
        (first <= i && i <= last) || k.values.every((x) => this.storage.get(x)!.owner !== owner)
      ) &&
      this.kernels.every((k) => k.values.every((x) => x === v || this.storage.get(x)!.owner !== v));
  }
}

/** The value that a kernel with one output writes. */
const outputOf = ({ workload, values }: ScheduledKernel): Value =>
  values[[...workload.buffers.values()].findIndex((b) => b.scope === "output")];
