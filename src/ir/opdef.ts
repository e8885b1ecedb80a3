/** What an operator is: its ONNX forms, its types, its meaning. One object an operator, in src/ops. */
import { BurinError } from "../util/errors.ts";
import type { TensorData } from "../util/tensor.ts";
import type { Compute, Tensor } from "../te/compute.ts";
import type { Buffer, Stmt } from "../tir/stmt.ts";
import type { Graph, StateSlot, TensorType, Value } from "./graph.ts";
import type { Builder } from "./build.ts";
import type { Item, ItemTools } from "./items.ts";
import type { OpsetChange, PostTraining } from "./post_training.ts";
import type { QuantRule } from "./quant.ts";

/** The data of constant inputs, by input index. */
export type KnownData = (input: number) => TensorData | undefined;

/** Attribute and operand access while an ONNX node is read; every getter checks the type. */
export interface AttrReader {
  /** The version of the operator set that the model imports for this node's domain. */
  readonly opset: number;
  readonly inputCount: number;
  readonly outputCount: number;
  has(name: string): boolean;
  int(name: string, fallback?: number): number;
  float(name: string, fallback?: number): number;
  string(name: string, fallback?: string): string;
  ints(name: string, fallback?: readonly number[]): readonly number[];
  strings(name: string, fallback?: readonly string[]): readonly string[];
  floats(name: string, fallback?: readonly number[]): readonly number[];
  tensor(name: string): TensorData;
  /** Type of an input, null where it is left out. */
  type(input: number): TensorType | null;
  /**
   * The data of an input that must be known at compile time (shapes, axes, bounds), undefined where
   * it is left out. Throws `model/operand-not-constant` where it is computed at run time.
   */
  operand(input: number): TensorData | undefined;
  /**
   * The same, as integers. With `solve`, one that is computed at run time is worked out from the
   * declared types of the outputs; the generated code checks that it is what was worked out.
   */
  operandInts(input: number, solve?: Solve): readonly number[] | undefined;
  /** The same of any type of numbers. */
  operandNumbers(input: number, solve?: Solve): readonly number[] | undefined;
  /** Type of an output as the file declares it, null where it does not. */
  declared(output: number): TensorType | null;
  /** The data of an input where it is known at compile time. */
  constant(input: number): TensorData | undefined;
  /** The graph in an attribute, for inputs of these types; those with data are constants in it. */
  graph(name: string, inputs: readonly GraphInput[]): Graph;
}

/** What a nested graph is read for. */
export interface GraphInput {
  readonly type: TensorType;
  readonly data?: TensorData;
}

/** What is known where an operand is not: its own type, the inputs', and the outputs' as declared. */
export interface OperandContext {
  readonly type: TensorType;
  readonly ins: readonly (TensorType | null)[];
  readonly outs: readonly (TensorType | null)[];
}

/** What an operand may be. */
export interface Candidate {
  readonly values: readonly number[];
  /**
   * By element, all numbers that mean the same, null where any does; only the value itself where
   * it is left out.
   */
  readonly same?: readonly (readonly number[] | null)[];
}

/** What an operand may be, so that the node's outputs have their declared types. */
export type Solve = (c: OperandContext) => readonly Candidate[];

/** One ONNX operator that reads into this definition. */
export interface OnnxBinding<A> {
  /** "" for ai.onnx. */
  readonly domain: string;
  readonly type: string;
  /** First operator set version that this reading understands. */
  readonly since: number;
  attrs(r: AttrReader): A;
  /** What the user should know of every model that has it, one sentence. */
  readonly note?: string;
  /** A reading for operands that are computed at run time, tried where the other one needs constants. */
  readonly runtime?: true;
  /** How many leading inputs stay data; the rest were read as operands. All by default. */
  readonly inputs?: number;
}

/** Types of a node's inputs and outputs, shapes bound. */
export interface IO {
  readonly ins: readonly (TensorType | null)[];
  readonly outs: readonly TensorType[];
}

export interface Cost {
  readonly macs: number;
}

/** Strided access to another tensor's memory, in elements. */
export interface StridedView {
  readonly offset: number;
  readonly strides: readonly number[];
}

