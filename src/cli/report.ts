/** report.html: what was compiled, for people; one file that needs nothing else. */
import { createHash } from "node:crypto";
import pageTemplate from "../../templates/report/report.html.hbs" with { type: "text" };
import script from "../../templates/report/sort.js" with { type: "text" };
import pageStyle from "../../templates/report/style.css" with { type: "text" };
import type { Compilation } from "../compile.ts";
import { reportFacts } from "../compile/report_facts.ts";
import type { ReportFacts } from "../compile/report_facts.ts";
import type { Artifact } from "../project/mod.ts";
import type { MeasuredRun } from "../report/html/data.ts";
import type { FlowLayout } from "../report/html/flow.ts";
import { flowParts } from "../report/html/flow.ts";
import { MEMORY_STYLE, memorySvg } from "../report/html/memory_svg.ts";
import { memoryMaps, reportContext } from "../report/html/page.ts";
import { type Board, memoryBlocks } from "../target/target.ts";
import { renderHtml } from "../util/template.ts";
import { VERSION } from "../util/version.ts";

const style = `${pageStyle}${MEMORY_STYLE}\n`;

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

/** A hash by which a page allows one piece of style or script and no other. */
const allowed = (text: string): string =>
  `sha256-${createHash("sha256").update(text).digest("base64")}`;

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
  const page = {
    ...context,
    style,
    style_hash: allowed(style),
    script,
    script_hash: allowed(script),
  };
  return renderHtml(pageTemplate, page, "report/report.html.hbs");
}
