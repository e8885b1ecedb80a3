/**
 * burin.lock.json: what a repository's models are compiled for, what they gave when somebody last
 * agreed to it, and by how much they may grow. Paths in it are relative to it.
 */
import * as v from "valibot";
import { BurinError } from "../util/errors.ts";

/** Version of the lock's shape; raised where a field changes its meaning or goes. */
export const LOCK_VERSION = 1;

/** Name of the file. */
export const LOCK_FILE = "burin.lock.json";

/** What makes gcc generate other code: nothing that names files, programs or the linker. */
const CFLAG =
  /^-(O[0-3sgz]?|Ofast|f(?!plugin|dump|profile|sanitize|lto)[a-z0-9-]+(=[a-z0-9,.-]+)?|m[a-z0-9-]+(=[A-Za-z0-9_.+-]+)?|D[A-Za-z_]\w*(=\w+)?)$/;

const text = v.pipe(v.string("has to be text"), v.minLength(1, "has to say something"));
const path = v.pipe(
  text,
  v.regex(/^[^/\\]/, "has to be a path relative to the lock's folder"),
  v.regex(/^(?![A-Za-z]:)/, "has to be a path relative to the lock's folder"),
);
const count = v.pipe(
  v.number("has to be a number"),
  v.integer("has to be whole"),
  v.minValue(0, "has to be at least 0"),
);
const positive = v.pipe(count, v.minValue(1, "has to be at least 1"));
const amount = v.pipe(v.number("has to be a number"), v.minValue(0, "has to be at least 0"));
const digest = v.pipe(
  v.string("has to be text"),
  v.regex(/^[0-9a-f]{64}$/, "has to be a SHA-256 digest"),
);
const oneOf = <const T extends readonly string[]>(names: T) =>
  v.picklist(names, `has to be one of ${names.join(", ")}`);
const flags = v.array(
  v.pipe(text, v.regex(CFLAG, "has to be a flag such as -O2, -fno-math-errno, -mcpu=…, -DX=1")),
  "has to be a list of flags",
);

const limitsSchema = v.strictObject({
  instructions: v.optional(amount),
  ram_bytes: v.optional(amount),
  flash_bytes: v.optional(amount),
});

const optionsSchema = v.strictObject({
  name: v.optional(text),
  opt_level: v.optional(v.picklist([0, 1, 2, 3], "has to be one of 0, 1, 2, 3")),
  optimize: v.optional(oneOf(["balanced", "speed", "ram", "flash"])),
  flash_budget: v.optional(positive),
  ram_budget: v.optional(positive),
  requant: v.optional(oneOf(["exact", "fast"])),
  io: v.optional(oneOf(["caller", "arena"])),
  arena: v.optional(v.array(v.strictObject({ region: text, bytes: positive }))),
  weights: v.optional(text),
  external_data: v.optional(v.boolean("has to be true or false")),
  dims: v.optional(v.record(v.string(), positive)),
});

const figuresSchema = v.strictObject({
  name: text,
  model_sha256: digest,
  sources_sha256: digest,
  outputs_sha256: digest,
  samples: positive,
  instructions: v.nullable(count),
  instructions_total: v.nullable(count),
  ram_bytes: count,
  arena_bytes: count,
  stack_bytes: v.nullable(count),
  flash_bytes: count,
});

const recordedSchema = v.strictObject({
  inputs_sha256: v.nullable(digest),
  cflags: flags,
  tools: v.strictObject({ burin: text, gcc: text, qemu: v.nullable(text) }),
  models: v.pipe(v.array(figuresSchema), v.minLength(1, "has to name a model")),
});

const entrySchema = v.pipe(
  v.strictObject({
    model: v.optional(path),
    project: v.optional(path),
    archive: v.optional(path),
    board: text,
    options: v.optional(optionsSchema),
    cflags: v.optional(flags),
    inputs: v.optional(v.nullable(path)),
    expect: v.optional(v.nullable(path)),
    samples: v.optional(positive),
    max_lsb: v.optional(amount),
    rtol: v.optional(amount),
    limits: v.optional(limitsSchema),
    recorded: v.optional(v.nullable(recordedSchema)),
  }),
  v.check(
    (e) => [e.model, e.project, e.archive].filter((s) => s !== undefined).length === 1,
    "names one of model, project and archive",
  ),
  v.check(
    (e) => e.model !== undefined || e.options === undefined,
    "has options, which only a model that is compiled can have",
  ),
);

