import assert from "node:assert/strict";
import { CYCLE_MODELS } from "../target/cycle_model.ts";
import { movedBy, profileOf, readDisassembly, readRuns } from "./cycles.ts";

/** A function with every class of instruction, as objdump prints it. */
const LISTING = `
harness.elf:     file format elf32-littlearm

00000100 <f>:
     100:\tb530      \tpush\t{r4, r5, lr}
     102:\t6803      \tldr\tr3, [r0, #0]
     104:\t8842      \tldrh\tr2, [r0, #2]
     106:\te9d0 4502 \tldrd\tr4, r5, [r0, #8]
     10a:\t6001      \tstr\tr1, [r0, #0]
     10c:\tf893 1000 \tldrb.w\tr1, [r3]
     110:\tfbb2 f3f1 \tudiv\tr3, r2, r1
     114:\tee00 0a81 \tvmla.f32\ts0, s1, s2
     118:\tee80 0a01 \tvdiv.f32\ts0, s0, s2
     11c:\td1f1      \tbne.n\t102 <f+0x2>
     11e:\tbd30      \tpop\t{r4, r5, pc}

00000120 <g>:
     120:\t4770      \tbx\tlr
     122:\t0000      \tmovs\tr0, r0
     124:\t0000 1234 \t.word\t0x00001234
`;

const instructions = readDisassembly(LISTING);
/** Two calls: the loop runs three times, then ten times. */
const RUNS = `calls 2
100 11c 2 2 0
102 11c 11 0 0
11e 11e 2 0 0
`;

Deno.test("cycles: a listing is read instruction by instruction", () => {
  assert.equal(instructions.length, 14);
  assert.deepEqual(instructions[5], {
    address: 0x10c,
    bytes: 4,
    code: "f893 1000",
    symbol: "f",
    mnemonic: "ldrb",
    operands: "r1, [r3]",
  });
  assert.equal(instructions[11].symbol, "g");
});

Deno.test("cycles: every class of instruction takes what the model of the Cortex-M4 says", () => {
  const { calls, runs } = readRuns(RUNS);
  assert.equal(calls, 2);
  // The branch was taken 11 times of 13; leaving the function counts as taken too.
  const profile = profileOf(instructions, runs, calls, CYCLE_MODELS["cortex-m4"]);
  const body = 2 + 1 + 3 + 1 + 1 + 7 + 3 + 14 + 1;
  // In the first run of a call the first load follows the list, where it is not pipelined either.
  const total = 2 * 4 + 13 * body + 11 * 2 + 2 * (4 + 2);
  assert.equal(profile.cycles, Math.round(total / 2));
  assert.equal(profile.instructions, Math.round((2 + 13 * 9 + 2) / 2));
  assert.equal(profile.loads, Math.round((13 * 5 + 2 * 3) / 2));
  assert.equal(profile.stores, Math.round((13 + 2 * 3) / 2));
  assert.equal(profile.bytes, Math.round((13 * (4 + 2 + 8 + 4 + 1) + 2 * 24) / 2));
  assert.deepEqual([...profile.functions.keys()], ["f"]);
});

Deno.test("cycles: a load that a branch leads to is not pipelined with what stands above it", () => {
  const cycles = (rows: string) => {
    const { calls, runs } = readRuns(`calls 1\n${rows}`);
    return profileOf(instructions, runs, calls, CYCLE_MODELS["cortex-m4"]).cycles!;
  };
  // str, ldrb in one run; ldrb alone, where a branch came from.
  assert.equal(cycles("10a 10c 1 0 1"), 2);
  assert.equal(cycles("10c 10c 1 0 1"), 2);
  // A branch that goes on 2 bytes behind a halfword was not taken, 4 behind it was.
  assert.equal(cycles("11c 11c 10 10 0"), 10);
  assert.equal(cycles("11c 11c 10 4 6"), 10 + 6 * 2);
});

Deno.test("cycles: a core without a model gets no estimate, and the same counts", () => {
  const { calls, runs } = readRuns(RUNS);
  const profile = profileOf(instructions, runs, calls, CYCLE_MODELS["cortex-m7"] ?? null);
  assert.equal(profile.cycles, null);
  assert.equal(profile.functions.get("f")!.cycles, null);
  assert.equal(profile.instructions, 61);
});

Deno.test("cycles: what moves, and how much", () => {
  const moved = (mnemonic: string, operands = "", code = "0000") => {
    const m = movedBy({ address: 0, bytes: 4, code, symbol: "f", mnemonic, operands });
    return m && [m.kind, m.values, m.bytes];
  };
  assert.deepEqual(moved("ldrhi"), ["load", 1, 4]);
  assert.deepEqual(moved("ldrhhi"), ["load", 1, 2]);
  assert.deepEqual(moved("ldrsb"), ["load", 1, 1]);
  assert.deepEqual(moved("ldrsh"), ["load", 1, 2]);
  assert.deepEqual(moved("strbne"), ["store", 1, 1]);
  assert.deepEqual(moved("strd", "r0, r1, [r2]"), ["store", 2, 8]);
  assert.deepEqual(moved("ldmia", "r0!, {r1, r2, r3, r4}"), ["load", 4, 16]);
  assert.deepEqual(moved("vpush", "{d8-d11}"), ["store", 8, 32]);
  assert.deepEqual(moved("vldr", "s0, [r1]"), ["load", 1, 4]);
  assert.deepEqual(moved("vldr", "d0, [r1]"), ["load", 1, 8]);
  // As binutils assemble them: vldrb.8, vldrb.s16, vldrb.s32, vldrh.s32, vldrw.32, vstrb.32.
  assert.deepEqual(moved("ldc", "14, cr1, [r0], #64", "ecb0 1e10"), ["load", 1, 16]);
  assert.deepEqual(moved("ldc", "", "ed90 0e80"), ["load", 1, 8]);
  assert.deepEqual(moved("ldc", "", "ed90 0f00"), ["load", 1, 4]);
  assert.deepEqual(moved("ldc", "", "ed98 0f00"), ["load", 1, 8]);
  assert.deepEqual(moved("vldrw.32", "q0, [r1]", "ed91 1f00"), ["load", 1, 16]);
  assert.deepEqual(moved("stc", "15, cr0, [r1]", "ed81 0f00"), ["store", 1, 4]);
  for (const other of ["add", "vadd.f32", "bx", "pld"]) assert.equal(moved(other), null);
});
