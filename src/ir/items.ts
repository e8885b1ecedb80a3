/**
 * Sequences and optionals. What one holds is known when a model is read: it stands for so many
 * values, and the operators that work on it only say which. No graph holds one.
 */
import type { TensorData } from "../util/tensor.ts";
import type { Builder } from "./build.ts";
import type { Value } from "./graph.ts";

/** A sequence, or an optional without an element: null. An optional with one is that element. */
export interface Several {
  readonly items: readonly Item[] | null;
}

/** What a name of a file stands for. */
export type Item = Value | Several;

export const isSeveral = (v: Item | null | undefined): v is Several =>
  v !== null && v !== undefined && "items" in v;

/** Where an operator on sequences puts its nodes, and what it may ask. */
export interface ItemTools {
  readonly b: Builder;
  /** The data of a value that is known at compile time. */
  data(v: Value): TensorData | undefined;
  /** Adds the nodes of the graph in an attribute, its inputs standing for `ins`: its outputs. */
  inline(attribute: string, ins: readonly Item[]): readonly Item[];
}