const lockSchema = v.strictObject({
  $schema: v.optional(v.string()),
  lock_version: v.literal(LOCK_VERSION, `has to be ${LOCK_VERSION}`),
  limits: v.optional(limitsSchema),
  entries: v.array(entrySchema, "has to be a list"),
});

/** How much each figure may grow, in per cent. */
export interface Limits {
  /** Instructions of the slowest sample and of all together. */
  readonly instructions: number;
  /** Bytes of RAM. */
  readonly ram_bytes: number;
  /** Bytes of flash. */
  readonly flash_bytes: number;
}

/** What is allowed where the lock says nothing. */
export const DEFAULT_LIMITS: Limits = { instructions: 2, ram_bytes: 0, flash_bytes: 2 };

/** Flags where the lock says nothing. */
export const DEFAULT_CFLAGS: readonly string[] = ["-O2"];

/** What one model gave. */
export interface Figures {
  /** C-safe name of the model. */
  readonly name: string;
  /** Digest of the ONNX file, and of what it reads its tensors from. */
  readonly model_sha256: string;
  /** Digest of the generated C. */
  readonly sources_sha256: string;
  /** Digest of the bytes of all outputs of all samples. */
  readonly outputs_sha256: string;
  /** Samples that were run. */
  readonly samples: number;
  /** Of the slowest sample; null on this computer. */
  readonly instructions: number | null;
  /** Of all samples together; null on this computer. */
  readonly instructions_total: number | null;
  /** Arena, inputs and outputs outside it, .data and .bss, stack. */
  readonly ram_bytes: number;
  /** All regions with all scratch. */
  readonly arena_bytes: number;
  /** Deepest use of the stack; null on this computer. */
  readonly stack_bytes: number | null;
  /** Code and constants. */
  readonly flash_bytes: number;
}

/** What an entry gave, and what with. */
export interface Recorded {
  /** Digest of the file of inputs; null for made-up samples and golden vectors. */
  readonly inputs_sha256: string | null;
  /** Flags of the C compiler beside the target's. */
  readonly cflags: readonly string[];
  /** Versions; QEMU's is null on this computer. */
  readonly tools: { readonly burin: string; readonly gcc: string; readonly qemu: string | null };
  /** One, or those of a project of several models. */
  readonly models: readonly Figures[];
}

/** One thing that is verified on one board. */
export type LockEntry = Readonly<Omit<v.InferOutput<typeof entrySchema>, "recorded">> & {
  readonly recorded?: Recorded | null;
};

/** The whole file. */
export type Lock = Readonly<Omit<v.InferOutput<typeof lockSchema>, "entries">> & {
  readonly entries: readonly LockEntry[];
};

/** The path that an entry is about. */
export const sourceOf = (e: LockEntry): string => (e.model ?? e.project ?? e.archive)!;

/** The limits of an entry: its own, the lock's, the defaults. */
export const limitsOf = (lock: Lock, entry: LockEntry): Limits => ({
  ...DEFAULT_LIMITS,
  ...lock.limits,
  ...entry.limits,
});

/** What is wrong with a field, with its path; the value's own message where there is none. */
function fault(issue: v.InferIssue<typeof lockSchema>): string {
  const at = v.getDotPath(issue);
  const unknown = issue.type === "strict_object" && issue.expected === "never";
  const missing = issue.received === "undefined";
  const what = unknown ? "is not a field" : missing ? "is missing" : issue.message;
  return at === null ? `it ${what}` : `${at} ${what}`;
}

/**
 * Reads the text of a lock.
 * @param where the file, for messages
 * @throws BurinError `data/lock` that lists every field at fault
 */
export function parseLock(json: string, where: string): Lock {
  const fail = (why: string) =>
    new BurinError(
      "data/lock",
      `Cannot use ${where} as ${why}`,
      "docs/ci.md and templates/project/burin.lock.schema.json describe the fields",
    );
  let data: unknown;
  try {
    data = JSON.parse(json);
  } catch (e) {
    throw fail(`it is not JSON (${(e as Error).message})`);
  }
  const parsed = v.safeParse(lockSchema, data);
  if (!parsed.success) throw fail(parsed.issues.map(fault).join("; "));
  if (parsed.output.entries.length === 0) throw fail("it has no entries");
  return parsed.output;
}

/** The lock as it is written: fields in one order, so that a difference is a change. */
export function lockText(lock: Lock): string {
  const { $schema, lock_version, limits, entries } = lock;
  const ordered = {
    ...($schema === undefined ? {} : { $schema }),
    lock_version,
    limits: { ...DEFAULT_LIMITS, ...limits },
    entries,
  };
  return JSON.stringify(ordered, null, 2) + "\n";
}
