/**
 * What an operator means to whoever writes a model anew before it is compiled: to post-training
 * quantisation, and to raising the version of its operator set. Data of each operator's definition;
 * src/quantize reads it and knows no operator by name.
 */
import type { TensorData } from "../util/tensor.ts";

/** Attributes of a node in its file. */
export interface FileAttributes {
  has(name: string): boolean;
  int(name: string, fallback: number): number;
  float(name: string, fallback: number): number;
}

/** y = scale·x + shift, one of each for every channel. */
export interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** A node behind a layer, of whose inputs all others are constants. */
export interface AffineNode {
  /** Which of the inputs is the layer's result. */
  readonly input: number;
  /** The constants by input; undefined where there is none. */
  readonly constants: readonly (TensorData | undefined)[];
  readonly outputs: number;
  readonly attrs: FileAttributes;
  /** Of the layer's result: its channels, axis 1, and how many axes it has. */
  readonly channels: number;
  readonly rank: number;
}

/** Input 1 is a weight where it is a constant; the result is linear in input 0. */
export interface WeightRole {
  /** The axis of the weight along which the channels of the result lie. */
  channelAxis(attrs: FileAttributes, rank: number): number;
  /**
   * The operands of one result: `windows` of the input over its spatial axes, as of a convolution
   * with its attributes, or `rows` along its last axis.
   */
  readonly reads: "windows" | "rows";
  /** The input that is the bias; null: an addition behind the node is one. */
  readonly bias: number | null;
  /** Input 1 may be computed at run time as well. */
  readonly computed?: true;
  /** Attributes that multiply an input. */
  readonly factors?: readonly { readonly attribute: string; readonly input: number }[];
  /** Whether these attributes leave rows as they are; absent: all do. */
  plain?(attrs: FileAttributes): boolean;
}

/** How a float operator is quantised; the shapes, axes and bounds among its inputs never are. */
export interface PostTraining {
  /**
   * The range of the result: an `own` one, which is measured; the `same` as that of input 0, whose
   * elements are moved or selected; one that all inputs and results have `shared`; or what follows
   * from the function. Absent: the node stays float.
   */
  readonly range?: "own" | "same" | "shared" | { readonly low: number; readonly high: number };
  /** How many leading inputs are quantised, 1 if left out; of a shared range all are. */
  readonly operands?: number;
  readonly weight?: WeightRole;
  /** A clamp right behind the node is rounded together with it. */
  readonly takesClamp?: true;
  /** The node is such a clamp; `scales`: it commutes with positive factors. */
  readonly clamp?: "scales" | "fixed";
  /** The node is a sum: with a constant vector behind a product it is that product's bias. */
  readonly sums?: true;
  /** The result says less of an error than input 0 does: outputs are judged in front of it. */
  readonly saturates?: true;
  /** What the node does to each channel of a layer that it follows; null where it is not that. */
  affine?(n: AffineNode): Affine | null;
  /** Stands in models that are quantised already. */
  readonly integers?: true;
}

/** What an operator set changed of an operator's form. */
export type OpsetChange =
  & { readonly since: number }
  & (
    /** The attribute of integers became input 1. */
    | { readonly kind: "input"; readonly attribute: string }
    /** The attribute went. */
    | { readonly kind: "dropped"; readonly attribute: string }
    /** Without input 1 this attribute says how many outputs there are. */
    | { readonly kind: "counted"; readonly attribute: string }
    /** It worked on everything from its axis on, and works on that axis alone; its default was 1. */
    | { readonly kind: "axis" }
    /** It means something else. */
    | { readonly kind: "meaning" }
  );
