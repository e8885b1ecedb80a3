/** report.html: what was compiled, for people; one file that needs nothing else. */
import pageTemplate from "../../templates/report/report.html.hbs" with { type: "text" };
import type { Compilation } from "../compile.ts";
import { reportFacts } from "../compile/report_facts.ts";
import type { ReportFacts } from "../compile/report_facts.ts";
import type { Artifact } from "../project/mod.ts";
import type { MeasuredRun } from "../report/html/data.ts";
import type { FlowLayout } from "../report/html/flow.ts";
import { flowParts } from "../report/html/flow.ts";
import { memorySvg } from "../report/html/memory_svg.ts";
import { memoryMaps, reportContext } from "../report/html/page.ts";
import { type Board, memoryBlocks } from "../target/target.ts";
import { VERSION } from "../util/version.ts";
import { renderPage } from "./page.ts";

/** Name of the file in a project. */
export const REPORT_FILE = "report.html";

/** The memory plan as a picture; the report has it too. */
export const MEMORY_FILE = "memory.svg";

/** That picture. */
export const memoryPicture = (artifact: Artifact): string => memorySvg(memoryMaps({ artifact }));

/** Places boxes and lines from top to bottom; the library that does is loaded when it is needed. */
async function layOut(facts: ReportFacts): Promise<FlowLayout> {
  const { Graph, layout } = await import("@dagrejs/dagre");
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: "TB", nodesep: 24, edgesep: 16, ranksep: 14 });
  const { boxes, lines } = flowParts(facts.flow);
  for (const { id, width, height } of boxes) graph.setNode(id, { width, height });
  for (const { from, to, name, width, height } of lines) {
    graph.setEdge(from, to, { width, height, labelpos: "c" }, name);
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  const found = graph.edges().map((e) => {
    const { points, x, y } = graph.edge(e);
    return [e.name!, { points, label: { x, y } }] as const;
  });
  return {
    width,
    height,
    boxes: new Map(boxes.map(({ id }) => [id, graph.node(id)])),
    lines: new Map(
      found as [string, FlowLayout["lines"] extends ReadonlyMap<string, infer L> ? L : never][],
    ),
  };
}

/** What a report needs beside the compilation. */
export interface ReportOptions {
  readonly board: Board;
  /** File name of the model. */
  readonly model: string;
  /** The artifact where it says more than the compilation's, as notes of the caller. */
  readonly artifact?: Artifact;
  /** Figures of a run; absent where there was none. */
  readonly measured?: MeasuredRun;
}

/** The page. */
export async function reportPage(c: Compilation, options: ReportOptions): Promise<string> {
  const { board, model, artifact = c.artifact, measured = null } = options;
  const facts = reportFacts(c);
  const bytesOf = (kind: "flash" | "ram") => memoryBlocks(board, kind)[0]?.bytes ?? null;
  const context = reportContext({
    artifact,
    facts,
    board,
    limits: {
      flash: board.memory.length > 0 ? bytesOf("flash") : null,
      ram: board.memory.length > 0 ? bytesOf("ram") : null,
    },
    version: VERSION,
    model,
    measured,
    layout: await layOut(facts),
  });
  return renderPage(pageTemplate, context, "report/report.html.hbs");
}
