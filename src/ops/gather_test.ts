/** Indices count from either end, each axis by its own size; those of run time stay inside. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./gather.ts";
import { counting, expect, floats, int64s, named } from "./testing.ts";

const x = counting([3, 4]);

Deno.test("Gather: every index of either sign", () => {
  const indices = int64s(-3, -2, -1, 0, 1, 2);
  const want = [0, 1, 2, 0, 1, 2].flatMap((r) => [0, 1, 2, 3].map((c) => 4 * r + c));
  expect(named(ops, "Gather"), { axis: 0 }, [x, indices], floats([6, 4], want));
  const columns = [0, 1, 2].flatMap((r) => [3, 0].map((c) => 4 * r + c));
  expect(named(ops, "Gather"), { axis: -1 }, [x, int64s(-1, -4)], floats([3, 2], columns));
});

Deno.test("GatherElements and GatherND: negative indices, each of its own axis", () => {
  const along = tensor("int64", [3, 2], [-1, 0, 1, -3, -4, -2]);
  const want = floats([3, 2], [3, 0, 5, 5, 8, 10]);
  expect(named(ops, "GatherElements"), { axis: 1 }, [x, along], want);
  const points = tensor("int64", [3, 2], [-1, -1, 0, -4, -2, 2]);
  expect(named(ops, "GatherND"), { batch: 0 }, [x, points], floats([3], [11, 0, 6]));
});
