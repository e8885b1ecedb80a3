/** Orders against all orders of small graphs, and what happens where the budget ends. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type OrderedMemory, orderTasks, peakOf, type Task } from "./order.ts";

/** Random graphs: each task writes one memory and reads some of those before it. */
const graphs = (most: number, least = 2) =>
  fc.array(
    fc.record({
      reads: fc.array(fc.nat(), { maxLength: 3 }),
      bytes: fc.integer({ min: 1, max: 100 }),
      scratch: fc.constantFrom(0, 0, 7, 60),
      input: fc.boolean(),
      output: fc.boolean(),
      joins: fc.option(fc.nat(), { freq: 8 }),
      inPlace: fc.boolean(),
    }),
    { minLength: least, maxLength: most },
  ).map((nodes) => {
    const memories: OrderedMemory[] = [{ bytes: nodes[0].bytes, fromStart: true, toEnd: false }];
    const tasks: Task[] = [], writes: number[] = [];
    nodes.forEach((n, i) => {
      // Some write a part of an earlier task's memory, as operands of a concatenation do.
      const joined = n.joins !== null && i > 0 ? writes[n.joins % i] : -1;
      const own = joined >= 0
        ? joined
        : memories.push({ bytes: n.bytes, fromStart: false, toEnd: n.output }) - 1;
      const from = n.reads.map((r) => r % (i + 1) - 1);
      const reads = [...new Set(from)].filter((j) => j < 0 || writes[j] !== own);
      const touches = [...new Set([own, ...reads.map((j) => j < 0 ? 0 : writes[j])])];
      writes.push(own);
      // Readers of a memory stay behind all of its earlier writers.
      const after = tasks.flatMap((_, j) =>
        j < i && reads.some((r) => r >= 0 && writes[r] === writes[j]) ? [j] : []
      );
      const behind = joined >= 0
        ? tasks.flatMap((t, j) => t.touches.includes(own) && writes[j] !== own ? [j] : [])
        : [];
      const input = touches.find((m) => m !== own);
      tasks.push({
        after: [...new Set([...after, ...behind])],
        touches,
        scratch: n.scratch,
        ...(n.inPlace && input !== undefined && joined < 0 && { over: { output: own, input } }),
      });
    });
    return { tasks, memories };
  });

const isPossible = (tasks: readonly Task[], order: readonly number[]): boolean =>
  new Set(order).size === tasks.length && order.length === tasks.length &&
  order.every((t, i) => tasks[t].after.every((a) => order.indexOf(a) < i && order.includes(a)));

/** Bytes at the worst step, from live ranges, not step by step. */
function peakIn(
  tasks: readonly Task[],
  memories: readonly OrderedMemory[],
  order: readonly number[],
) {
  const at = memories.map((m, k) => {
    const steps = order.flatMap((t, i) => tasks[t].touches.includes(k) ? [i] : []);
    if (steps.length === 0) return m.fromStart ? [0, order.length] : [0, -1];
    return [m.fromStart ? 0 : steps[0], m.toEnd ? order.length : steps.at(-1)!];
  });
  return Math.max(...order.map((t, i) => {
    const live = memories.reduce(
      (sum, m, k) => at[k][0] <= i && i <= at[k][1] ? sum + m.bytes : sum,
      0,
    );
    const { over, scratch } = tasks[t];
    const saved = over && at[over.output][0] === i && at[over.input][1] === i
      ? Math.min(memories[over.output].bytes, memories[over.input].bytes)
      : 0;
    return live + scratch - saved;
  }));
}

function smallestPeak(tasks: readonly Task[], memories: readonly OrderedMemory[]): number {
  let best = Infinity;
  const order: number[] = [];
  const visit = (): void => {
    if (order.length === tasks.length) {
      best = Math.min(best, peakIn(tasks, memories, order));
      return;
    }
    tasks.forEach((t, i) => {
      if (order.includes(i) || !t.after.every((a) => order.includes(a))) return;
      order.push(i);
      visit();
      order.pop();
    });
  };
  visit();
  return best;
}

