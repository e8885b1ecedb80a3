import assert from "node:assert/strict";
import fc from "fast-check";
import { type Edge, frontierOf, pathWithin } from "./frontier.ts";

const COUNT = 5;

/** Edges from each of a few kernels, the first one to the next kernel. */
const arbitrary: fc.Arbitrary<Edge[][]> = fc.tuple(
  ...Array.from({ length: COUNT }, (_, first) =>
    fc.array(
      fc.record({
        last: fc.integer({ min: first, max: COUNT - 1 }),
        bytes: fc.integer({ min: 1, max: 9 }),
        instructions: fc.integer({ min: 1, max: 20 }),
      }),
      { minLength: 1, maxLength: 4 },
    ).map((list) => list.map((e, i): Edge => ({ ...e, first, last: i === 0 ? first : e.last })))),
);

/** All ways through, without any cleverness. */
function allWays(edges: readonly Edge[][], from = 0): Edge[][] {
  if (from === edges.length) return [[]];
  return edges[from].flatMap((e) => allWays(edges, e.last + 1).map((rest) => [e, ...rest]));
}

const takes = (way: readonly Edge[]) => ({
  bytes: Math.max(...way.map((e) => e.bytes)),
  instructions: way.reduce((sum, e) => sum + e.instructions, 0),
});

Deno.test("frontier: every way through is matched or beaten, no point is beaten", () => {
  fc.assert(
    fc.property(arbitrary, (edges) => {
      const points = frontierOf(edges);
      for (const p of points) {
        const { bytes, instructions } = p;
        assert.deepEqual(takes(p.way), { bytes, instructions });
        assert.equal(p.way[0].first, 0);
        p.way.forEach((e, i) => assert.equal(p.way[i + 1]?.first ?? COUNT, e.last + 1));
      }
      for (const way of allWays(edges)) {
        const { bytes, instructions } = takes(way);
        assert(points.some((p) => p.bytes <= bytes && p.instructions <= instructions));
        for (const p of points) {
          assert(!(bytes <= p.bytes && instructions < p.instructions));
          assert(!(bytes < p.bytes && instructions <= p.instructions));
        }
      }
      points.forEach((p, i) => i > 0 && assert(p.bytes > points[i - 1].bytes));
    }),
    { seed: 5, numRuns: 200 },
  );
});

Deno.test("frontier: no way keeps to less than a kernel that there is no other way past", () => {
  const edges: Edge[][] = [[{ first: 0, last: 0, bytes: 8, instructions: 1 }]];
  assert.equal(pathWithin(edges, 7), null);
  assert.deepEqual(pathWithin(edges, 8), edges[0]);
});
