import assert from "node:assert/strict";
import { loadBoard } from "../target/boards.ts";
import { type BatchCase, runBatch } from "./batch.ts";
import { TINY_SAMPLES, tinyArtifact } from "./tiny_artifact.ts";
import { withWorkDir } from "./workdir.ts";

/** The tiny library under another name, misbehaving. */
function tiny(name: string, edit: (main: string) => string = (s) => s): BatchCase {
  const artifact = tinyArtifact("host", edit);
  const rename = (s: string): string =>
    s.replaceAll("tiny", name).replaceAll("TINY", name.toUpperCase());
  const sources = new Map([...artifact.sources].map(([p, text]) => [rename(p), rename(text)]));
  return { artifact: { ...artifact, name, sources }, samples: TINY_SAMPLES };
}

const before = (what: string) => (s: string): string => s.replace("return TINY_OK;", `${what}\n$&`);

const CASES: readonly (readonly [BatchCase, string])[] = [
  [tiny("good"), "ran"],
  [tiny("past", before("out->y[2] = 1;")), "wrong: it writes outside its memory"],
  [tiny("ahead", before("((int8_t *)m->arena)[-1] = 0;")), "wrong: it writes outside its memory"],
  [tiny("falls", before("*(volatile int *)8 = 1;")), "crash: it ends with 139"],
  [
    tiny("input", before("*(int8_t *)(uintptr_t)in->x |= 64;")),
    "wrong: it writes to its inputs",
  ],
  [
    tiny("status", (s) => s.replace("return TINY_OK", "return TINY_ERR_SHAPE")),
    "wrong: run returns",
  ],
  [
    tiny("keeps", before("{ static int8_t calls; out->y[0] = calls++; }")),
    "wrong: the second call gives something else",
  ],
  [
    tiny("unset", (s) => s.replace("out->mean[0] = (float)sum / 2.0f;", "(void)sum;")),
    "wrong: the",
  ],
  [tiny("text", before("int unused;")), "compile_error: unused variable"],
  [tiny("last"), "ran"],
];

Deno.test("batch: each misbehaviour is seen, and takes no other case with it", async () => {
  const board = loadBoard("host");
  const outcomes = await withWorkDir((folder) => runBatch(CASES.map(([c]) => c), board, folder));
  CASES.forEach(([{ artifact, samples }, expected], i) => {
    const o = outcomes[i];
    const text = o.kind === "ran" ? "ran" : `${o.kind}: ${o.reason}`;
    assert(text.startsWith(expected), `${artifact.name}: ${text}, not ${expected}`);
    if (o.kind !== "ran") return;
    const want = samples.map((s) => tinyArtifact("host").interpret(s));
    assert.deepEqual(
      o.outputs.map((s) => s.map((t) => [...t.data])),
      want.map((s) => s.map((t) => [...t.data])),
    );
  });
});

Deno.test("batch: a sanitizer ends the case that reads behind its input", async () => {
  const board = loadBoard("host");
  const cases = [tiny("reads", before("out->y[0] = in->x[2];")), tiny("good")];
  const [first, second] = await withWorkDir((folder) =>
    runBatch(cases, board, folder, { sanitize: true })
  );
  assert.equal(first.kind, "crash");
  assert.match(first.reason, /heap-buffer-overflow/);
  assert.equal(second.kind, "ran");
});

Deno.test("batch: on a board a fault ends one case, and what has no room together is run apart", async () => {
  const large = (bytes: number) =>
    before(`{ static volatile int8_t big[${bytes}]; big[0] = 1; out->y[0] = big[1]; }`);
  const cases = [
    tiny("good"),
    tiny("past", before("out->y[2] = 1;")),
    tiny("falls", before('__asm__ volatile("udf #0");')),
    tiny("wide", large(3 << 20)),
    tiny("broad", large(2 << 20)),
    tiny("vast", large(5 << 20)),
    tiny("last"),
  ];
  const board = loadBoard("mps2-an386");
  const outcomes = await withWorkDir((folder) => runBatch(cases, board, folder));
  assert.deepEqual(outcomes.map((o) => o.kind), [
    "ran",
    "wrong",
    "crash",
    "ran",
    "ran",
    "refused",
    "ran",
  ]);
  const why = (i: number): string => (outcomes[i] as { reason: string }).reason;
  assert.match(why(1), /writes outside its memory/);
  assert.match(why(2), /the processor took a fault/);
  assert.match(why(5), /of RAM where there are 4,194,304/);
});

Deno.test("batch: only a case that does not end by itself is charged with the time", async () => {
  const endless = before("for (;;) { }");
  const cases = [tiny("good"), tiny("never", endless), tiny("last")];
  const board = loadBoard("host");
  const outcomes = await withWorkDir((folder) =>
    runBatch(cases, board, folder, { timeoutSeconds: 2 })
  );
  assert.deepEqual(outcomes.map((o) => o.kind), ["ran", "crash", "ran"]);
  assert.match((outcomes[1] as { reason: string }).reason, /2 seconds have passed/);
});
