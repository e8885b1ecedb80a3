/** The graph with its fused groups as SVG, once something has laid it out. */
import type { Flow, FlowNode } from "../../compile/report_facts.ts";
import { escaped, shortened } from "./text.ts";

/** A box and its size, for the layout. */
export interface FlowBox {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}

/** A line and the size of its label. */
export interface FlowLine {
  readonly from: string;
  readonly to: string;
  /** Position among the lines. */
  readonly name: string;
  readonly width: number;
  readonly height: number;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Centres of boxes and labels, corners of lines. */
export interface FlowLayout {
  readonly width: number;
  readonly height: number;
  readonly boxes: ReadonlyMap<string, Point>;
  /** By the line's name. */
  readonly lines: ReadonlyMap<string, { readonly points: readonly Point[]; readonly label: Point }>;
}

const WIDTH = 236, HEAD = 20, LINE = 17, PAD = 8;
/** Between the lines that describe a kernel and its operators. */
const GAP = 3;
const PORT_HEIGHT = 28;
const CHARACTER = 6.2;
/** Characters of a box's line, and of a label. */
const FIT = Math.floor((WIDTH - 2 * PAD) / CHARACTER), LABEL = 30;

/** What stands below a kernel's title. */
export type FlowNote = (step: number) => string;

const height = (n: FlowNode): number =>
  n.kind === "kernel" ? HEAD + GAP + LINE * (n.ops.length + 1) + 3 : PORT_HEIGHT;

const width = (n: FlowNode): number =>
  n.kind === "kernel" ? WIDTH : Math.min(WIDTH, Math.ceil(titleOf(n).length * CHARACTER) + 4 * PAD);

const titleOf = (n: FlowNode): string =>
  shortened(n.kind === "view" ? `${n.title} (a view, no code)` : `${n.kind} ${n.title}`, FIT - 3);

/** What a layout has to place. */
export function flowParts(flow: Flow): { boxes: FlowBox[]; lines: FlowLine[] } {
  return {
    boxes: flow.nodes.map((n) => ({ id: n.id, width: width(n), height: height(n) })),
    lines: flow.edges.map((e, i) => ({
      from: e.from,
      to: e.to,
      name: String(i),
      width: Math.ceil(Math.min(e.type.length, LABEL) * CHARACTER) + PAD,
      height: LINE,
    })),
  };
}

const at = (n: number): string => String(Number(n.toFixed(1)));

/** Draws a laid out graph. */
export function flowSvg(flow: Flow, layout: FlowLayout, note: FlowNote): string {
  const pad = 4;
  const [w, h] = [Math.ceil(layout.width) + 2 * pad, Math.ceil(layout.height) + 2 * pad];
  const kernels = flow.nodes.filter((n) => n.kind === "kernel").length;
  const lines = flow.edges.map((e, i) => {
    const { points, label } = layout.lines.get(String(i))!;
    const text = shortened(e.type, LABEL);
    const title = escaped(`${e.name}: ${e.type}`);
    return `<g><title>${title}</title><path class="edge" d="${curve(points)}"/>` +
      `<rect class="under" x="${at(label.x - text.length * CHARACTER / 2)}" y="${
        at(label.y - LINE / 2)
      }" width="${at(text.length * CHARACTER)}" height="${LINE}"/>` +
      `<text class="muted" x="${at(label.x)}" y="${at(label.y + 4)}" text-anchor="middle">${
        escaped(text)
      }</text></g>`;
  });
  const boxes = flow.nodes.map((n) => box(n, layout.boxes.get(n.id)!, note));
  return `<svg class="flow" viewBox="${-pad} ${-pad} ${w} ${h}" width="${w}" height="${h}" ` +
    `role="img" aria-labelledby="flow-title"><title id="flow-title">The compiled graph: ${kernels} ` +
    `kernels, each with the operators fused into it</title>` +
    `<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" ` +
    `markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>\n${
      [...lines, ...boxes].join("\n")
    }\n</svg>`;
}

/** A smooth line through points. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (rest.length < 2) {
    return `M${at(first.x)} ${at(first.y)}` + rest.map((p) => `L${at(p.x)} ${at(p.y)}`).join("");
  }
  const last = rest.at(-1)!;
  const middle = rest.slice(0, -1);
  const quads = middle.map((p, i) => {
    const next = middle[i + 1];
    const end = next ? { x: (p.x + next.x) / 2, y: (p.y + next.y) / 2 } : last;
    return `Q${at(p.x)} ${at(p.y)} ${at(end.x)} ${at(end.y)}`;
  });
  return `M${at(first.x)} ${at(first.y)}${quads.join("")}`;
}

function box(n: FlowNode, centre: Point, note: FlowNote): string {
  const w = width(n), h = height(n), left = centre.x - w / 2, top = centre.y - h / 2;
  const frame = `<rect class="node ${n.kind}" x="${at(left)}" y="${at(top)}" width="${w}" ` +
    `height="${h}" rx="${n.kind === "kernel" ? 6 : PORT_HEIGHT / 2}"/>`;
  if (n.kind !== "kernel") {
    return `<g><title>${escaped(`${n.kind} ${n.title}`)}</title>${frame}<text x="${
      at(centre.x)
    }" y="${at(centre.y + 4)}" text-anchor="middle">${escaped(titleOf(n))}</text></g>`;
  }
  const line = (i: number, text: string, kind: string): string =>
    `<text class="${kind}" x="${at(left + PAD)}" y="${at(top + HEAD - 4 + i * LINE)}">${
      escaped(shortened(text, FIT))
    }</text>`;
  const ops = n.ops.map(({ op, origin }, i) => {
    const y = top + HEAD + GAP + (i + 1) * LINE - 3;
    return `<g><title>${escaped(`${op}: ${origin.join(", ")}`)}</title><rect class="op" x="${
      at(left + PAD)
    }" y="${at(y)}" width="${w - 2 * PAD}" height="${LINE - 2}" rx="3"/>` +
      `<text x="${at(left + 2 * PAD)}" y="${at(y + 11.5)}">${
        escaped(shortened(op, FIT - 3))
      }</text></g>`;
  });
  const names = [...new Set(n.ops.flatMap((o) => o.origin))].join(", ");
  return `<g><title>${escaped(`step ${n.step}: ${names}`)}</title>${frame}${
    line(0, `${n.step}  ${n.title}`, "title")
  }${line(1, note(n.step!), "muted")}${ops.join("")}</g>`;
}
