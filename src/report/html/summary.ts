/** The head of a report: the model against the board's limits. */
import type { Port } from "../../codegen/artifact.ts";
import { type Segment, stackedBar } from "./bars.ts";
import type { ReportData } from "./data.ts";
import { deviation, grouped, percent, real, realValue, shortened } from "./text.ts";

const sum = (ns: readonly number[]): number => ns.reduce((a, b) => a + b, 0);
const callers = (ports: readonly Port[]): number =>
  sum(ports.filter((p) => p.placement.where === "caller").map((p) => p.bytes));

interface Budget {
  readonly name: string;
  readonly segments: readonly Segment[];
  readonly limit: number | null;
  readonly note: string;
}

function budgets({ artifact, limits, measured }: ReportData): Budget[] {
  const { inputs, outputs, arenaBytes, paramsBytes } = artifact;
  const io = callers(inputs) + callers(outputs);
  const other = measured ? measured.ramBytes - arenaBytes - io - measured.stackBytes : 0;
  const flash: Segment[] = [
    { name: "constants", bytes: paramsBytes, kind: "s-params" },
    ...(measured ? [{ name: "machine code", bytes: measured.codeBytes, kind: "s-code" }] : []),
  ];
  const ram: Segment[] = [
    { name: "working memory (arena)", bytes: arenaBytes, kind: "s-arena" },
    { name: "inputs and outputs of the caller", bytes: io, kind: "s-io" },
    ...(other > 0 ? [{ name: "data", bytes: other, kind: "s-code" }] : []),
    ...(measured ? [{ name: "stack", bytes: measured.stackBytes, kind: "s-stack" }] : []),
  ];
  return [
    {
      name: "Flash",
      segments: flash,
      limit: limits.flash,
      note: measured
        ? "The library alone, as linked for the machine that executed it."
        : "Machine code is not counted: compiling runs no C compiler.",
    },
    {
      name: "RAM",
      segments: ram,
      limit: limits.ram,
      note: measured
        ? `The deepest stack of all samples${
          typeof measured.stackBoundBytes === "number"
            ? `; it can take ${grouped(measured.stackBoundBytes)} bytes at most`
            : ""
        }.`
        : "The stack is not counted: it is measured by a run.",
    },
  ];
}

function budgetContext({ name, segments, limit, note }: Budget) {
  const used = sum(segments.map((s) => s.bytes));
  const of = limit === null
    ? "no limit on this board"
    : `of ${grouped(limit)} bytes, ${percent(used, limit)}`;
  const shown = segments.filter((s) => s.bytes > 0);
  return {
    name,
    used: grouped(used),
    of,
    over: limit !== null && used > limit,
    bar: stackedBar(shown, limit, `${name}: ${grouped(used)} bytes ${of}`),
    parts: shown.map((s) => ({ name: s.name, kind: s.kind, bytes: grouped(s.bytes) })),
    note,
  };
}

const portContext = (direction: string) => (p: Port) => ({
  direction,
  name: shortened(p.name, 60),
  c_name: p.cName,
  dtype: p.dtype,
  shape: p.shape.length === 0 ? "scalar" : p.shape.join(" × "),
  bytes: grouped(p.bytes),
  quantisation: p.scale === undefined ? "none" : realValue(p.scale, p.zeroPoint ?? 0),
  place: p.placement.where === "caller"
    ? "your buffer"
    : `${p.placement.region} + ${grouped(p.placement.offset)}`,
});

/** A time that is easy to compare; how many cycles an instruction takes depends on the core. */
function timeFigure(instructions: number, hz: number | undefined) {
  if (hz === undefined) return [];
  const milliseconds = 1000 * instructions / hz;
  return [{
    name: `Time at ${real(hz / 1e6)} MHz`,
    value: `${real(milliseconds, 3)} ms`,
    detail: "if an instruction took one cycle",
  }];
}

/** What the template shows above the tables. */
export function summaryContext(data: ReportData): Record<string, unknown> {
  const { artifact, board, measured, version } = data;
  const { options, kernels } = artifact;
  const predicted = sum(kernels.map((k) => k.predictedInstructions));
  const macs = sum(kernels.map((k) => k.macs));
  const figures = [
    { name: "Multiply-accumulates", value: grouped(macs), detail: "of one run" },
    {
      name: measured ? "Instructions, measured" : "Instructions, predicted",
      value: grouped(measured?.instructions ?? predicted),
      detail: measured
        ? `predicted ${grouped(predicted)} (${deviation(predicted, measured.instructions)})`
        : `of one run on ${board.target.cpu}`,
    },
    {
      name: "Instructions per MAC",
      value: macs === 0 ? "–" : ((measured?.instructions ?? predicted) / macs).toFixed(2),
      detail: measured ? "measured" : "predicted",
    },
    ...timeFigure(measured?.instructions ?? predicted, board.clockHz),
    { name: "Kernels", value: grouped(kernels.length), detail: "run one after the other" },
  ];
  return {
    name: artifact.name,
    board: board.title,
    board_name: board.name,
    version,
    sha256: artifact.modelSha256,
    options: [
      { name: "core", value: board.target.cpu },
      { name: "instructions used", value: board.target.features.join(", ") || "portable C" },
      { name: "transformations", value: `-O${options.optLevel}` },
      { name: "optimised for", value: options.optimize },
      { name: "rounding", value: options.requant },
      { name: "inputs and outputs", value: options.io === "arena" ? "in the arena" : "caller" },
      ...Object.entries(options.dims).map(([name, size]) => ({
        name: `dimension ${shortened(name, 30)}`,
        value: String(size),
      })),
    ],
    budgets: budgets(data).map(budgetContext),
    figures,
    ports: [
      ...artifact.inputs.map(portContext("input")),
      ...artifact.outputs.map(portContext("output")),
    ],
  };
}
