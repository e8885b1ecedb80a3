/** Runs the cases of a suite: compiled in this process, built and executed in batches. */
import { type BatchCase, runBatch } from "../../run/batch.ts";
import { withWorkDir } from "../../run/workdir.ts";
import type { Board } from "../../target/target.ts";
import { BurinError } from "../../util/errors.ts";
import type { Artifact } from "../../codegen/artifact.ts";
import { compileModel } from "../../compile.ts";
import { DEFAULTS } from "../../compile/defaults.ts";
import { type Elements, UnsupportedNodes } from "../../onnx/import.ts";
import { dtypeByNumber } from "../../util/dtype.ts";
import type { TensorData } from "../../util/tensor.ts";
import { openDims } from "../../onnx/dims.ts";
import { readModel, type TypeView } from "../../onnx/reader.ts";
import { difference } from "./compare.ts";
import { type Datum, elementsOf, tensorsIn } from "./items.ts";
import { type DataSet, dataSets, modelOf, type SuiteCase } from "./suite.ts";

/** How a case can end. */
export const VERDICTS = ["passed", "wrong", "compile_error", "crash", "refused"] as const;
/** One of {@link VERDICTS}. */
export type Verdict = (typeof VERDICTS)[number];

/** What became of one case. */
export interface CaseResult {
  readonly name: string;
  readonly verdict: Verdict;
  /** Why, empty for a case that passed. */
  readonly reason: string;
}

/** Options of {@link runSuite}. */
export interface SuiteOptions {
  readonly board: Board;
  readonly optLevel: 0 | 1 | 2 | 3;
  readonly sanitize: boolean;
  /** Called after every batch with the number of cases done. */
  readonly progress: (done: number) => void;
}

/** Cases of one program. */
const BATCH = 24;
/** Programs that are built and run at the same time. */
const PARALLEL = 2;

interface Compiled {
  readonly case: SuiteCase;
  readonly artifact: Artifact;
  readonly data: readonly DataSet[];
}

/** Why a model was refused: what its first unsupported node says, or the error itself. */
function reasonOf(e: BurinError): string {
  if (!(e instanceof UnsupportedNodes)) return e.message;
  const [first] = e.problems;
  return `${first.type}: ${first.reason}`;
}

/** Before onnx 1.13 its suites hold numbers of bfloat16 as the integers that their bits are. */
function asDeclared({ given, inputs, outputs }: DataSet, artifact: Artifact): DataSet {
  const typed = (ports: Artifact["inputs"]) => (t: TensorData, i: number): TensorData =>
    t.dtype === "uint16" && ports[i]?.dtype === "bfloat16" ? { ...t, dtype: "bfloat16" } : t;
  return {
    given,
    inputs: inputs.map(typed(artifact.inputs)),
    outputs: outputs.map(typed(artifact.outputs)),
  };
}

/** Whether a tensor has the sizes that the model declares; onnx 1.12 has cases whose do not. */
function fits({ kind, shape }: TypeView, d: Datum): boolean {
  if (kind !== "tensor" || d === null || !("dtype" in d)) return false;
  return shape === null || (shape.length === d.shape.length &&
    shape.every((n, axis) => typeof n !== "number" || n < 0 || n === d.shape[axis]));
}

/** Of a tensor the sizes are the data's, the element type is the model's. */
const ofDeclaredType = ({ elemType }: TypeView, e: Elements): Elements => {
  const dtype = dtypeByNumber(elemType);
  return e !== null && "dtype" in e && dtype ? { ...e, dtype } : e;
};