/** Where a value lies inside a larger one: start per axis. */
export interface Region {
  readonly input: number;
  readonly start: readonly number[];
}

/** What a kernel works on: its operands, then what it asked for, in order. */
export interface KernelBuffers {
  readonly ins: readonly (Buffer | null)[];
  readonly outs: readonly Buffer[];
  /** Memory of its own, in the arena. */
  readonly scratch: readonly Buffer[];
  readonly constants: readonly Buffer[];
}

/** An operator that no tensor expression describes. Its loops run in the order that they are written. */
export interface KernelBody<A> {
  scratch?(a: A, io: IO): readonly TensorType[];
  /** Data that the attributes hold. */
  constants?(a: A): readonly TensorData[];
  program(a: A, b: KernelBuffers): Stmt;
}

export type Body<A> =
  /** Tensor expressions, in order; the last `outs.length` of them are the outputs. */
  | {
    readonly kind: "compute";
    define(a: A, ins: readonly (Tensor | null)[], outs: readonly TensorType[]): readonly Compute[];
  }
  /** Rewritten into other nodes before anything else looks at it. */
  | {
    readonly kind: "expand";
    rewrite(a: A, ins: readonly (Value | null)[], outs: readonly TensorType[], b: Builder): Value[];
  }
  /** A step graph run a known number of times. */
  | { readonly kind: "scan"; readonly step: Graph; readonly state: readonly StateSlot[] }
  /** Data-dependent control flow: a loop program, which the interpreter and C share. */
  | ({ readonly kind: "kernel" } & KernelBody<A>)
  /** A user's or vendor's C function. */
  | {
    readonly kind: "extern";
    readonly symbol: string;
    readonly headers: readonly string[];
    workspace(io: IO): number;
    reference(a: A, ins: readonly (TensorData | null)[]): TensorData[];
  };

export interface OpDef<A> {
  readonly name: string;
  readonly onnx: readonly OnnxBinding<A>[];
  /** Output types; throws {@link OpError} where the inputs do not fit. */
  infer(a: A, ins: readonly (TensorType | null)[], known: KnownData): readonly TensorType[];
  readonly body: Body<A>;
  /**
   * false: a node of nothing but constants stays a node at import, as its integers mean more to the
   * passes than its result does (the weights of quantised graphs behind DequantizeLinear).
   */
  readonly fold?: false;
  /** Why every node of it is refused; for the documentation. */
  readonly refused?: string;
  /** Its inner loop runs over channels, axis 1: they lie innermost in memory where they can. */
  readonly channelsLast?: true;
  /** Which of its tensors are integers that stand for (q − zero point) × scale; inputs 1 and 2 are both. */
  readonly quantizes?: "input" | "output";
  /** Each element of its one output is made of those that broadcasting gives to it, of all inputs. */
  readonly pointwise?: true;
  /** Its one output is a bool that must hold, else the run ends with a status; never left out. */
  readonly check?: true;
  /**
   * How the output can share its input's memory, given the input's strides: movement operators.
   * Returns null where no strided view can express it.
   */
  view?(a: A, io: IO, strides: readonly number[]): StridedView | null;
  /** How inputs can be placed inside the output instead of being copied (Concat). */
  place?(a: A, io: IO): readonly Region[];
  /** How a node of a float model is quantised; absent: it stays float. */
  readonly postTraining?: PostTraining;
  /** What operator sets from 12 on changed of its form, oldest first. */
  readonly changes?: readonly OpsetChange[];
  /**
   * What it makes of sequences and optionals, whose lengths are known; `always` where it takes or
   * gives nothing else. Absent: it takes tensors alone.
   */
  readonly items?: {
    readonly always?: true;
    apply(r: AttrReader, ins: readonly (Item | null)[], tools: ItemTools): readonly Item[];
  };
  /** The node is nothing but a tensor, which its attributes hold. */
  literal?(a: A): TensorData;
  /** How the operator acts on quantised operands; absent: it computes on floats. */
  readonly quantized?: QuantRule<A>;
  cost?(a: A, io: IO): Cost;
}

/** An operator whose attributes or inputs do not fit; the importer adds which node. */
export class OpError extends BurinError {
  constructor(why: string, hint?: string) {
    super("model/bad-operator", why, hint);
  }
}
