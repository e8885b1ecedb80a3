/**
 * Packs the benchmark instances of a folder with the exact search and prints a page of Markdown:
 *
 *   deno task planner-bench ../shared/minimalloc > docs/planner.md
 *
 * An instance is a file NAME.CAPACITY.csv with the columns id, lower, upper, size: a buffer lives in
 * [lower, upper).
 */
import { livePeak } from "../src/memory/bound.ts";
import { checkPlan } from "../src/memory/checker.ts";
import type { Plan, Request } from "../src/memory/plan.ts";
import { planMemory } from "../src/memory/planner.ts";
import { searchPlacement } from "../src/memory/search.ts";
import { exactPlacement } from "../src/memory/exact.ts";

/** Nodes for packing an instance within its capacity, and for the smallest region below that. */
const NODES = 2_000_000, SMALLEST_NODES = 300_000;

/** A benchmark instance. */
export interface Instance {
  readonly name: string;
  readonly capacity: number;
  readonly requests: readonly Request[];
}

/** Reads one file of an instance. */
export function readInstance(file: string, text: string): Instance {
  const [name, capacity] = file.split(".");
  const rows = text.trim().split("\n").slice(1).map((line) => line.split(",").map(Number));
  const requests = rows.map(([id, lower, upper, bytes]): Request => ({
    name: `b${id}`,
    bytes,
    align: 1,
    first: lower,
    last: upper - 1,
    regions: ["r"],
  }));
  return { name, capacity: Number(capacity), requests };
}

/** The instances of a folder, by name. */
export const readInstances = (folder: string): Instance[] =>
  [...Deno.readDirSync(folder)].map((e) => e.name)
    .filter((n) => /^\w+\.\d+\.csv$/.test(n)).sort()
    .map((n) => readInstance(n, Deno.readTextFileSync(`${folder}/${n}`)));

/** What packing an instance gave. */
export interface Packed {
  /** Offsets within the capacity, or null where the nodes did not suffice. */
  readonly offsets: readonly number[] | null;
  readonly nodes: number;
}

/** Packs within the capacity; a plan that is found has been checked. */
export function pack({ requests, capacity }: Instance, nodes: number): Packed {
  const items = requests.map((r) => ({
    size: r.bytes,
    align: r.align,
    lower: r.first,
    upper: r.last + 1,
  }));
  const { outcome, nodes: used } = searchPlacement(items, capacity, nodes);
  if (typeof outcome === "string") return { offsets: null, nodes: used };
  const plan: Plan = {
    placed: requests.map((request, i) => ({ request, region: "r", offset: outcome.found[i] })),
    used: new Map([["r", sizeOf(requests, outcome.found)]]),
    planner: "exact",
    bound: 0,
  };
  checkPlan(requests, [{ name: "r", bytes: capacity }], plan);
  return { offsets: outcome.found, nodes: used };
}

const sizeOf = (requests: readonly Request[], offsets: readonly number[]): number =>
  Math.max(...requests.map((r, i) => offsets[i] + r.bytes));

/** Seconds of processor time of this process, from the kernel's own count. */
function processorSeconds(): number {
  const fields = Deno.readTextFileSync("/proc/self/stat").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const grouped = (n: number): string => n.toLocaleString("en-US");

function row(instance: Instance): string[] {
  const { name, capacity, requests } = instance;
  const regions = [{ name: "r", bytes: null }];
  const bound = livePeak(requests).bytes;
  const greedy = planMemory(requests, regions, { level: 1 }).used.get("r")!;
  const climbed = planMemory(requests, regions, { level: 3, nodes: 0 }).used.get("r")!;
  const start = processorSeconds();
  const { offsets, nodes } = pack(instance, NODES);
  const seconds = processorSeconds() - start;
  const reached = offsets ? sizeOf(requests, offsets) : climbed;
  const exact = exactPlacement(requests, bound, reached, SMALLEST_NODES);
  const smallest = exact.offsets ? sizeOf(requests, exact.offsets) : reached;
  return [
    name,
    grouped(requests.length),
    grouped(bound),
    grouped(greedy),
    grouped(climbed),
    offsets ? `yes, ${grouped(nodes)} nodes` : `no: ${grouped(reached - capacity)} bytes over`,
    seconds.toFixed(1),
    grouped(smallest),
    smallest === exact.bound ? "optimal" : `${grouped(smallest - exact.bound)} bytes`,
  ];
}

if (import.meta.main) {
  const [folder] = Deno.args;
  const heads = ["", "buffers", "live bytes", "greedy", "climbing", "within capacity", "s"];
  const head = [...heads, "smallest found", "gap"];
  const lines = [head, head.map(() => "---")];
  for (const instance of readInstances(folder)) lines.push(row(instance));
  console.log(lines.map((l) => `| ${l.join(" | ")} |`).join("\n"));
}
