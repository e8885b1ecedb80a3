/** Sections as the text of a terminal. */
import type { Section } from "../compile/inspect.ts";
import { countLines } from "./counts.ts";
import { frontierLines } from "./frontier.ts";
import { memoryLines } from "./memory.ts";
import { grouped } from "./table.ts";
import { wrapLine } from "./wrap.ts";

/** Columns of the text. */
const WIDTH = 100;

function sectionLines(s: Section): string[] {
  switch (s.kind) {
    case "lines":
      return [s.title, ...s.lines.map((l) => `  ${l}`)]
        .flatMap((l) => wrapLine(l, WIDTH));
    case "code":
      return s.text.trimEnd().split("\n");
    case "counts":
      return countLines(s.steps, WIDTH);
    case "frontier":
      return [
        "arena and instructions that could be had, estimated:",
        "",
        ...frontierLines(s.points, WIDTH),
      ];
    case "memory":
      return [`${s.region}: ${grouped(s.bytes)} bytes`, "", ...memoryLines(s, WIDTH)];
  }
}

/** The sections one after another, an empty line between them. */
export const sectionsText = (sections: readonly Section[]): string =>
  sections.map((s) => sectionLines(s).join("\n")).join("\n\n") + "\n";
