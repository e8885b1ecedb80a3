/** The compiled model before it is text: kernels with their arguments bound to memory. */
import type { Kernel } from "../tir/stmt.ts";
import type { TensorData } from "../util/tensor.ts";
import type { ArenaRegion, PlannedBuffer, Port } from "./artifact.ts";

/** The memory behind one buffer of a kernel. */
export type Argument =
  | { readonly k: "input"; readonly index: number }
  | { readonly k: "output"; readonly index: number }
  /** Bytes from the start of a region. */
  | { readonly k: "arena"; readonly region: string; readonly offset: number }
  /** A constant, by its name in `params`. */
  | { readonly k: "param"; readonly name: string };

/** A kernel call: one argument for each of `kernel.buffers`; `paramNames` for each of `kernel.params`. */
export interface Call {
  readonly kernel: Kernel;
  readonly args: readonly Argument[];
  readonly paramNames: readonly string[];
  /** Index of the argument, a bool, that must hold behind the call for the run to go on. */
  readonly check?: number;
}

/** A constant array of the library. */
export interface Param {
  /** C identifier without the library's prefix. */
  readonly name: string;
  readonly data: TensorData;
  readonly align: number;
  /** ONNX nodes that read it. */
  readonly origin: readonly string[];
}

export interface Program {
  readonly name: string;
  /** One line for the header: where the model came from. */
  readonly title: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly regions: readonly ArenaRegion[];
  readonly buffers: readonly PlannedBuffer[];
  readonly calls: readonly Call[];
  readonly params: readonly Param[];
  /** Memory of the board that the constants are copied into at start. */
  readonly weights?: string;
  /** C identifier of memory that several models share in place of a static arena of their own. */
  readonly sharedMemory?: string;
}