Deno.test("the order of small graphs has the smallest peak of all orders, and keeps dependences", () => {
  let improved = 0;
  fc.assert(
    fc.property(graphs(7), ({ tasks, memories }) => {
      const found = orderTasks(tasks, memories);
      const given = tasks.map((_, i) => i);
      assert.ok(found.optimal && isPossible(tasks, found.order));
      assert.equal(found.peak, peakIn(tasks, memories, found.order));
      assert.equal(found.peak, smallestPeak(tasks, memories));
      assert.equal(peakOf(tasks, memories), peakIn(tasks, memories, given));
      if (found.peak < peakIn(tasks, memories, given)) improved++;
      else assert.deepEqual(found.order, given);
    }),
    { numRuns: 400, seed: 3 },
  );
  assert.ok(improved > 20, `${improved} orders improved`);
});

Deno.test("without a budget the order is possible, no worse than the given one, and not called optimal falsely", () => {
  fc.assert(
    fc.property(graphs(7), fc.nat(3), ({ tasks, memories }, budget) => {
      const found = orderTasks(tasks, memories, budget);
      assert.ok(isPossible(tasks, found.order));
      assert.equal(found.peak, peakIn(tasks, memories, found.order));
      assert.ok(found.peak <= peakOf(tasks, memories));
      if (found.optimal) assert.equal(found.peak, smallestPeak(tasks, memories));
    }),
    { numRuns: 200, seed: 4 },
  );
});

Deno.test("branches that end small are computed one after the other", () => {
  // An input of 10 bytes, eight branches of 100 bytes that each end in one byte, a sum of these.
  const memories: OrderedMemory[] = [{ bytes: 10, fromStart: true, toEnd: false }];
  const add = (bytes: number, toEnd = false) =>
    memories.push({ bytes, fromStart: false, toEnd }) - 1;
  const wide = Array.from({ length: 8 }, () => add(100)), small = wide.map(() => add(1));
  const all: Task[] = [
    ...wide.map((m): Task => ({ after: [], touches: [0, m], scratch: 0 })),
    ...wide.map((m, i): Task => ({ after: [i], touches: [m, small[i]], scratch: 0 })),
  ];
  all.push({ after: small.map((_, i) => 8 + i), touches: [...small, add(1, true)], scratch: 0 });
  const found = orderTasks(all, memories);
  assert.deepEqual([peakOf(all, memories), found.peak, found.optimal], [810, 117, true]);
  assert.deepEqual(found, orderTasks(all, memories));
});

Deno.test("hundreds of steps are ordered within the budget", () => {
  const [{ tasks, memories }] = fc.sample(graphs(300, 300), { numRuns: 1, seed: 2 });
  const start = performance.now();
  const found = orderTasks(tasks, memories);
  console.log(
    `${tasks.length} steps: ${peakOf(tasks, memories)} to ${found.peak} bytes, ` +
      `${found.optimal ? "optimal" : "heuristic"}, ${(performance.now() - start).toFixed(0)} ms`,
  );
  assert.ok(isPossible(tasks, found.order) && found.peak <= peakOf(tasks, memories));
});

/** So many branches of two steps each, all from one input to one output. */
function branches(count: number) {
  const memories: OrderedMemory[] = [
    { bytes: 100, fromStart: true, toEnd: false },
    { bytes: count, fromStart: false, toEnd: true },
  ];
  const tasks: Task[] = [];
  for (let i = 0; i < count; i++) {
    const wide = memories.push({ bytes: 50 + i % 7, fromStart: false, toEnd: false }) - 1;
    tasks.push({ after: [], touches: [0, wide], scratch: 0 });
  }
  for (let i = 0; i < count; i++) tasks.push({ after: [i], touches: [i + 2, 1], scratch: 0 });
  return { tasks, memories };
}

Deno.test("hundreds of branches are put into an order in a few states", () => {
  const { tasks, memories } = branches(150);
  const found = orderTasks(tasks, memories);
  assert(isPossible(tasks, found.order));
  const wide = memories.slice(2).reduce((sum, m) => sum + m.bytes, 0);
  assert.equal(peakOf(tasks, memories), 150 + wide);
  assert.equal(found.peak, peakIn(tasks, memories, found.order));
  assert(found.peak <= 150 + wide);
});

Deno.test("the order of thousands of steps stays", () => {
  const { tasks, memories } = branches(600);
  const { order, optimal } = orderTasks(tasks, memories);
  assert.deepEqual([order, optimal], [tasks.map((_, i) => i), false]);
});
