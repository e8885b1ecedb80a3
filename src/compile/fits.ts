/** Whether a board, or any 32-bit address space, can hold what a model needs. */
import { BurinError } from "../util/errors.ts";
import type { Board } from "../target/target.ts";
import type { Port } from "../codegen/artifact.ts";

/** Offsets and indices are int32 in the generated C. */
const ADDRESSABLE = 2 ** 31 - 1;

const count = (n: number): string => `${n.toLocaleString("en-US")} bytes`;

const memoryOf = (board: Board, kind: "ram" | "flash"): number =>
  board.memory.filter((m) => m.kind === kind).reduce((sum, m) => sum + m.bytes, 0);

/** What a model needs, in bytes. */
export interface Needs {
  readonly arena: number;
  readonly params: number;
  readonly ports: readonly Pick<Port, "name" | "bytes">[];
}

/**
 * Refuses what no build could place: an arena beyond the board's RAM, constants beyond its flash. A
 * board without memory regions (host) is limited by addresses alone.
 *
 * @throws BurinError `model/too-large`, `model/does-not-fit`
 */
export function checkFits(board: Board, needs: Needs): void {
  const { arena, params, ports } = needs;
  const parts: [string, number][] = [
    ["its arena", arena],
    ["its constants", params],
    ...ports.map((p): [string, number] => [`the tensor '${p.name}'`, p.bytes]),
  ];
  const beyond = parts.find(([, bytes]) => bytes > ADDRESSABLE);
  if (beyond) {
    throw new BurinError(
      "model/too-large",
      `Cannot compile the model as ${beyond[0]} takes ${count(beyond[1])}`,
      "generated code addresses at most 2 GB; make the model's tensors smaller",
    );
  }
  const limits = [
    ["its arena takes", arena, "ram", "RAM"],
    ["its constants take", params, "flash", "flash"],
  ] as const;
  for (const [what, bytes, kind, name] of limits) {
    const there = memoryOf(board, kind);
    if (there === 0 || bytes <= there) continue;
    throw new BurinError(
      "model/does-not-fit",
      `Cannot compile the model for ${board.name} as ${what} ${count(bytes)} ` +
        `where the board has ${count(there)} of ${name}`,
      `choose a board with more ${name}, or make the model smaller`,
    );
  }
}
