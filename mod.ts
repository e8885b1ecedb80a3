/**
 * Burin compiles ONNX models ahead of time to C for microcontrollers. Each command of the command
 * line is a function here.
 *
 * ```ts
 * import { compile } from "./mod.ts";
 *
 * const { artifact, out } = await compile({ model: "kws.onnx", board: "stm32f746" });
 * console.log(out, artifact.arenaBytes);
 * ```
 *
 * Failures that a user can cause are thrown as {@link BurinError}, whose code is stable.
 * @module
 */
export { bench, type BenchRequest, type BenchResult } from "./src/cli/bench.ts";
export { type BoardInfo, boards } from "./src/cli/boards.ts";
export {
  compile,
  type Compiled,
  compileInMemory,
  type Project,
  type ProjectRequest,
} from "./src/cli/compile.ts";
export { doctor } from "./src/cli/doctor.ts";
export { example, type ExampleResult } from "./src/cli/example.ts";
export type { GoldenOptions } from "./src/cli/golden.ts";
export type { LogitAgreement } from "./src/cli/logits.ts";
export { inspect, type InspectRequest, STAGES } from "./src/cli/inspect.ts";
export type { CompileRequest } from "./src/cli/options.ts";
export type { LayerFigures } from "./src/cli/layers.ts";
export { type LayeredExecution, run, type RunRequest } from "./src/cli/run.ts";
export { quantize, type QuantizedFile, type QuantizeRequest } from "./src/cli/quantize.ts";
export { type Verification, verify, type VerifyRequest } from "./src/cli/verify.ts";
export type { EntryVerdict } from "./src/cli/verify_entry.ts";
export type {
  ArenaRegion,
  Artifact,
  CompiledLibrary,
  GoldenVector,
  KernelInfo,
  MemoryPoint,
  NormalizedOptions,
  Placement,
  PlannedBuffer,
  Port,
} from "./src/codegen/artifact.ts";
export type { Change, Failure, FigureName } from "./src/lock/compare.ts";
export type { Figures, Recorded } from "./src/lock/lock.ts";
export type { ProjectFiles } from "./src/project/mod.ts";
export type { BenchTools } from "./src/report/bench_page.ts";
export type { BenchLayer, BenchRow, Ratio } from "./src/report/bench_row.ts";
export type { OutputQuality } from "./src/quantize/evaluate.ts";
export type {
  Budget,
  LayerQuality,
  QuantizeResult,
  QuantizeSettings,
} from "./src/quantize/quantize.ts";
export type { Cost, NoiseSource } from "./src/quantize/mixed.ts";
export type { TensorQuality } from "./src/quantize/measure.ts";
export type { ActivationType, Method, QuantType } from "./src/quantize/ranges.ts";
export type { Trial } from "./src/quantize/trial.ts";
export type { WeightOptions } from "./src/quantize/weights.ts";
export type { WeightType } from "./src/quantize/rounding.ts";
export type { Comparison, OutputMatch } from "./src/run/compare.ts";
export type { ToolReport } from "./src/run/doctor.ts";
export type { Profile, Traffic } from "./src/run/cycles.ts";
export type { Profiled } from "./src/run/profile.ts";
export type { Firmware } from "./src/run/firmware.ts";
export type { StackBound } from "./src/run/stack.ts";
export type { StackUse } from "./src/run/stack.ts";
export type { Execution, RunResult } from "./src/run/mod.ts";
export type { Sample } from "./src/run/samples.ts";
export type {
  Board,
  Counter,
  Feature,
  FixedWords,
  Machine,
  MemoryRegion,
  Target,
} from "./src/target/target.ts";
export type { DType } from "./src/util/dtype.ts";
export { BurinError, type ErrorCode, type Fault } from "./src/util/errors.ts";
export type { ElementArray, TensorData } from "./src/util/tensor.ts";
