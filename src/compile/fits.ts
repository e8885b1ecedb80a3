/** Whether a board, or any 32-bit address space, can hold what a model needs. */
import { BurinError } from "../util/errors.ts";
import { type Board, memoryBlocks } from "../target/target.ts";
import { roomHint } from "../target/room.ts";
import type { MemoryPoint, PlannedBuffer, Port } from "../codegen/artifact.ts";

/** Offsets and indices are int32 in the generated C. */
const ADDRESSABLE = 2 ** 31 - 1;

/** What a proposed board keeps for the stack and for the code, which nobody has measured yet. */
const STACK = 2048;
const CODE = 16 * 1024;

/** Buffers of the peak that the message names. */
const NAMED = 3;

const count = (n: number): string => `${n.toLocaleString("en-US")} bytes`;
const sum = (list: readonly { bytes: number }[]) => list.reduce((total, x) => total + x.bytes, 0);

/** What a model needs, in bytes. */
export interface Needs {
  readonly arena: number;
  /** Of the arena, what has to lie in one piece; default all of it. */
  readonly largestRegion?: number;
  readonly params: number;
  readonly inputs: readonly Pick<Port, "name" | "bytes" | "placement">[];
  readonly outputs: readonly Pick<Port, "name" | "bytes" | "placement">[];
  /** What lies in the arena, and when. */
  readonly buffers: readonly PlannedBuffer[];
  /** What less memory would cost, the least memory first; empty where that was not looked at. */
  readonly frontier: readonly MemoryPoint[];
  /** The arena's size with inputs and outputs in it, and without the kernels' scratch memory. */
  readonly otherArenas: () => { readonly withPorts: number; readonly withoutScratch: number };
}

/** What there is to say where no plan would fit. */
function smallestText({ arena, frontier }: Needs, ram: number): string {
  const [smallest] = frontier;
  if (!smallest || smallest.arenaBytes >= arena || smallest.arenaBytes <= ram) return "";
  return `; the smallest takes ${count(smallest.arenaBytes)}, held up by ${
    nodesText(smallest.heldBy)
  }`;
}

/** Names of nodes in the order of the graph; of many the ends. */
const nodesText = (nodes: readonly string[]): string =>
  nodes.length <= NAMED
    ? nodes.map((n) => `'${short(n)}'`).join(", ")
    : `${nodes.length} nodes from '${short(nodes[0])}' to '${short(nodes.at(-1)!)}'`;

/** Fused nodes have names as long as all of theirs. */
const short = (name: string): string => name.length > 40 ? `${name.slice(0, 39)}…` : name;

/** The names and sizes of what the arena holds when it holds most. */
function peakText(buffers: readonly PlannedBuffer[]): string {
  // What is computed in the memory of another buffer keeps that one alive.
  const own = buffers.filter((b) => b.owner === "arena").map((b) => {
    const guests = buffers.filter((g) => g.owner === b.name);
    return {
      name: b.name,
      bytes: b.bytes,
      first: Math.min(b.firstStep, ...guests.map((g) => g.firstStep)),
      last: Math.max(b.lastStep, ...guests.map((g) => g.lastStep)),
    };
  });
  const live = (step: number) => own.filter((b) => b.first <= step && step <= b.last);
  const peak = own.map((b) => live(b.first)).reduce((a, b) => sum(b) > sum(a) ? b : a, [])
    .toSorted((a, b) => b.bytes - a.bytes);
  const named = peak.slice(0, NAMED).map((b) => `'${short(b.name)}' ${count(b.bytes)}`);
  return `${named.join(", ")}${peak.length > NAMED ? ` and ${peak.length - NAMED} more` : ""}`;
}

/**
 * Refuses what no build could place: an arena beyond the board's largest RAM, an arena and outputs
 * beyond all of it, constants beyond its largest flash. A board without memory regions (host) is
 * limited by addresses alone.
 *
 * @param others boards that may be proposed instead, asked for where the model does not fit
 * @throws BurinError `model/too-large`, `model/does-not-fit`
 */
