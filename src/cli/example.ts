/** `example`: a trained model on a board, from the ONNX file to the accuracy. */
import { basename } from "@std/path";
import { type Execution, runOnBoard } from "../run/mod.ts";
import { compareSamples, type Comparison } from "../run/compare.ts";
import { type Sample, splitSamples } from "../run/samples.ts";
import { installCommand, missingTools, toolsFor } from "../run/toolchain.ts";
import { BurinError } from "../util/errors.ts";
import { didYouMean } from "../util/near.ts";
import { readNpz } from "../util/npz.ts";
import { numbers, type TensorData } from "../util/tensor.ts";
import type { Args, Command } from "./args.ts";
import { type Compiled, compileInMemory } from "./compile.ts";
import { sideBySide } from "./draw.ts";
import { type Example, EXAMPLES } from "./examples.ts";
import { compareLogits, type LogitAgreement, logitRows } from "./logits.ts";
import { readUserFile } from "./paths.ts";
import { instructionsText } from "./run.ts";
import { grouped, print, printJson, say, table } from "./terminal.ts";

/** How many samples are drawn. */
const DRAWN = 4;

/** What came out of an example. */
export interface ExampleResult {
  /** Name of the example. */
  readonly example: string;
  /** Name of the board. */
  readonly board: string;
  /** Number of samples. */
  readonly samples: number;
  /** Samples whose label the model names. */
  readonly correct: number;
  /** Outputs against the stored reference. */
  readonly agreement: Comparison;
  /** The same logit by logit, and against the float model; null where outputs are no logits. */
  readonly logits: readonly LogitAgreement[] | null;
  /** The run on the board's machine; null where tools are missing and the interpreter ran. */
  readonly execution: Execution | null;
  /** The command that installs what is missing; null where nothing is. */
  readonly install: string | null;
  /** What came out, sample by sample. */
  readonly outputs: readonly Sample[];
  /** What went in, sample by sample. */
  readonly inputs: readonly Sample[];
  /** The right class of each sample. */
  readonly labels: readonly number[];
}

const argmax = (t: TensorData): number => {
  const values = numbers(t);
  return values.indexOf(Math.max(...values));
};

function exampleNamed(name: string): Example {
  const found = EXAMPLES[name];
  if (found) return found;
  const names = Object.keys(EXAMPLES);
  throw new BurinError(
    "usage/unknown-example",
    `Cannot find example ${name} as there is none of that name`,
    didYouMean(name, names) ?? `the examples are ${names.join(", ")}`,
  );
}

/** Runs samples on the interpreter of the loop IR, which gives the same bits as the C. */
function interpretAll({ artifact }: Compiled, inputs: readonly Sample[]): Sample[] {
  return inputs.map((sample) => artifact.interpret(sample));
}

/**
 * Runs a bundled example: on the board's machine where the tools are there, else on the interpreter.
 * @param progress called with what is being done, before it takes time
 * @throws BurinError `usage/unknown-example`
 */
export async function example(
  name = "digits",
  board = "stm32f746",
  progress: (doing: string) => void = () => {},
): Promise<ExampleResult> {
  const chosen = exampleNamed(name);
  progress(`compiling ${chosen.title.toLowerCase()} for ${board}`);
  const compiled = await compileInMemory({ model: chosen.model, board });
  const { artifact } = compiled;
  const arrays = readNpz(readUserFile(chosen.samples), chosen.samples);
  const inputs = splitSamples(arrays, artifact.inputs, "in", chosen.samples);
  const expected = splitSamples(arrays, artifact.outputs, "out", chosen.samples);
  const labels = numbers(arrays.get("labels")!);
  const missing = missingTools(toolsFor(compiled.board.target));
  if (missing.length > 0) progress(`running ${inputs.length} samples on the interpreter`);
  const execution = missing.length > 0 ? null : await runOnBoard(artifact, compiled.board, inputs, {
    model: basename(chosen.model),
    expected,
    progress,
  });
  const outputs = execution?.outputs ?? interpretAll(compiled, inputs);
  const real = arrays.get("float0");
  return {
    example: name,
    board,
    samples: inputs.length,
    correct: outputs.filter(([scores], i) => argmax(scores) === labels[i]).length,
    agreement: compareSamples(artifact.outputs, outputs, expected),
    logits: real ? compareLogits(artifact.outputs[0], outputs, expected, real, chosen.label) : null,
    execution,
    install: missing.length > 0 ? installCommand(missing) : null,
    outputs,
    inputs,
    labels,
  };
}

