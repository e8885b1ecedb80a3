/** What a report is made of. */
import type { Artifact } from "../../codegen/artifact.ts";
import type { ReportFacts } from "../../compile/report_facts.ts";
import type { Board } from "../../target/target.ts";
import type { FlowLayout } from "./flow.ts";

/** Figures of a run, where there was one. */
export interface MeasuredRun {
  /** What executed. */
  readonly engine: string;
  readonly samples: number;
  /** Instructions of one run, the mean over the samples. */
  readonly instructions: number;
  /** Instructions of each kernel. */
  readonly layers: readonly number[];
  /** Machine code of the library and of what it pulls in. */
  readonly codeBytes: number;
  readonly stackBytes: number;
  /** What the stack can take at most; absent or null where nothing bounds it. */
  readonly stackBoundBytes?: number | null;
  /** Arena, the caller's buffers, data and stack. */
  readonly ramBytes: number;
}

/** A compiled model and all that its report says. */
export interface ReportData {
  readonly artifact: Artifact;
  readonly facts: ReportFacts;
  readonly board: Board;
  /** Bytes of the board's main memories; null where there is no limit. */
  readonly limits: { readonly flash: number | null; readonly ram: number | null };
  /** Burin's version. */
  readonly version: string;
  /** How the model is named in the command that measures it. */
  readonly model: string;
  readonly measured: MeasuredRun | null;
  readonly layout: FlowLayout;
}
