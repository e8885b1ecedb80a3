/**
 * The proof of memory plans against runs of the generated C: a plan that a run in poisoned memory
 * shows to be wrong is refused, the compiler's own plans are right and are accepted.
 */
import assert from "node:assert/strict";
import { compileStages } from "../../src/compile.ts";
import { type Replay, replay } from "../../src/memory/replay.ts";
import { BurinError } from "../../src/util/errors.ts";
import { runPlans } from "./plan_runner.ts";
import { board, defaults, ownNet, ownNets } from "./support.ts";

/** Plans that runs show to be wrong, all nets together: at least so many. */
const WRONG = 600;

/** Corrupted plans of one net. */
const PLANS = 60;

/** Schedules of several kinds of cores, whose kernels are then printed as portable C. */
const BOARDS = ["mps2-an386", "host", "mps3-an547"].map(board);

function random(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * n);
  };
}

const moved = (r: Replay, offsets: readonly number[]): Replay => ({
  ...r,
  memories: r.memories.map((m, i) => ({ ...m, offset: offsets[i] })),
});

function accepts(r: Replay): boolean {
  try {
    const { sampled } = replay(r);
    assert.deepEqual(sampled, []);
    return true;
  } catch (e) {
    assert.ok(e instanceof BurinError && e.code === "internal/memory-plan", `${e}`);
    return false;
  }
}

Deno.test("the proof refuses every corrupted plan that a run in poisoned memory shows to be wrong", async () => {
  const below = random(7);
  let wrong = 0, refused = 0, harmless = 0, nets = 0;
  for (const [n, { name }] of ownNets.entries()) {
    // Every other net: they come in pairs that differ little.
    if (n % 2 === 1) continue;
    const net = ownNet(name);
    const c = await compileStages(net.bytes, defaults(BOARDS[n % BOARDS.length]));
    const { replay: r } = c.placement;
    if (r.memories.length < 2) continue;
    nets++;
    const samples = net.samples.slice(0, 2);
    const expected = samples.map((s) => c.artifact.interpret(s));
    const size = c.artifact.arenaBytes;
    const good = r.memories.map((m) => m.offset);
    // One or two buffers are moved anywhere, or by a little.
    const corrupted = Array.from({ length: PLANS }, () => {
      const offsets = [...good];
      for (let k = below(2); k >= 0; k--) {
        const m = below(offsets.length);
        const last = Math.floor((size - r.memories[m].bytes) / 8);
        const to = below(2) === 0 ? 8 * below(last + 1) : offsets[m] + 8 * (below(9) - 4);
        offsets[m] = Math.max(0, Math.min(8 * last, to));
      }
      return offsets;
    });
    const [first, ...verdicts] = await runPlans(c, samples, expected, [good, ...corrupted], size);
    assert.equal(first, "right", `${name} under the compiler's plan`);
    assert.ok(accepts(r), `${name}: the compiler's plan is refused`);
    corrupted.forEach((plan, i) => {
      const accepted = accepts(moved(r, plan));
      if (verdicts[i] === "wrong") {
        wrong++;
        assert.ok(!accepted, `${name}: a wrong plan is accepted: ${plan} for ${good}`);
      } else if (accepted) harmless++;
      else refused++;
    });
  }
  console.log(
    `${nets} nets: ${wrong} plans wrong and refused, ${harmless} harmless and accepted, ${refused} ` +
      "refused whose overwritten bytes were the same by chance or did not count",
  );
  assert.ok(wrong >= WRONG && harmless > 50, `${wrong} wrong, ${harmless} harmless`);
});
