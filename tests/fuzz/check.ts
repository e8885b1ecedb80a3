/** What has to hold for any file: a sound graph or a message, soon. */
import { printGraph } from "../../src/ir/print.ts";
import { verifyGraph } from "../../src/ir/verify.ts";
import { importModel } from "../../src/onnx/import.ts";
import { BurinError } from "../../src/util/errors.ts";

/** Longest time for one file, in milliseconds. */
const LIMIT = 5000;

/**
 * Imports a file that may be anything.
 *
 * @returns the code of the message, or `imported`, or `operator without a check` where the message
 * is the importer's own because an operator stumbled over what it should have refused
 * @throws Error for anything but a graph or a message that blames the model
 */
export function checkImport(bytes: Uint8Array, what: string): string {
  const start = performance.now();
  const outcome = outcomeOf(bytes, what);
  const ms = performance.now() - start;
  if (ms > LIMIT) throw new Error(`${what}: took ${Math.round(ms)} ms`);
  return outcome;
}

function outcomeOf(bytes: Uint8Array, what: string): string {
  let graph;
  try {
    graph = importModel(bytes).graph;
  } catch (e) {
    if (!(e instanceof BurinError)) throw new Error(`${what}: ${e}`, { cause: e });
    if (e.exitCode !== 1) throw new Error(`${what}: ${e.code}: ${e.message}`, { cause: e });
    if (e.message.includes("do not fit together (")) return "operator without a check";
    return e.code;
  }
  verifyGraph(graph, `import of ${what}`);
  printGraph(graph);
  return "imported";
}
