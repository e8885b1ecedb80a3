/** docs/benchmarks.md. */
import type { BenchRow } from "./bench_row.ts";
import {
  cycleNotes,
  LAYER_HEAD,
  layerCells,
  RATIO_HEAD,
  ratioCells,
  ROW_HEAD,
  rowCells,
} from "./bench_text.ts";
import { markdownTable } from "./markdown.ts";

/** Versions of what the figures depend on. */
export interface BenchTools {
  /** Burin's own. */
  readonly burin: string;
  /** Of the compiler for the first board. */
  readonly gcc: string;
  /** Of what executed. */
  readonly qemu: string;
}

const NOTE = "<!-- Written by `deno task bench --write docs/benchmarks.md`; do not edit. -->";

const models = (rows: readonly BenchRow[]): string => markdownTable(ROW_HEAD, rows.map(rowCells));

function layers(row: BenchRow): string {
  return `<details>
<summary>${row.model} on ${row.board}</summary>

${markdownTable(LAYER_HEAD, row.layers!.map(layerCells))}

</details>`;
}

/** The page. */
export function benchPage(rows: readonly BenchRow[], tools: BenchTools): string {
  const own = rows.filter((r) => r.example), others = rows.filter((r) => !r.example);
  const ratios = rows.flatMap(ratioCells);
  const layered = rows.filter((r) => r.layers !== null);
  const parts = [
    `# Benchmarks

${NOTE}

Measured with Burin ${tools.burin}, arm-none-eabi-gcc ${tools.gcc} (-O2) and qemu-system-arm ${tools.qemu}; options of the
compiler are its defaults (\`--optimize balanced --requant exact --io caller\`). Every figure belongs to code whose
outputs were compared with the expected ones in the same run; a model whose outputs are not right gets no ratio.

- **instructions**: of one call of the entry function, counted under QEMU; the mean over the samples.
- **cycles**: an estimate for a Cortex-M4 without wait states. Every instruction that was executed takes 1 cycle; a
  load 2, or 1 directly after another single load or store; LDRD 3, STRD 2; lists of N registers 1 + N; a division
  7; VMLA and VFMA 3, VDIV and VSQRT 14; a branch that is taken 2 more. Real flash adds to that.
- **a MAC**: instructions for each multiply-accumulate that is left after compiling; what is constant and what nobody
  reads is not computed.
- **limit**: instructions a MAC that the arithmetic alone takes, without loads, stores and requantisation: 0.0625 with
  VMLADAVA, 0.5 with SMLAD, 1 with MLA; for floats 1 with an FPU, 0.5 with vectors.
- **flash**: code and constants of the library, with what it takes of libgcc and libm, in bytes; **code** is the part of
  it that is no constant.
- **arena**, **RAM**: working memory; the same with inputs, outputs and stack.`,
    ...(others.length === 0 ? [] : [`## MLPerf Tiny

The networks of MLPerf Tiny as int8 and as float32 (on cores with an FPU), each with eight samples.

${models(others)}`]),
    ...(own.length === 0 ? [] : [`## Examples

The models of \`examples/\`, each with the first eight of its samples.

${models(own)}`]),
    cycleNotes(rows).map((n) => `- ${n}`).join("\n"),
    ...(ratios.length === 0 ? [] : [`## Against other systems

What Burin takes divided by what others take for the same model on the same core: below 1 is less.

${markdownTable(RATIO_HEAD, ratios)}`]),
    ...(layered.length === 0 ? [] : [`## Layer by layer

One row for each generated kernel, in order. Cycles, loads, stores and bytes are those of its own function.`]),
    ...layered.map(layers),
    `## How to reproduce

\`\`\`sh
deno task bench --write docs/benchmarks.md
\`\`\`

writes this page; \`deno task bench MODEL.onnx --board mps2-an386 --layers\` measures one model. Without operands it takes
the examples and, where they stand beside the checkout, the models of \`../shared/models/mlperf_tiny\` and the other
systems' figures of \`../shared/baselines.json\`; \`--models\` and \`--baselines\` name others.`,
  ];
  return parts.filter((p) => p !== "").join("\n\n") + "\n";
}
