/** A written project read back: its libraries, its golden vectors, and whether it is unchanged. */
import * as v from "valibot";
import type { CompiledLibrary } from "../codegen/artifact.ts";
import { bytesOf, type DType, DTYPES } from "../util/dtype.ts";
import { BurinError } from "../util/errors.ts";
import { readNpz } from "../util/npz.ts";
import { sizeOf, type TensorData } from "../util/tensor.ts";
import { digest, DIGESTS_FILE } from "./common.ts";

/** One model of a project. */
export interface WrittenModel {
  readonly library: CompiledLibrary;
  /** SHA-256 of the ONNX file that it was compiled from, hexadecimal. */
  readonly modelSha256: string;
  /** The command that wrote the project, its arguments without folders. */
  readonly command: readonly string[];
  /** Samples of its self-test: `in0` …, `out0` …; null where it has none. */
  readonly golden: ReadonlyMap<string, TensorData> | null;
  /** Name of the board that it was compiled for. */
  readonly board: string;
  /** What its code may use of the core. */
  readonly features: readonly string[];
}

/** Contents of the project's files by path. */
type Files = ReadonlyMap<string, Uint8Array>;

const bytes = v.pipe(v.number(), v.integer(), v.minValue(0));
const identifier = v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/));
const portSchema = v.pipe(
  v.object({
    name: v.string(),
    c_name: identifier,
    dtype: v.picklist(Object.keys(DTYPES) as DType[]),
    c_type: identifier,
    shape: v.array(bytes),
    bytes,
    scale: v.nullable(v.number()),
    zero_point: v.nullable(v.number()),
    placement: v.variant("where", [
      v.object({ where: v.literal("caller") }),
      v.object({ where: v.literal("arena"), region: identifier, offset: bytes }),
    ]),
  }),
  v.check((p) => p.bytes === sizeOf(p.shape) * bytesOf(p.dtype), "its bytes are not its shape's"),
);
const modelSchema = v.object({
  schema_version: v.literal(1),
  name: identifier,
  command: v.array(v.string()),
  model: v.object({ sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) }),
  target: v.object({ board: v.string(), features: v.array(v.string()) }),
  inputs: v.array(portSchema),
  outputs: v.array(portSchema),
  arena_bytes: bytes,
  params_bytes: bytes,
  regions: v.array(v.object({
    name: identifier,
    bytes,
    align: v.pipe(bytes, v.minValue(1)),
    shared: v.nullable(identifier),
  })),
});
const bundleSchema = v.object({
  schema_version: v.literal(1),
  name: identifier,
  models: v.pipe(v.array(v.object({ name: identifier })), v.minLength(1)),
});

const fail = (where: string, why: string, hint = "compile the model again"): BurinError =>
  new BurinError("data/project", `Cannot use ${where} as ${why}`, hint);

function parse<T extends v.GenericSchema>(
  files: Files,
  path: string,
  where: string,
  schema: T,
): v.InferOutput<T> {
  const text = textOf(files, path, where);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (e) {
    throw fail(where, `its ${path} is not JSON (${(e as Error).message})`);
  }
  const parsed = v.safeParse(schema, json);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw fail(where, `field ${v.getDotPath(issue) ?? ""} of its ${path} is wrong: ${issue.message}`);
}

function textOf(files: Files, path: string, where: string): string {
  const contents = files.get(path);
  if (!contents) throw fail(where, `it has no ${path}`);
  return new TextDecoder().decode(contents);
}

/**
 * Paths whose contents are not those that Burin wrote: changed, missing, or added.
 * @throws BurinError `data/project` where there is no list of digests
 */
export function changedFiles(files: Files, where: string): string[] {
  const lines = textOf(files, DIGESTS_FILE, where).split("\n").filter((line) => line !== "");
  const listed = new Map(lines.map((line) => {
    const [, sum, path] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
    if (path === undefined) throw fail(where, `its ${DIGESTS_FILE} has the line ${line}`);
    return [path, sum];
  }));
  const wrong = [...listed].filter(([path, sum]) => {
    const contents = files.get(path);
    return !contents || digest(contents) !== sum;
  });
  const added = [...files.keys()].filter((path) => path !== DIGESTS_FILE && !listed.has(path));
  return [...wrong.map(([path]) => path), ...added];
}

/** The library's header, which is in include/ but for Arduino, where all sources are in src/. */
function headerOf(files: Files, name: string, where: string): string {
  const places = [`include/${name}.h`, `src/${name}.h`];
  const path = places.find((p) => files.has(p));
  if (path === undefined) throw fail(where, `it has neither ${places.join(" nor ")}`);
  return textOf(files, path, where);
}

function librarySources(
  files: Files,
  name: string,
  memory: string | null,
  where: string,
): Map<string, string> {
  const read = (file: string) => textOf(files, `src/${file}`, where);
  const parts = ["", "_kernels", "_params", "_static"].map((part) => `${name}${part}.c`);
  const sources = new Map([
    [`include/${name}.h`, headerOf(files, name, where)],
    [`src/${name}_internal.h`, read(`${name}_internal.h`)],
    ...parts.map((file) => [`src/${file}`, read(file)] as const),
  ]);
  if (memory === null) return sources;
  // What several models share is this model's own where it runs alone.
  const path = `src/${name}_static.c`;
  return sources.set(path, `${sources.get(path)}\n${read(`${memory}_memory.c`)}`);
}

type PortRecord = v.InferOutput<typeof portSchema>;

const portOf = (p: PortRecord): CompiledLibrary["inputs"][number] => ({
  name: p.name,
  cName: p.c_name,
  dtype: p.dtype,
  cType: p.c_type,
  shape: p.shape,
  bytes: p.bytes,
  ...(p.scale === null ? {} : { scale: p.scale, zeroPoint: p.zero_point ?? 0 }),
  placement: p.placement,
});

/**
 * The models of a written project.
 * @param where the folder or archive, for messages
 * @throws BurinError `data/project`
 */
export function readProject(files: Files, where: string): WrittenModel[] {
  const bundle = files.has("bundle.json")
    ? parse(files, "bundle.json", where, bundleSchema)
    : undefined;
  const records = bundle?.models.map((m) => `models/${m.name}.json`) ?? ["model.json"];
  return records.map((record): WrittenModel => {
    const model = parse(files, record, where, modelSchema);
    const shared = model.regions.some((r) => r.shared !== null);
    const golden = files.get(`golden/${model.name}.npz`);
    return {
      library: {
        name: model.name,
        inputs: model.inputs.map(portOf),
        outputs: model.outputs.map(portOf),
        regions: model.regions.map(({ name, bytes, align }) => ({ name, bytes, align })),
        arenaBytes: model.arena_bytes,
        paramsBytes: model.params_bytes,
        sources: librarySources(files, model.name, shared ? bundle!.name : null, where),
      },
      modelSha256: model.model.sha256,
      command: model.command,
      golden: golden ? readNpz(golden, `golden/${model.name}.npz of ${where}`) : null,
      board: model.target.board,
      features: model.target.features,
    };
  });
}
