/** The benchmark of MiniMalloc: what the planners reach, and packing within the capacity. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pack, readInstances } from "../../tools/planner_bench.ts";
import { livePeak } from "./bound.ts";
import { checkPlan } from "./checker.ts";
import type { Region } from "./plan.ts";
import { planMemory } from "./planner.ts";

const FOLDER = fileURLToPath(new URL("../../../shared/minimalloc", import.meta.url));
const present = existsSync(FOLDER);
if (!present) console.log("minimalloc instances: ../shared/minimalloc is absent, not run");

/** Enough for nine of the eleven; docs/planner.md has all. */
const NODES = 50_000, PACKED = "ACDFGHIJK";

Deno.test({
  name: "the instances of minimalloc are placed, checked, within 1.4 times the live bytes",
  ignore: !present,
  fn() {
    const regions: readonly Region[] = [{ name: "r", bytes: null }];
    for (const { name, requests } of readInstances(FOLDER)) {
      const [bySize, best] = ([0, 3] as const).map((level) => {
        const plan = planMemory(requests, regions, { level, nodes: 1000 });
        checkPlan(requests, regions, plan);
        return plan.used.get("r")!;
      });
      const bound = livePeak(requests).bytes;
      console.log(
        `${name}: ${requests.length} buffers, live ${bound}, by size ${bySize}, best ${best}`,
      );
      assert.ok(bound <= best && best <= bySize && best < 1.4 * bound);
    }
  },
});

Deno.test({
  name: "the exact search packs the instances of minimalloc within their capacity",
  ignore: !present,
  fn() {
    const packed = readInstances(FOLDER).filter((i) => PACKED.includes(i.name))
      .map((i) => `${i.name}${pack(i, NODES).offsets ? "" : " not"}`);
    assert.equal(packed.join(""), PACKED);
  },
});
