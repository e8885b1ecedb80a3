import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { livePeak } from "./bound.ts";
import { checkPlan } from "./checker.ts";
import type { Region, Request } from "./plan.ts";
import { planMemory } from "./planner.ts";

const FOLDER = fileURLToPath(new URL("../../../shared/minimalloc", import.meta.url));
const present = existsSync(FOLDER);
if (!present) console.log("minimalloc instances: ../shared/minimalloc is absent, not run");

/** The columns are id, first step, step behind the last, bytes. */
function read(instance: string): Request[] {
  const lines = readFileSync(`${FOLDER}/${instance}.1048576.csv`, "utf8").trim().split("\n");
  return lines.slice(1).map((line) => {
    const [id, lower, upper, bytes] = line.split(",").map(Number);
    return { name: `b${id}`, bytes, align: 1, first: lower, last: upper - 1, regions: ["r"] };
  });
}

Deno.test({
  name: "the instances of minimalloc are placed, checked, within 1.4 times the live bytes",
  ignore: !present,
  fn() {
    const regions: readonly Region[] = [{ name: "r", bytes: null }];
    for (const instance of "ABCDEFGHIJK") {
      const requests = read(instance);
      const [bySize, best] = ([0, 3] as const).map((level) => {
        const plan = planMemory(requests, regions, { level });
        checkPlan(requests, regions, plan);
        return plan.used.get("r")!;
      });
      const bound = livePeak(requests).bytes;
      console.log(
        `${instance}: ${requests.length} buffers, live ${bound}, by size ${bySize}, best ${best}`,
      );
      assert.ok(bound <= best && best <= bySize && best < 1.4 * bound);
    }
  },
});
