import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import schema from "../../templates/project/burin.lock.schema.json" with { type: "json" };
import { BurinError } from "../util/errors.ts";
import { DEFAULT_LIMITS, limitsOf, lockText, parseLock } from "./lock.ts";

const followsSchema = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(schema);

const SHA = "0123456789abcdef".repeat(4);
const FIGURES = {
  name: "kws",
  model_sha256: SHA,
  sources_sha256: SHA,
  outputs_sha256: SHA,
  samples: 1,
  instructions: 1000,
  instructions_total: 1000,
  ram_bytes: 64,
  arena_bytes: 64,
  stack_bytes: null,
  flash_bytes: 100,
};
const RECORDED = {
  inputs_sha256: null,
  cflags: ["-O2"],
  tools: { burin: "0.1.0", gcc: "12.2.1", qemu: null },
  models: [FIGURES],
};

const lock = (entry: Record<string, unknown>, rest: Record<string, unknown> = {}) => ({
  lock_version: 1,
  entries: [{ model: "kws.onnx", board: "microbit", ...entry }],
  ...rest,
});

const GOOD: readonly unknown[] = [
  lock({}),
  lock({}, { limits: { instructions: 0.5 } }),
  lock({ options: { opt_level: 1, io: "arena", dims: { batch: 1 } } }),
  lock({ model: undefined, project: "." }),
  lock({ model: undefined, archive: "../a/kws.tar", inputs: null, samples: 3 }),
  lock({ cflags: ["-O1", "-ffast-math", "-ffp-contract=fast", "-mno-unaligned-access", "-DX=1"] }),
  lock({ recorded: RECORDED, expect: "out.npz", max_lsb: 1, rtol: 1e-3 }),
  lock({ recorded: null }),
];

const BAD: readonly [unknown, RegExp][] = [
  [{}, /lock_version is missing; entries is missing/],
  [{ lock_version: 2, entries: [] }, /lock_version has to be 1/],
  [{ lock_version: 1, entries: [] }, /it has no entries/],
  [lock({ board: undefined }), /entries\.0\.board is missing/],
  [lock({ model: undefined }), /entries\.0 names one of model, project and archive/],
  [lock({ project: "." }), /entries\.0 names one of model, project and archive/],
  [lock({ model: undefined, project: ".", options: {} }), /entries\.0 has options/],
  [lock({ borad: "x" }), /entries\.0\.borad is not a field/],
  [lock({ model: "/etc/kws.onnx" }), /entries\.0\.model has to be a path relative/],
  [lock({ inputs: "C:\\x.npz" }), /entries\.0\.inputs has to be a path relative/],
  [lock({ samples: 0 }), /entries\.0\.samples has to be at least 1/],
  [lock({ samples: "3" }), /entries\.0\.samples has to be a number/],
  [lock({ cflags: ["-fplugin=x"] }), /entries\.0\.cflags\.0 has to be a flag such as/],
  [lock({ cflags: ["-o", "x"] }), /entries\.0\.cflags\.0 has.*entries\.0\.cflags\.1 has/],
  [lock({ cflags: ["@file"] }), /cflags\.0/],
  [lock({ cflags: ["-O2 -g"] }), /cflags\.0/],
  [lock({ options: { opt_level: 4, io: "heap" } }), /opt_level has.*io has to be one of caller/],
  [lock({ limits: { ram_bytes: -1 } }), /entries\.0\.limits\.ram_bytes has to be at least 0/],
  [
    lock({
      recorded: { ...RECORDED, models: [{ ...FIGURES, outputs_sha256: "x", samples: 1.5 }] },
    }),
    /recorded\.models\.0\.outputs_sha256 has to be a SHA-256 digest; .*samples has to be whole/,
  ],
  [lock({ recorded: { ...RECORDED, models: [] } }), /recorded\.models has to name a model/],
];

Deno.test("lock: what is right is taken, by the code and by the schema", () => {
  for (const good of GOOD) {
    const text = JSON.stringify(good);
    parseLock(text, "l");
    assert(followsSchema(JSON.parse(text)), `${text}: ${JSON.stringify(followsSchema.errors)}`);
  }
});

Deno.test("lock: every field at fault is named; the schema refuses the same", () => {
  for (const [bad, message] of BAD) {
    const text = JSON.stringify(bad);
    assert.throws(() => parseLock(text, "my.lock"), (e) => {
      assert(e instanceof BurinError && e.code === "data/lock", text);
      assert.match(e.message, message);
      assert.match(e.message, /^Cannot use my\.lock as /);
      return true;
    });
    assert(!followsSchema(JSON.parse(text)), text);
  }
  assert.throws(() => parseLock("{", "my.lock"), /Cannot use my\.lock as it is not JSON/);
});

Deno.test("lock: an entry's limits go before the lock's, these before the defaults", () => {
  const l = parseLock(
    JSON.stringify(
      lock({ limits: { ram_bytes: 5 } }, { limits: { ram_bytes: 4, flash_bytes: 7 } }),
    ),
    "l",
  );
  assert.deepEqual(limitsOf(l, l.entries[0]), { instructions: 2, ram_bytes: 5, flash_bytes: 7 });
});

Deno.test("lock: written and read again it is the same, limits stated", () => {
  const l = parseLock(JSON.stringify(lock({ recorded: RECORDED })), "l");
  const text = lockText(l);
  assert.deepEqual(parseLock(text, "l"), { ...l, limits: DEFAULT_LIMITS });
  assert.equal(lockText(parseLock(text, "l")), text);
  assert(followsSchema(JSON.parse(text)));
});
