/** What a project says of its model as text: the compiled graph, the memory plan. */
import type { Compilation } from "../compile.ts";
import { compiledSections, type Section } from "./inspect.ts";

/** A page of text: its file's name and what stands on it. */
export interface Page {
  readonly file: string;
  readonly sections: readonly Section[];
}

/** The pages of a compiled model. */
export const describePages = (c: Compilation): Page[] => [
  { file: "graph.txt", sections: compiledSections("quantized", c) },
  { file: "memory.txt", sections: compiledSections("memory", c) },
];
