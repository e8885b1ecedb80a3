/** `conformance`: test cases of ONNX, compiled, built, executed and compared. */
import { ensureTools } from "../run/install.ts";
import { missingError, toolsFor } from "../run/toolchain.ts";
import { loadBoard } from "../target/boards.ts";
import { BurinError } from "../util/errors.ts";
import type { Args, Command } from "./args.ts";
import { type CaseResult, runSuite, type Verdict, VERDICTS } from "./conformance/run.ts";
import { byOperator } from "./conformance/results.ts";
import { listCases } from "./conformance/suite.ts";
import { checkWritable, userPath, writeUserFile } from "./paths.ts";
import { print, printJson, say } from "./terminal.ts";

const countOf = (results: readonly CaseResult[], v: Verdict): number =>
  results.filter((r) => r.verdict === v).length;

/** Cases that did not pass, then one line of counts. */
function summary(results: readonly CaseResult[]): string {
  const bad = results.filter((r) => r.verdict !== "passed")
    .sort((a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict));
  const counts = VERDICTS.map((v) => `${countOf(results, v)} ${v.replace("_", " ")}`);
  return [
    ...bad.map((r) => `${r.verdict.padEnd(13)} ${r.name}: ${r.reason}`),
    `${results.length} cases: ${counts.join(", ")}`,
  ].join("\n");
}

async function main(args: Args): Promise<number> {
  const folder = args.value("suite");
  if (folder === undefined) {
    throw new BurinError(
      "usage/no-suite",
      "Cannot run test cases as no suite is named",
      "python tools/onnx_suite.py FOLDER writes ONNX's own; then add --suite FOLDER",
    );
  }
  const board = loadBoard(args.value("board") ?? "host");
  const missing = await ensureTools(toolsFor(board.target));
  if (missing.length > 0) throw missingError(missing, `build for ${board.target.cpu}`);
  const filter = args.value("filter") ?? "";
  const part = args.flag("quarter") ? (i: number) => i % 4 === 0 : () => true;
  const file = args.value("write");
  if (file !== undefined) checkWritable(file);
  const suite = listCases(userPath(folder));
  const cases = suite.filter((c) => c.name.includes(filter)).filter((_, i) => part(i));
  let said = 0;
  const results = await runSuite(cases, {
    board,
    optLevel: Number(args.value("O") ?? "3") as 0 | 1 | 2 | 3,
    sanitize: args.flag("sanitize"),
    progress(done) {
      if (done - said < 100) return;
      said = done;
      say(`${done} of ${cases.length} cases …`);
    },
  });
  if (file !== undefined) {
    const text = JSON.stringify(byOperator(cases, results, suite), null, 1);
    writeUserFile(file, new TextEncoder().encode(`${text}\n`));
  }
  if (args.flag("json")) {
    printJson({
      ...Object.fromEntries(VERDICTS.map((v) => [v, countOf(results, v)])),
      cases: results,
    });
  } else print(summary(results));
  return results.every((r) => r.verdict === "passed" || r.verdict === "refused") ? 0 : 1;
}

/** The command. */
export const command: Command = {
  name: "conformance",
  summary: "Run ONNX's own test cases, or others of that form, on the generated C.",
  operands: "",
  maxOperands: 0,
  options: {
    suite: { kind: "value", value: "DIR", help: "folder of cases, each with a model.onnx" },
    board: { kind: "value", value: "NAME", help: "where to execute; default host" },
    filter: { kind: "value", value: "TEXT", help: "only cases with this in their name" },
    O: {
      kind: "value",
      value: "0..3",
      help: "how much is transformed; default 3",
      choices: [..."0123"],
    },
    sanitize: { kind: "flag", help: "build with gcc's address and undefined behaviour sanitizers" },
    quarter: { kind: "flag", help: "only every fourth case, the same ones each time" },
    write: { kind: "value", value: "F.json", help: "file to write the results by operator to" },
    json: { kind: "flag", help: "print verdicts and counts as one JSON object" },
  },
  notes:
    "A case passes where two runs on poisoned memory give its outputs within the tolerances\n" +
    "of ONNX's backend runner (1e-3 relative, 1e-7 absolute, or the case's own data.json).",
  main,
};
