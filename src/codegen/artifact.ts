/** What the compiler hands to project writers and runners: plain data, no reference to the graph. */
import { type DType } from "../util/dtype.ts";
import { type TensorData } from "../util/tensor.ts";

/** Where a graph input or output lives at run time. */
export type Placement =
  | { readonly where: "caller" }
  | { readonly where: "arena"; readonly region: string; readonly offset: number };

/** One graph input or output of the generated library. */
export interface Port {
  /** Name in the ONNX file. */
  readonly name: string;
  /** Its name as a C identifier, unique among the ports of its direction. */
  readonly cName: string;
  readonly dtype: DType;
  readonly cType: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** Quantisation: real = scale × (q − zeroPoint); absent where the graph does not say. */
  readonly scale?: number;
  readonly zeroPoint?: number;
  readonly placement: Placement;
}

/** A region of memory that the library needs from its caller. */
export interface ArenaRegion {
  readonly name: string;
  readonly bytes: number;
  readonly align: number;
}

/** One buffer of the memory plan; steps count generated kernels, both ends included. */
export interface PlannedBuffer {
  readonly name: string;
  readonly region: string;
  readonly offset: number;
  readonly bytes: number;
  readonly firstStep: number;
  readonly lastStep: number;
  /** Whose memory it is: the arena's, the caller's, or another buffer's (a view). */
  readonly owner: string;
}

/** One generated kernel. */
export interface KernelInfo {
  readonly name: string;
  /** ONNX nodes that it computes. */
  readonly nodes: readonly string[];
  readonly ops: readonly string[];
  readonly macs: number;
  readonly scratchBytes: number;
}

/** Options as the compiler understood them, for model.json and for reproducing the output. */
export interface NormalizedOptions {
  readonly board: string;
  readonly name: string;
  readonly optLevel: 0 | 1 | 2 | 3;
  readonly optimize: "balanced" | "speed" | "ram" | "flash";
  readonly requant: "exact" | "fast";
  readonly io: "caller" | "arena";
  readonly dims: Readonly<Record<string, number>>;
}

/** The compiled model. */
export interface Artifact {
  /** C-safe prefix of every symbol. */
  readonly name: string;
  readonly modelSha256: string;
  readonly options: NormalizedOptions;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly regions: readonly ArenaRegion[];
  readonly buffers: readonly PlannedBuffer[];
  readonly kernels: readonly KernelInfo[];
  readonly arenaBytes: number;
  readonly paramsBytes: number;
  /** The library's own sources, path in the output folder → text (include/, src/). */
  readonly sources: ReadonlyMap<string, string>;
  /** Notes and warnings for the user, in order. */
  readonly notes: readonly string[];
  /** Runs one sample on the loop IR in the planned arena; same bits as the C. */
  interpret(inputs: readonly TensorData[]): TensorData[];
}
