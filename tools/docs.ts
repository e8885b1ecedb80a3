/**
 * The generated pages: docs/operators.md from src/ops/mod.ts, docs/boards.md from boards/*.json, and in
 * README.md and docs/architecture.md what `inspect` answers. `deno task docs` writes them; a test fails
 * where they are stale.
 */
import { fileURLToPath } from "node:url";
import { parseCommand } from "../src/cli/args.ts";
import { boards, megahertz } from "../src/cli/boards.ts";
import { command, inspect, inspectRequest } from "../src/cli/inspect.ts";
import type { Results } from "../src/cli/conformance/results.ts";
import type { OnnxBinding, OpDef } from "../src/ir/opdef.ts";
import { ops } from "../src/ops/mod.ts";
import { markdownTable } from "../src/report/markdown.ts";
import { loadBoard } from "../src/target/boards.ts";
import { LAYERS } from "./lint/layers.ts";

// deno-lint-ignore no-explicit-any
type AnyOp = OpDef<any>;

const NOTE = "<!-- Written by `deno task docs`; do not edit. -->";

/** What becomes of an operator. */
function kindOf(op: AnyOp): string {
  if (op.refused) return `refused: ${op.refused}`;
  if (op.body.kind === "compute") {
    if (op.view) return "view, else code";
    return op.place ? "placed, else code" : "code";
  }
  return op.body.kind === "expand" ? "rewritten" : op.body.kind;
}

const byName = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0;

/** Bindings of one ONNX operator, whatever definition reads them. */
interface Row {
  readonly domain: string;
  readonly type: string;
  readonly since: number;
  readonly ops: readonly AnyOp[];
}

function onnxRows(): Row[] {
  const rows = new Map<string, Row>();
  for (const op of ops) {
    for (const b of op.onnx as readonly OnnxBinding<unknown>[]) {
      const key = `${b.domain}:${b.type}`, row = rows.get(key);
      rows.set(key, {
        domain: b.domain,
        type: b.type,
        since: Math.min(b.since, row?.since ?? Infinity),
        ops: [...new Set([...row?.ops ?? [], op])],
      });
    }
  }
  return [...rows.values()].sort((a, b) => byName(a.domain, b.domain) || byName(a.type, b.type));
}

/** How ONNX's test cases end, by operator; docs/conformance.json has it from `conformance --write`. */
function resultsText(): string {
  let text: string;
  try {
    text = Deno.readTextFileSync(path("docs/conformance.json"));
  } catch {
    return "`deno task conformance --suite DIR --write docs/conformance.json` runs them; `deno task docs` then\n" +
      "shows here how they end, by operator.";
  }
  const results = JSON.parse(text) as Results;
  const list = Object.entries(results);
  const sum = (f: (r: Results[string]) => number) => list.reduce((n, [, r]) => n + f(r), 0);
  const passed = sum((r) => r.passed), refused = sum((r) => r.refused);
  const rows = list.map(([name, r]) => [
    name,
    String(r.passed),
    r.refused ? String(r.refused) : "",
    r.reasons.join("; "),
  ]);
  return `Of the ${
    passed + refused
  } backend cases of onnx 1.23.2, ${passed} give the expected outputs as C on this
computer and ${refused} are refused. \`deno task conformance --suite DIR --write docs/conformance.json\` counts them
again. Texts, sequences and maps that exist when the model runs, images and random numbers cannot be static C.

${markdownTable(["operator", "passed", "refused", "why"], rows)}`;
}

