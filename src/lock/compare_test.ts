import assert from "node:assert/strict";
import { compareRecorded, type Failure, percentText } from "./compare.ts";
import { DEFAULT_LIMITS, type Figures, type Limits, type Recorded } from "./lock.ts";

const figures = (change: Partial<Figures> = {}): Figures => ({
  name: "kws",
  model_sha256: "a".repeat(64),
  sources_sha256: "b".repeat(64),
  outputs_sha256: "c".repeat(64),
  samples: 2,
  instructions: 1000,
  instructions_total: 1900,
  ram_bytes: 64,
  arena_bytes: 32,
  stack_bytes: 16,
  flash_bytes: 400,
  ...change,
});

const recorded = (change: Partial<Figures> = {}, rest: Partial<Recorded> = {}): Recorded => ({
  inputs_sha256: null,
  cflags: ["-O2"],
  tools: { burin: "0.1.0", gcc: "12.2.1", qemu: "7.2.22" },
  models: [figures(change)],
  ...rest,
});

const compare = (
  locked: Recorded | null,
  now: Recorded,
  options: { limits?: Partial<Limits>; written?: boolean } = {},
) =>
  compareRecorded(locked, now, {
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    written: options.written ?? false,
  });

const what = (failures: readonly Failure[]) => failures.map((f) => f.what);

Deno.test("compare: the same is the same", () => {
  assert.deepEqual(compare(recorded(), recorded()).failures, []);
  assert.deepEqual(compare(recorded(), recorded()).notes, []);
});

Deno.test("compare: a limit is what still passes, one more fails", () => {
  const cases: [Partial<Figures>, string[]][] = [
    [{ instructions: 1020 }, []],
    [{ instructions: 1021 }, ["instructions"]],
    [{ instructions: 1010 }, []],
    [{ instructions: 1030 }, ["instructions"]],
    [{ instructions_total: 1957 }, ["instructions_total"]],
    [{ ram_bytes: 65 }, ["ram_bytes"]],
    [{ ram_bytes: 63, instructions: 1, flash_bytes: 1 }, []],
    [{ arena_bytes: 33, stack_bytes: 15 }, []],
    [{ flash_bytes: 408 }, []],
    [{ flash_bytes: 409 }, ["flash_bytes"]],
  ];
  for (const [change, failing] of cases) {
    const { failures } = compare(recorded(), recorded(change));
    assert.deepEqual(what(failures), failing, JSON.stringify(change));
    assert(failures.every((f) => f.acceptable));
  }
});

Deno.test("compare: limits are the caller's, and may be parts of a per cent", () => {
  const grown = recorded({ instructions: 1006, ram_bytes: 70 });
  const failing = (limits: Partial<Limits>) =>
    what(compare(recorded(), grown, { limits }).failures);
  assert.deepEqual(failing({ instructions: 0.5, ram_bytes: 10 }), ["instructions"]);
  assert.deepEqual(failing({ instructions: 0.6, ram_bytes: 9 }), ["ram_bytes"]);
});

Deno.test("compare: a failure says what it was and what it is, and what else has changed", () => {
  const tools = { burin: "0.1.0", gcc: "13.2.0", qemu: "7.2.22" };
  const now = recorded({ instructions: 1030 }, { tools, cflags: ["-O1"] });
  const [{ message, reasons, hint }] = compare(recorded(), now).failures;
  assert.equal(
    message,
    "kws: instructions, slowest sample grew by 3.0 % to 1,030 (recorded 1,000, limit 2 %)",
  );
  assert.deepEqual(reasons, [
    "cflags are -O1, recorded with -O2",
    "gcc is 13.2.0, recorded with 12.2.1",
    "the generated C is the same",
  ]);
  assert.match(hint, /--update/);
});

Deno.test("compare: outputs, models, samples and boards that are others", () => {
  const failing = (change: Partial<Figures>, written = false) =>
    what(compare(recorded(), recorded(change), { written }).failures);
  assert.deepEqual(failing({ outputs_sha256: "d".repeat(64) }), ["outputs"]);
  assert.deepEqual(failing({ model_sha256: "d".repeat(64) }), ["model"]);
  assert.deepEqual(failing({ samples: 3 }), ["outputs"]);
  assert.deepEqual(failing({ instructions: null }), ["instructions"]);
  assert.deepEqual(failing({ name: "wake" }), ["model", "model"]);
});

Deno.test("compare: other C of the same model is a note, unless it is what is committed", () => {
  const other = { sources_sha256: "d".repeat(64) };
  const compiled = compare(recorded(), recorded(other));
  assert.deepEqual(what(compiled.failures), []);
  assert.match(compiled.notes.join(), /generated C is not the recorded one/);
  const committed = compare(recorded(), recorded(other), { written: true });
  assert.deepEqual(what(committed.failures), ["sources"]);
  const tools = { ...recorded().tools, burin: "0.2.0" };
  const newer = compare(recorded(), recorded(other, { tools }), { written: true });
  assert.deepEqual(what(newer.failures), []);
  assert.match(newer.notes.join(), /Burin is 0\.2\.0, recorded with 0\.1\.0/);
});

Deno.test("compare: nothing recorded fails, less is a note", () => {
  const { failures, changes } = compare(null, recorded());
  assert.deepEqual(what(failures), ["not-recorded"]);
  assert.match(failures[0].hint, /verify --update and commit burin\.lock\.json/);
  assert.deepEqual(changes.map((c) => c.locked), changes.map(() => null));
  assert.match(compare(recorded(), recorded({ flash_bytes: 399 })).notes.join(), /tightens/);
});

Deno.test("compare: per cent never read as none where there are some", () => {
  assert.equal(percentText(0), "0.0 %");
  assert.equal(percentText(3.04), "+3.0 %");
  assert.equal(percentText(-12.34), "−12.3 %");
  assert.equal(percentText(0.0123), "+0.01 %");
});