/** A few samples as the terminal can draw them: wrong answers first, there are few. */
function pictures(r: ExampleResult): string {
  const { draw, label } = EXAMPLES[r.example];
  const order = r.inputs.map((_, i) => i);
  const wrong = order.filter((i) => argmax(r.outputs[i][0]) !== r.labels[i]).slice(0, 1);
  const shown = [
    ...order.filter((i) => !wrong.includes(i)).slice(0, DRAWN - wrong.length),
    ...wrong,
  ];
  return sideBySide(shown.map((i) => {
    const answer = label(argmax(r.outputs[i][0]));
    const truth = label(r.labels[i]);
    const caption = answer === truth ? `${answer}, right` : `${answer}, but it is ${truth}`;
    return { lines: draw(r.inputs[i][0]), caption };
  }));
}

const percent = (part: number, all: number) => `${(part / all * 100).toFixed(1)} %`;

function measured({ result: r, firmware }: Execution): string[][] {
  const rows = [
    ["  executed by", r.engine],
    ["  instructions", instructionsText(r.instructions!)],
    [
      "  RAM",
      `${grouped(r.ram_bytes)} bytes (arena ${grouped(r.arena_bytes)}, stack ${
        grouped(r.stack_bytes!)
      })`,
    ],
    [
      "  flash",
      `${grouped(r.flash_bytes)} bytes (code ${grouped(r.code_bytes)}, constants ${
        grouped(r.params_bytes)
      })`,
    ],
  ];
  return firmware === null ? rows : [...rows, [
    "  firmware",
    `linked against the memory map of ${r.board}: ${grouped(firmware.flashUsed)} of ${
      grouped(firmware.flashBytes)
    } bytes of flash, ${grouped(firmware.ramUsed)} of ${grouped(firmware.ramBytes)} of RAM`,
  ]];
}

function summary(r: ExampleResult): string {
  const outputs = Object.values(r.agreement.match);
  const elements = outputs.reduce((n, m) => n + m.elements, 0);
  const differing = outputs.reduce((n, m) => n + m.mismatched, 0);
  const rows = [
    ["  accuracy", `${r.correct} of ${r.samples} samples (${percent(r.correct, r.samples)})`],
    [
      "  reference",
      differing === 0
        ? `equal to the stored outputs in all ${grouped(elements)} elements`
        : `differs from the stored outputs in ${grouped(differing)} of ${grouped(elements)}`,
    ],
    ...(r.execution
      ? measured(r.execution)
      : [["  executed by", "the interpreter of the loop IR"]]),
  ];
  const skipped = r.install === null
    ? ""
    : "\n\nSkipped, as tools are missing: compiling the C, linking the firmware, running it under " +
      "QEMU,\ncounting instructions, RAM and flash. This command installs them:\n  " + r.install;
  const logits = r.logits === null ? "" : `\n\n${table(logitRows(r.logits))}`;
  const title = `${EXAMPLES[r.example].title}, ${r.samples} labelled samples, on ${r.board}`;
  const who = r.execution ? "the board" : "the interpreter";
  return `${title}\nUnder each picture: what ${who} answered.\n\n${pictures(r)}\n\n${
    table(rows)
  }${logits}${skipped}`;
}

function list(json: boolean): void {
  const all = Object.entries(EXAMPLES).map(([name, { title, about }]) => ({ name, title, about }));
  if (json) printJson(all);
  else print(table(all.map(({ name, title, about }) => [name, `${title}: ${about}`])));
}

async function main(args: Args): Promise<number> {
  if (args.flag("list")) {
    list(args.flag("json"));
    return 0;
  }
  const result = await example(args.operands[0], undefined, (doing) => say(`${doing} …`));
  if (args.flag("json")) {
    const { example: name, board, samples, correct, agreement, logits, execution, install } =
      result;
    printJson({
      example: name,
      board,
      samples,
      correct,
      match: agreement.match,
      logits,
      run: execution?.result ?? null,
      install,
    });
  } else print(summary(result));
  return result.agreement.passes ? 0 : 1;
}

/** The command. */
export const command: Command = {
  name: "example",
  summary: "Compile a trained model for a board and run its labelled samples.",
  operands: "[NAME]",
  maxOperands: 1,
  options: {
    list: { kind: "flag", help: "list the examples and run none" },
    json: { kind: "flag", help: "print the figures as one JSON object" },
  },
  notes: `Examples: ${Object.keys(EXAMPLES).join(", ")}; default digits.`,
  main,
};
