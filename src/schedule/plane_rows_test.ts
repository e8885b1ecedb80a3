import assert from "node:assert/strict";
import { planeRows } from "./plane_rows.ts";

Deno.test("rows of planes: an even number that leaves none or one over, if their planes are small", () => {
  assert.equal(planeRows(25, 5), 8);
  assert.equal(planeRows(48, 48), 4);
  assert.equal(planeRows(6, 6), 6);
  for (let height = 1; height < 60; height++) {
    for (const width of [1, 5, 13, 48, 200]) {
      const rows = planeRows(height, width);
      assert(rows % 2 === 0 && rows >= 2, `${height} × ${width}: ${rows}`);
    }
  }
});
