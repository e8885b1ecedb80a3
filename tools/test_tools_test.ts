import assert from "node:assert/strict";
import { TOOLS } from "../src/run/toolchain.ts";
import { TEST_TOOLS, testTool } from "./test_tools.ts";

Deno.test("test tools: all are installed, and none is Burin's own", () => {
  for (const { name } of TEST_TOOLS) {
    assert(testTool(name).startsWith("/"), name);
    assert(!TOOLS.some((t) => t.name as string === name), name);
  }
  assert.throws(() => testTool("make"), /Cannot test without make/);
});