export function checkFits(
  board: Board,
  needs: Needs,
  others: () => readonly Board[] = () => [],
): void {
  const { arena, params, inputs, outputs } = needs;
  const parts: [string, number][] = [
    ["its arena", arena],
    ["its constants", params],
    ...[...inputs, ...outputs].map((p): [string, number] => [`the tensor '${p.name}'`, p.bytes]),
  ];
  const beyond = parts.find(([, bytes]) => bytes > ADDRESSABLE);
  if (beyond) {
    throw new BurinError(
      "model/too-large",
      `Cannot compile the model as ${beyond[0]} takes ${count(beyond[1])}`,
      "generated code addresses at most 2 GB; make the model's tensors smaller",
    );
  }
  const [rams, flashes] = (["ram", "flash"] as const).map((kind) => memoryBlocks(board, kind));
  const largest = (blocks: readonly { bytes: number }[]) =>
    Math.max(...blocks.map((b) => b.bytes), 0);
  const callers = (ports: Needs["inputs"]) =>
    sum(ports.filter((p) => p.placement.where === "caller"));
  const written = callers(outputs);
  const faults: string[] = [];
  const piece = needs.largestRegion ?? arena;
  if (rams.length > 0 && piece > largest(rams)) {
    faults.push(
      `its arena takes ${count(piece)} where the board has ${count(largest(rams))} of RAM` +
        `${rams.length > 1 ? " in one piece" : ""} (at the peak ${peakText(needs.buffers)}` +
        `${smallestText(needs, largest(rams))})`,
    );
  } else if (rams.length > 0 && arena + written > sum(rams)) {
    faults.push(
      `its arena takes ${count(arena)} and its outputs ${count(written)} where the board has ` +
        `${count(sum(rams))} of RAM`,
    );
  }
  if (flashes.length > 0 && params > largest(flashes)) {
    faults.push(
      `its constants take ${count(params)} where the board has ${count(largest(flashes))} of flash`,
    );
  }
  if (faults.length === 0) return;
  throw new BurinError(
    "model/does-not-fit",
    `Cannot compile the model for ${board.name} as ${faults.join(", and ")}`,
    [
      ...options(needs, largest(rams), callers([...inputs, ...outputs])),
      roomHint(others(), {
        ram: arena + callers([...inputs, ...outputs]) + STACK,
        flash: params + CODE,
      }, board),
    ].join("; "),
  );
}

/** Options with which the model would fit the RAM, as far as the planner can tell. */
function options(needs: Needs, ram: number, callers: number): string[] {
  if (ram === 0 || needs.arena + callers + STACK <= ram) return [];
  const { withPorts, withoutScratch } = needs.otherArenas();
  const list: string[] = [];
  const room = ram - callers - STACK;
  const [smallest] = needs.frontier;
  if (smallest && smallest.arenaBytes < needs.arena && smallest.arenaBytes <= room) {
    const [least] = needs.frontier.filter((p) => p.arenaBytes <= room).toReversed();
    list.push(
      `--ram-budget ${room} takes an arena of ${count(least.arenaBytes)}, for about ` +
        `${least.instructions.toLocaleString("en-US")} instructions`,
    );
  }
  if (callers > 0 && withPorts + STACK <= ram) {
    list.push(`--io arena takes ${count(withPorts)} for arena, inputs and outputs together`);
  }
  if (withoutScratch < needs.arena && withoutScratch + callers + STACK <= ram) {
    list.push(`-O1 takes an arena of ${count(withoutScratch)}, without scratch, and is slower`);
  }
  return list;
}

/**
 * Refuses an arena beyond what `--ram-budget` allows: it is the smallest that was found.
 *
 * @throws BurinError `model/does-not-fit` with the smallest arena and the nodes that hold it up
 */
export function checkRamBudget(
  { ramBudget, optLevel }: { readonly ramBudget?: number; readonly optLevel: number },
  arena: number,
  frontier: readonly MemoryPoint[],
  buffers: readonly PlannedBuffer[],
): void {
  if (ramBudget === undefined || arena <= ramBudget) return;
  const [smallest] = frontier;
  throw new BurinError(
    "model/does-not-fit",
    `Cannot compile the model into an arena of ${count(ramBudget)} as the smallest plan takes ` +
      count(arena) +
      (smallest
        ? `, held up by ${nodesText(smallest.heldBy)}`
        : ` (at the peak ${peakText(buffers)})`),
    [
      ...(optLevel < 2 ? ["-O2 passes rows from kernel to kernel, which takes less"] : []),
      `--ram-budget ${arena} fits`,
    ].join("; "),
  );
}
