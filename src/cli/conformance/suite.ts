/** A suite of test cases in the form of ONNX's backend tests: a folder a case. */
import { join } from "@std/path";
import { type GraphView, readModel } from "../../onnx/reader.ts";
import { BurinError } from "../../util/errors.ts";
import type { TensorData } from "../../util/tensor.ts";
import { type Datum, datumOf, tensorsIn } from "./items.ts";

/** One case, its data not read yet. */
export interface SuiteCase {
  readonly name: string;
  readonly folder: string;
  /** Relative and absolute tolerance: ONNX's backend runner's, or the case's own. */
  readonly rtol: number;
  readonly atol: number;
}

/**
 * Inputs and expected outputs, in the order of the model's inputs and outputs; of a sequence each
 * element.
 */
export interface DataSet {
  /** The inputs as the files hold them. */
  readonly given: readonly Datum[];
  readonly inputs: readonly TensorData[];
  readonly outputs: readonly TensorData[];
}

const RTOL = 1e-3, ATOL = 1e-7;

const names = (folder: string): string[] => [...Deno.readDirSync(folder)].map((e) => e.name).sort();

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * The cases of a suite by name.
 * @throws BurinError `data/no-suite` where the folder has none
 */
export function listCases(suite: string): SuiteCase[] {
  let found: string[];
  try {
    found = names(suite).filter((name) => isFile(join(suite, name, "model.onnx")));
  } catch {
    found = [];
  }
  if (found.length === 0) {
    throw new BurinError(
      "data/no-suite",
      `Cannot run ${suite} as it holds no folder with a model.onnx`,
      "python tools/onnx_suite.py FOLDER writes ONNX's own test cases",
    );
  }
  return found.map((name) => {
    const folder = join(suite, name), own = join(folder, "data.json");
    const { rtol = RTOL, atol = ATOL } = isFile(own)
      ? JSON.parse(Deno.readTextFileSync(own)) as Partial<SuiteCase>
      : {};
    return { name, folder, rtol, atol };
  });
}

/** The bytes of a case's model. */
export const modelOf = (c: SuiteCase): Uint8Array =>
  Deno.readFileSync(join(c.folder, "model.onnx"));

/** The data sets of a case for its model's graph. */
export function dataSets({ folder }: SuiteCase, graph: GraphView): DataSet[] {
  const read = (set: string, role: string, ports: GraphView["inputs"]): Datum[] => {
    const data: Datum[] = [];
    for (;;) {
      const path = join(folder, set, `${role}_${data.length}.pb`);
      if (!isFile(path)) return data;
      data.push(datumOf(Deno.readFileSync(path), ports[data.length]?.type.kind));
    }
  };
  return names(folder).filter((n) => n.startsWith("test_data_set_")).map((set) => {
    const given = read(set, "input", graph.inputs);
    const outputs = read(set, "output", graph.outputs).flatMap(tensorsIn);
    return { given, inputs: given.flatMap(tensorsIn), outputs };
  });
}

/** Names of the operators in a model's main graph, in order of first use. */
export const operatorsOf = (model: Uint8Array): string[] => [
  ...new Set(
    readModel(model).graph.nodes.map((n) => n.domain ? `${n.domain}:${n.opType}` : n.opType),
  ),
];