/** The page about operators. */
export function operatorsPage(): string {
  const rows = onnxRows();
  const compiled = rows.filter((r) => !r.ops.every((op) => op.refused)).length;
  const inner = ops.filter((op) => op.onnx.length === 0);
  const unique = (list: readonly string[]): string => [...new Set(list)].join(", ");
  const cells = rows.map((r) => [
    r.type,
    r.domain || "ai.onnx",
    String(r.since),
    unique(r.ops.map(kindOf)),
    r.ops.some((o) => o.quantized || o.view || o.place) ? "yes" : "",
    unique(r.ops.map((o) => o.name).filter((n) => n !== r.type)),
  ]);
  return `# Operators

${NOTE}

The ${compiled} ONNX operators that Burin compiles, and some that it refuses. A model with others is refused with a message that
names all of them at once, each with its node.

- **since**: the first version of the operator set whose reading is understood; later ones are too.
- **kind**: \`code\`: compiled from a definition in tensor expressions; \`view\`: shares its input's memory
  where strides can express it; \`placed\`: operands are computed inside the result where they can be;
  \`rewritten\`: becomes other operators before anything else looks at it; \`refused\`: never compiled.
- **integer**: acts on the stored integers between DequantizeLinear and QuantizeLinear. Of the others,
  a chain of element-wise operators on one quantised 8-bit tensor becomes a table of 256 entries; the
  rest computes in float32 inside its kernel. Rewritten operators do what they become does.

Nodes whose inputs are all constant are computed when the model is read, whatever their operator, so
that shapes may be computed by Shape, Gather and Concat. Operands such as shapes and axes are constants,
or the declared types of the outputs tell what they can be: then the generated code checks them before
anything is written.

${markdownTable(["operator", "domain", "since", "kind", "integer", "read as"], cells)}

## ONNX's own test cases

${resultsText()}

Operators that no ONNX file holds; passes make them:
${inner.map((op) => `\`${op.name}\``).sort().join(", ")}.
`;
}

const bytesText = (n: number): string =>
  n % 2 ** 20 === 0 ? `${n / 2 ** 20} MB` : n % 1024 === 0 ? `${n / 1024} KB` : `${n} bytes`;

/** The page about boards. */
export function boardsPage(): string {
  const list = boards();
  const cells = list.map((b) => [
    `\`${b.name}\``,
    b.title,
    b.cpu,
    b.flash_bytes === null ? "" : bytesText(b.flash_bytes),
    b.ram_bytes === null ? "" : bytesText(b.ram_bytes),
    b.clock_hz === null ? "" : megahertz(b.clock_hz),
    `${b.executes_on}${b.stand_in ? " (stand-in)" : ""}`,
  ]);
  const details = list.map(({ name }) => {
    const board = loadBoard(name);
    const { target, memory, source, note } = board;
    const elsewhere = ([
      ["Zephyr", board.zephyr],
      ["Zephyr before 3.7", board.zephyrOld],
      ["Arduino", board.arduino],
      ["PlatformIO", board.platformio],
    ] as const).flatMap(([who, its]) => its ? [`${who} \`${its}\``] : []);
    const regions = memory.map((m) => [
      m.name,
      m.kind,
      `0x${m.base.toString(16).padStart(8, "0")}`,
      bytesText(m.bytes),
      String(m.latency),
    ]);
    return [
      `## ${name}`,
      `${source[0].toUpperCase()}${source.slice(1)}.`,
      ...(note ? [`${note}.`] : []),
      ...(board.fixed ?? []).map(({ what, base, words }) =>
        `An image holds ${words.length} words at 0x${base.toString(16).padStart(8, "0")}: ${what}.`
      ),
      ...(elsewhere.length ? [`Elsewhere: ${elsewhere.join(", ")}.`] : []),
      `Flags: ${target.cflags.map((f) => `\`${f}\``).join(" ") || "none"}. ` +
      `Features: ${target.features.join(", ") || "none"}.`,
      ...(regions.length
        ? [markdownTable(["memory", "kind", "address", "size", "latency"], regions)]
        : []),
    ].join("\n\n");
  });
  return `# Boards

${NOTE}

A board is a file in \`boards/\`: its core and the flags for gcc, its memories, and the machine that
executes programs for it. A board that QEMU does not model is linked against its own memory map and
executed on its stand-in, which has every instruction that the board's flags allow: the same core, or for
a Cortex-M0 and M0+ the Cortex-M3 of mps2-an385, whose memory is larger than the micro:bit's (it lets
unaligned accesses pass, which they refuse). It executes the same code at other addresses.

The first flash and the first RAM, each with what follows it without a gap, hold a program: these are the
sizes below. Flash that a boot loader or a boot header takes is not counted. The clock is the highest that
the core is rated for; latencies are relative estimates. Each board names the sources of its figures: target
files of probe-rs, devicetree files of Zephyr, board files of PlatformIO and Arduino, data sheets.

\`--board ./mine.json\` takes a file of your own from any folder; \`boards/board.schema.json\` describes the
fields. A name that a board has in Zephyr, Arduino or PlatformIO is answered with its name here.

${markdownTable(["board", "name", "core", "flash", "RAM", "clock", "executes on"], cells)}

${details.join("\n\n")}
`;
}

/** The rule of the layers as docs/architecture.md shows it. */
export function layersTable(): string {
  const folders = Object.keys(LAYERS);
  const list = (names: readonly string[], above: readonly string[]): string[] => {
    if (names.includes("*")) return ["anything"];
    const all = above.length > 2 && above.every((a) => names.includes(a));
    const rest = all ? names.filter((n) => !above.includes(n)) : names;
    return [...all ? ["all folders above"] : [], ...rest.map((n) => `\`${n}\``)];
  };
  const rows = Object.entries(LAYERS).map(([name, { values, types = [] }], i) => {
    const above = folders.slice(0, i).filter((f) => !f.startsWith("compile"));
    const imports = [
      ...list(values, above),
      ...list(types, above).map((t) => t === "anything" ? "types of anything" : `types of ${t}`),
    ];
    return [`\`${name}\``, imports.join(", ") || "nothing of ours"];
  });
  return markdownTable(["folder", "may import"], rows);
}

const path = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url));

/** A page with the answers of the `inspect` commands that it shows. */
export async function answered(text: string): Promise<string> {
  const shown = /(```console\n\$ deno task inspect (.*)\n)[^]*?(?=```)/g;
  let page = "", at = 0;
  for (const m of text.matchAll(shown)) {
    const request = inspectRequest(parseCommand(command, m[2].split(" ")));
    const answer = await inspect({ ...request, model: path(request.model) });
    page += text.slice(at, m.index) + m[1] + answer;
    at = m.index + m[0].length;
  }
  return page + text.slice(at);
}

/** The generated pages: path → text. */
export async function pages(): Promise<Map<string, string>> {
  const files = new Map([
    [path("docs/operators.md"), operatorsPage()],
    [path("docs/boards.md"), boardsPage()],
  ]);
  for (const file of ["README.md", "docs/architecture.md"]) {
    files.set(path(file), await answered(Deno.readTextFileSync(path(file))));
  }
  return files;
}

if (import.meta.main) {
  for (const [file, text] of await pages()) Deno.writeTextFileSync(file, text);
}
