/**
 * ONNX's own test cases, a fixed quarter of them, where tools/onnx_suite.py has written them to the
 * folder `.onnx_suite` of this checkout. CI runs all.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { byOperator, type Results } from "../../src/cli/conformance/results.ts";
import { runSuite } from "../../src/cli/conformance/run.ts";
import { listCases } from "../../src/cli/conformance/suite.ts";
import { board, exists } from "./support.ts";

const FOLDER = new URL("../../.onnx_suite/", import.meta.url);
const there = exists(FOLDER);
if (!there) {
  console.log("no .onnx_suite in this checkout: python tools/onnx_suite.py .onnx_suite writes it");
}

function isFile(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch {
    return false;
  }
}

Deno.test({
  name:
    "ONNX's test cases: a quarter of them pass or are refused, as docs/conformance.json counts them",
  ignore: !there,
  async fn() {
    const all = listCases(fileURLToPath(FOLDER)), cases = all.filter((_, i) => i % 4 === 0);
    const results = await runSuite(cases, {
      board: board("host"),
      optLevel: 3,
      sanitize: false,
      progress: () => {},
    });
    const bad = results.filter((r) => r.verdict !== "passed" && r.verdict !== "refused");
    assert.deepEqual(bad, []);
    const file = new URL("../../docs/conformance.json", import.meta.url);
    if (!isFile(file)) {
      console.log("docs/conformance.json is not there: its counts are not compared");
      return;
    }
    const stored = JSON.parse(Deno.readTextFileSync(file)) as Results;
    for (const [name, r] of Object.entries(byOperator(cases, results, all))) {
      const whole = stored[name];
      assert(whole && r.passed <= whole.passed && r.refused <= whole.refused, `${name} is stale`);
    }
  },
});
