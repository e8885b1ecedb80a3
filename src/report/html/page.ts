/** Everything that the template of a report fills in, made from plain data alone. */
import type { PlannedBuffer } from "../../codegen/artifact.ts";
import type { ReportData } from "./data.ts";
import { flowSvg } from "./flow.ts";
import { instructionsOf, layersContext } from "./layers.ts";
import { type MemoryMap, memoryMapSvg, peakOf } from "./memory_svg.ts";
import { quantisationContext } from "./quantisation.ts";
import { summaryContext } from "./summary.ts";
import { grouped, lastName, percent, shortened } from "./text.ts";

/** The context of `templates/report/report.html.hbs`. */
export function reportContext(data: ReportData): Record<string, unknown> {
  const { artifact, facts, measured, layout, model, board } = data;
  const all = artifact.kernels.reduce((s, _, i) => s + instructionsOf(data, i), 0);
  const note = (step: number): string =>
    `${grouped(artifact.kernels[step].macs)} MACs, ${
      percent(instructionsOf(data, step), all) || "0 %"
    } of the run`;
  return {
    ...summaryContext(data),
    ...layersContext(data),
    ...quantisationContext(facts.tensors),
    regions: memoryMaps(data).map(regionContext),
    caller_buffers: artifact.buffers.filter((b) => b.owner === "caller").map(bufferContext),
    frontier: artifact.frontier.map((p) => ({
      bytes: grouped(p.arenaBytes),
      bytes_value: p.arenaBytes,
      instructions: grouped(p.instructions),
      instructions_value: p.instructions,
      held_by: shortened(p.heldBy.map(lastName).join(", "), 120),
      held_by_full: p.heldBy.join(", "),
      chosen: p.chosen,
    })),
    flow: facts.flow.nodes.length > 0 ? flowSvg(facts.flow, layout, note) : "",
    notes: artifact.notes.map((text) => shortened(text, 2000)),
    engine: measured?.engine ?? "",
    samples: measured
      ? `${grouped(measured.samples)} sample${measured.samples === 1 ? "" : "s"}`
      : "",
    measure_command: `deno task run ${model} --board ${board.name} --layers --report report.html`,
  };
}

/** The memory map of each region. */
export const memoryMaps = ({ artifact }: Pick<ReportData, "artifact">): MemoryMap[] =>
  artifact.regions.map(({ name, bytes }) => ({
    region: name,
    bytes,
    steps: artifact.kernels.map((k) => k.name),
    operators: artifact.kernels.map((k) => k.nodes.join(", ")),
    buffers: artifact.buffers.filter((b) => b.region === name),
  }));

const bufferContext = (b: PlannedBuffer) => ({
  name: shortened(lastName(b.name), 60),
  offset: grouped(b.offset),
  offset_value: b.offset,
  bytes: grouped(b.bytes),
  bytes_value: b.bytes,
  first: b.firstStep,
  last: b.lastStep,
  owner: b.owner === "arena" || b.owner === "caller" ? "" : shortened(lastName(b.owner), 60),
});

function regionContext(m: MemoryMap, i: number) {
  const peak = peakOf(m);
  return {
    name: m.region,
    bytes: grouped(m.bytes),
    peak: peak
      ? `Most is live in step ${peak.step} (${m.steps[peak.step]}: ${
        shortened(lastName(m.operators[peak.step]), 60)
      }): ${grouped(peak.bytes)} bytes, ${percent(peak.bytes, m.bytes)} of the region.`
      : "",
    shares: m.buffers.some((b) => m.buffers.some((o) => o.name === b.owner)),
    map: m.bytes === 0 ? "" : memoryMapSvg(m, `map${i}`),
    buffers: m.buffers.toSorted((a, b) => a.offset - b.offset || a.firstStep - b.firstStep)
      .map(bufferContext),
  };
}
