/** What the compiler hands to project writers and runners: plain data, no reference to the graph. */
import type { DType } from "../util/dtype.ts";
import type { TensorData } from "../util/tensor.ts";

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
  /** Element type. */
  readonly dtype: DType;
  /** Element type in C. */
  readonly cType: string;
  /** Dimensions, the batch first where the graph has one. */
  readonly shape: readonly number[];
  /** Bytes of all elements. */
  readonly bytes: number;
  /** Quantisation: real = scale × (q − zeroPoint); absent where the graph does not say. */
  readonly scale?: number;
  /** See `scale`. */
  readonly zeroPoint?: number;
  /** Where the values lie. */
  readonly placement: Placement;
}

/** A region of memory that the library needs from its caller. */
export interface ArenaRegion {
  /** The region's field in `NAME_memory`. */
  readonly name: string;
  /** Bytes that the caller provides. */
  readonly bytes: number;
  /** Alignment in bytes. */
  readonly align: number;
}

/** One buffer of the memory plan; steps count generated kernels, both ends included. */
export interface PlannedBuffer {
  /** Name of the value. */
  readonly name: string;
  /** Region that it lies in. */
  readonly region: string;
  /** Bytes from the start of the region. */
  readonly offset: number;
  /** Size in bytes. */
  readonly bytes: number;
  /** First step at which it is live. */
  readonly firstStep: number;
  /** Last step at which it is live. */
  readonly lastStep: number;
  /** Whose memory it is: the arena's, the caller's, or another buffer's (a view). */
  readonly owner: string;
}

/** One generated kernel. */
export interface KernelInfo {
  /** Its C function. */
  readonly name: string;
  /** ONNX nodes that it computes. */
  readonly nodes: readonly string[];
  /** Operators that it computes. */
  readonly ops: readonly string[];
  /** Multiply-accumulates of one run. */
  readonly macs: number;
  /** Scratch memory in the arena, in bytes. */
  readonly scratchBytes: number;
  /** Constants that it reads, in bytes; those of several kernels count at the first one. */
  readonly paramsBytes: number;
  /** Instructions of one call, as counted on its loops before any C compiler has seen them. */
  readonly predictedInstructions: number;
}

/** A way to run the model, as estimated: less memory costs more instructions. */
export interface MemoryPoint {
  /** Bytes of the arena. */
  readonly arenaBytes: number;
  /** Instructions of one run. */
  readonly instructions: number;
  /** ONNX nodes whose kernels, or the stream of them, take all of the arena. */
  readonly heldBy: readonly string[];
  /** Whether it is what was generated. */
  readonly chosen: boolean;
}

/** Options as the compiler understood them, for model.json and for reproducing the output. */
export interface NormalizedOptions {
  /** Name of the board. */
  readonly board: string;
  /** C-safe prefix of every symbol. */
  readonly name: string;
  /** How much is transformed. */
  readonly optLevel: 0 | 1 | 2 | 3;
  /** What is traded for what. */
  readonly optimize: "balanced" | "speed" | "ram" | "flash";
  /** Bytes of code and constants up to which flash is spent for speed; absent: by `optimize`. */
  readonly flashBudget?: number;
  /** Bytes that the arena may take; absent: by `optimize`. */
  readonly ramBudget?: number;
  /** Rounding of requantisation. */
  readonly requant: "exact" | "fast";
  /** Where inputs and outputs live. */
  readonly io: "caller" | "arena";
  /** Memories of the board that the arena was to use, and how much of each; absent: one region. */
  readonly arena?: readonly { readonly region: string; readonly bytes: number }[];
  /** Memory of the board that the constants are copied into at start; absent: none. */
  readonly weights?: string;
  /** Sizes of symbolic dimensions. */
  readonly dims: Readonly<Record<string, number>>;
}

/** A sample with the outputs that the library has to give for it. */
export interface GoldenVector {
  /** Inputs in graph order. */
  readonly inputs: readonly TensorData[];
  /** Outputs in graph order. */
  readonly outputs: readonly TensorData[];
}

/** A generated library: what building, executing and measuring it need to know. */
export interface CompiledLibrary {
  /** C-safe prefix of every symbol. */
  readonly name: string;
  /** Graph inputs, in graph order. */
  readonly inputs: readonly Port[];
  /** Graph outputs, in graph order. */
  readonly outputs: readonly Port[];
  /** Memory that the caller provides. */
  readonly regions: readonly ArenaRegion[];
  /** Bytes of all regions together. */
  readonly arenaBytes: number;
  /** Bytes of constants in flash. */
  readonly paramsBytes: number;
  /** Memory of the board that the constants are copied into at start; absent: they stay in flash. */
  readonly weights?: string;
  /** The library's own sources, path in the output folder → text (include/, src/). */
  readonly sources: ReadonlyMap<string, string>;
}

/** The compiled model. */
export interface Artifact extends CompiledLibrary {
  /** SHA-256 of the ONNX file, hexadecimal. */
  readonly modelSha256: string;
  /** Options as understood. */
  readonly options: NormalizedOptions;
  /** The memory plan. */
  readonly buffers: readonly PlannedBuffer[];
  /** Generated kernels, in the order in which they run. */
  readonly kernels: readonly KernelInfo[];
  /**
   * What less memory costs, the least memory first; empty where streams of rows are not looked at:
   * below -O2, and for `speed` and `flash` without a budget of RAM.
   */
  readonly frontier: readonly MemoryPoint[];
  /** Samples that the self-test runs; none where none were asked for. */
  readonly golden: readonly GoldenVector[];
  /** The self-test's own sources, path in the output folder → text (selftest/). */
  readonly selftest: ReadonlyMap<string, string>;
  /** Notes and warnings for the user, in order. */
  readonly notes: readonly string[];
  /** Runs one sample on the loop IR in the planned arena; same bits as the C. */
  interpret(inputs: readonly TensorData[]): TensorData[];
}
