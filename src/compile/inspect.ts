/** Every stage of a compilation as sections of text and figures; src/report draws them. */
import { BurinError } from "../util/errors.ts";
import { didYouMean } from "../util/near.ts";
import { countOps, printGraph } from "../ir/print.ts";
import type { Graph, Node, Value } from "../ir/graph.ts";
import { importModel } from "../onnx/import.ts";
import { runPasses } from "../passes/pipeline.ts";
import type { MemoryPoint, PlannedBuffer } from "../codegen/artifact.ts";
import { kernelSymbol } from "../codegen/names.ts";
import type { Compilation, CompileOptions } from "../compile.ts";
import { definitionLines, groupLines, membersOf, programLines, viewLines } from "./inspect_text.ts";

/** The stages that can be printed, in the order in which a model passes them. */
export type InspectStage =
  | "import"
  | "graph"
  | "quantized"
  | "fused"
  | "te"
  | "tir"
  | "memory"
  | "c";

/** What is to be printed of a compilation. */
export interface InspectOptions extends CompileOptions {
  /** Absent where only the counts are asked for. */
  readonly stage?: InspectStage;
  /** Only what became of this ONNX node. */
  readonly node?: string;
  /** Operator counts of the file, after import, and after every pass. */
  readonly countOps?: boolean;
}

/** Operators counted after a step. */
export interface OperatorCounts {
  readonly step: string;
  readonly counts: ReadonlyMap<string, number>;
}

/** A part of what is printed, before it is laid out. */
export type Section =
  /** Lines of an IR, indented below the title and wrapped where they are too wide. */
  | { readonly kind: "lines"; readonly title: string; readonly lines: readonly string[] }
  /** Source text, printed as it is. */
  | { readonly kind: "code"; readonly text: string }
  | { readonly kind: "counts"; readonly steps: readonly OperatorCounts[] }
  /** What less memory costs. */
  | { readonly kind: "frontier"; readonly points: readonly MemoryPoint[] }
  | {
    readonly kind: "memory";
    readonly region: string;
    readonly bytes: number;
    /** Name of each step's kernel. */
    readonly steps: readonly string[];
    /** The operators that each step computes, by their names in the model. */
    readonly operators: readonly string[];
    /** How the plan of all regions was found, its bytes, and those that no plan undercuts. */
    readonly plan: { readonly planner: string; readonly bytes: number; readonly bound: number };
    /** All buffers of the plan. */
    readonly buffers: readonly PlannedBuffer[];
    /** Those that the table lists. */
    readonly listed: readonly PlannedBuffer[];
  };

/**
 * The sections of one stage, and of the counts where they are asked for.
 *
 * @param compileStages the driver, for the stages behind the graph's
 * @throws BurinError `usage/unknown-node` with near names, and what the compiler throws
 */
export async function inspectStages(
  bytes: Uint8Array,
  options: InspectOptions,
  compileStages: (bytes: Uint8Array, options: CompileOptions) => Promise<Compilation>,
): Promise<Section[]> {
  const { node, stage, dims, externalFiles, optLevel: level } = options;
  const imported = importModel(bytes, { dims, externalFiles });
  if (node !== undefined) checkNode(imported.graph, node);
  const seen: { pass: string; graph: Graph }[] = [];
  const final = runPasses(imported.graph, {
    level,
    observe: (pass, graph) => void seen.push({ pass, graph }),
  });
  const before = seen.slice(0, Math.max(0, seen.findIndex((s) => s.pass === "integerize")));
  const sections = async (): Promise<Section[]> => {
    switch (stage) {
      case undefined:
        return [];
      case "import":
        return graphSection(imported.graph, node);
      case "graph":
        return graphSection(before.at(-1)?.graph ?? imported.graph, node);
      case "quantized":
        return graphSection(final, node);
      default:
        return kernelSections(stage, await compileStages(bytes, options), node);
    }
  };
  const counts: Section[] = options.countOps
    ? [{
      kind: "counts",
      steps: [
        { step: "file", counts: imported.opCounts },
        { step: "import", counts: countOps(imported.graph) },
        ...seen.map((s) => ({ step: s.pass, counts: countOps(s.graph) })),
      ],
    }]
    : [];
  return [...await sections(), ...counts];
}

/** Names of the ONNX nodes that a graph came from, nested graphs included. */
const originsOf = (g: Graph): string[] =>
  g.nodes.flatMap((n) => [...n.origin, ...n.bodies.flatMap(originsOf)]);

function checkNode(g: Graph, node: string): void {
  const names = [...new Set(originsOf(g))];
  if (names.includes(node)) return;
  const some = names.slice(0, 8).join(", ");
  throw new BurinError(
    "usage/unknown-node",
    `Cannot show node ${node} as the imported graph has none of that name`,
    didYouMean(node, names) ?? `its nodes are ${some}${names.length > 8 ? " …" : ""}`,
  );
}

const nothing = (node: string): Section => ({
  kind: "lines",
  title: `Nothing at this stage comes from ${node}: earlier passes merged it or folded it away.`,
  lines: [],
});