async function compileCase(
  c: SuiteCase,
  index: number,
  { board, optLevel }: SuiteOptions,
): Promise<Compiled | CaseResult> {
  try {
    const bytes = modelOf(c);
    const { graph } = readModel(bytes);
    // Sizes of symbolic dimensions, and what sequences hold, are the user's to give: the data has them.
    const data = dataSets(c, graph), first = data[0]?.given ?? [];
    const dims: Record<string, number> = {};
    for (const { name, input, axis } of openDims(graph)) {
      const [t] = tensorsIn(first[input] ?? null), size = t?.shape[axis];
      if (size !== undefined && size > 0) dims[name] = size;
    }
    const elements = Object.fromEntries(
      graph.inputs.flatMap((v, i) =>
        first[i] === undefined || fits(v.type, first[i])
          ? []
          : [[v.name, ofDeclaredType(v.type, elementsOf(first[i]))]]
      ),
    );
    const artifact = await compileModel(bytes, {
      board,
      fileStem: c.name,
      name: `c${index}`,
      ...DEFAULTS,
      optLevel,
      dims,
      elements,
    });
    return { case: c, artifact, data: data.map((d) => asDeclared(d, artifact)) };
  } catch (e) {
    const fault = e instanceof BurinError && !e.code.startsWith("internal/");
    return fault ? { name: c.name, verdict: "refused", reason: reasonOf(e) } : {
      name: c.name,
      verdict: "compile_error",
      reason: (e as Error).message,
    };
  }
}

/** The first output that differs, over all data sets; null where none does. */
function judge({ case: c, artifact, data }: Compiled, got: readonly (DataSet["outputs"])[]) {
  for (const [s, { outputs }] of data.entries()) {
    for (const [i, expected] of outputs.entries()) {
      const why = difference(got[s][i], expected, c);
      if (why !== null) return `output '${artifact.outputs[i].name}': ${why}`;
    }
  }
  return null;
}

/** Why the inputs of a data set cannot be given to the library, null where they can. */
function misfit({ artifact, data }: Compiled): string | null {
  for (const { inputs, outputs } of data) {
    if (inputs.length !== artifact.inputs.length || outputs.length !== artifact.outputs.length) {
      return `it has ${artifact.inputs.length} inputs and ${artifact.outputs.length} outputs ` +
        `for data with ${inputs.length} and ${outputs.length}`;
    }
    for (const [i, t] of inputs.entries()) {
      const p = artifact.inputs[i];
      if (p.dtype !== t.dtype || p.shape.join() !== t.shape.join()) {
        return `its input '${p.name}' is ${p.dtype}[${p.shape}] for data of ${t.dtype}[${t.shape}]`;
      }
    }
  }
  return null;
}

async function execute(batch: readonly Compiled[], options: SuiteOptions): Promise<CaseResult[]> {
  const cases = batch.map(({ artifact, data }): BatchCase => ({
    artifact,
    samples: data.map((d) => d.inputs),
  }));
  const outcomes = await withWorkDir((folder) =>
    runBatch(cases, options.board, folder, { sanitize: options.sanitize })
  );
  return batch.map((c, i): CaseResult => {
    const o = outcomes[i], { name } = c.case;
    if (o.kind !== "ran") return { name, verdict: o.kind, reason: o.reason };
    const why = judge(c, o.outputs);
    return { name, verdict: why === null ? "passed" : "wrong", reason: why ?? "" };
  });
}

/** Runs cases; the results are in their order. */
export async function runSuite(
  cases: readonly SuiteCase[],
  options: SuiteOptions,
): Promise<CaseResult[]> {
  const results = new Map<string, CaseResult>();
  const note = (list: readonly CaseResult[]): void => {
    list.forEach((r) => results.set(r.name, r));
    options.progress(results.size);
  };
  const running = new Set<Promise<void>>();
  const launch = async (batch: readonly Compiled[]): Promise<void> => {
    if (running.size >= PARALLEL) await Promise.race(running);
    const task: Promise<void> = execute(batch, options).then(note).finally(() =>
      running.delete(task)
    );
    running.add(task);
  };
  let batch: Compiled[] = [];
  for (const [i, c] of cases.entries()) {
    const compiled = await compileCase(c, i, options);
    if ("verdict" in compiled) {
      note([compiled]);
      continue;
    }
    const why = misfit(compiled);
    if (why !== null) {
      note([{ name: c.name, verdict: "wrong", reason: why }]);
      continue;
    }
    batch.push(compiled);
    if (batch.length < BATCH) continue;
    await launch(batch);
    batch = [];
  }
  if (batch.length > 0) await launch(batch);
  await Promise.all(running);
  return cases.map((c) => results.get(c.name)!);
}