function graphSection(g: Graph, node: string | undefined): Section[] {
  const part = node === undefined ? g : neighbourhood(g, node);
  if (node !== undefined && part.nodes.length === 0) return [nothing(node)];
  const [title, ...lines] = printGraph(part).trimEnd().split("\n");
  return [{ kind: "lines", title, lines: lines.map((l) => l.slice(2)) }];
}

/** The nodes that came from an ONNX node, as a graph of their own. */
function neighbourhood(g: Graph, node: string): Graph {
  const nodes = g.nodes.filter((n) => comesFrom(n, node));
  const made = new Set(nodes.flatMap((n) => n.outs));
  const read = new Set(nodes.flatMap((n) => n.ins).filter((v): v is Value => v !== null));
  const outside = g.nodes.filter((n) => !nodes.includes(n)).flatMap((n) => n.ins);
  const outputs = [...made].filter((v) => g.outputs.includes(v) || outside.includes(v));
  return {
    name: g.name,
    inputs: [...read].filter((v) => !v.data && !made.has(v)),
    outputs,
    outputNames: outputs.map((v) => v.name),
    nodes,
    states: [],
  };
}

const comesFrom = (n: Node, node: string): boolean =>
  n.origin.includes(node) || n.bodies.some((b) => b.nodes.some((m) => comesFrom(m, node)));

/** The sections of a stage behind the passes, of the whole model. */
export const compiledSections = (stage: "quantized" | "memory", c: Compilation): Section[] =>
  stage === "quantized"
    ? graphSection(c.layout.graph, undefined)
    : kernelSections(stage, c, undefined);

function kernelSections(
  stage: "fused" | "te" | "tir" | "memory" | "c",
  c: Compilation,
  node: string | undefined,
): Section[] {
  const wanted = c.kernels.map((k) => node === undefined || k.kernel.origin.includes(node));
  const free = [...c.layout.free].filter((n) => node === undefined || comesFrom(n, node));
  const viewed = stage === "fused" && free.length > 0;
  if (node !== undefined && !wanted.includes(true) && !viewed) return [nothing(node)];
  const each = (lines: (i: number) => readonly string[]): Section[] =>
    c.kernels.flatMap((k, i): Section[] =>
      wanted[i]
        ? [{
          kind: "lines",
          title: `kernel ${i} ${k.kernel.name}  // ${k.kernel.origin.join(", ")}`,
          lines: lines(i),
        }]
        : []
    );
  switch (stage) {
    case "fused":
      return [
        ...each((i) => groupLines(c.kernels[i], c.layout.storage)),
        ...(viewed
          ? [
            {
              kind: "lines",
              title: "without code: views of other memory, operands placed inside a result",
              lines: viewLines(free, c.layout.storage),
            } as const,
          ]
          : []),
      ];
    case "te":
      return each((i) =>
        membersOf(c.kernels[i]).flatMap(({ workload }) => definitionLines(workload))
      );
    case "tir":
      return each((i) => programLines(c.kernels[i]));
    case "memory":
      return [
        ...memorySections(c, wanted),
        ...(node === undefined && c.artifact.frontier.length > 0
          ? [{ kind: "frontier", points: c.artifact.frontier } as const]
          : []),
      ];
    case "c":
      return [{ kind: "code", text: cText(c, wanted) }];
  }
}

function memorySections(c: Compilation, wanted: readonly boolean[]): Section[] {
  const touched = new Set(
    c.kernels.filter((_, i) => wanted[i])
      .flatMap((k) => k.values.map((v) => c.layout.storage.get(v)!.owner.name)),
  );
  const buffers = c.artifact.buffers;
  const listed = wanted.includes(false)
    ? buffers.filter((b) =>
      touched.has(b.name) || wanted.some((w, i) => w && b.name.startsWith(`step ${i}: `))
    )
    : buffers;
  const steps = c.kernels.map((k) => k.kernel.name);
  const operators = c.kernels.map((k) => k.kernel.origin.join(", "));
  const plan = { ...c.placement.plan, bytes: c.artifact.arenaBytes };
  // A model without working memory has no region, but still the caller's buffers.
  const regions = c.artifact.regions.length > 0
    ? c.artifact.regions
    : [{ name: "arena", bytes: 0 }];
  return regions.map(({ name, bytes }, i) => ({
    kind: "memory",
    region: name,
    bytes,
    steps,
    operators,
    plan,
    buffers: buffers.filter((b) => b.region === name),
    listed: listed.filter((b) => b.region === name || (i === 0 && b.owner === "caller")),
  }));
}

/** The kernels' file, or of it the functions of the wanted kernels. */
function cText(c: Compilation, wanted: readonly boolean[]): string {
  const source = c.artifact.sources.get(`src/${c.program.name}_kernels.c`)!;
  if (!wanted.includes(false)) return source;
  return c.kernels.flatMap((_, i) => {
    if (!wanted[i]) return [];
    const head = source.indexOf(`void ${kernelSymbol(c.program, i)}(`);
    const start = source.lastIndexOf("\n\n/*", head) + 2;
    return [source.slice(start, source.indexOf("\n}", head) + 2)];
  }).join("\n\n");
}
