/** Each kernel of a model in bands: its schedule and loop program for a block of rows. */
import { BurinError } from "../util/errors.ts";
import type { Target } from "../target/target.ts";
import { imm } from "../te/expr.ts";
import { estimate } from "../tir/estimate.ts";
import { hoistDivisions } from "../tir/hoist.ts";
import type { Kernel, Stmt } from "../tir/stmt.ts";
import { type Band, bandOfRows, bandOfSums } from "../schedule/band.ts";
import { spread, staysInRows } from "../schedule/apart.ts";
import {
  choose,
  compactOnly,
  type Goal,
  type Option,
  type Share,
  shareOf,
} from "../schedule/choose.ts";
import { lower } from "../schedule/lower.ts";
import { candidates } from "../schedule/rules/mod.ts";
import { initialState, type Workload } from "../schedule/state.ts";
import { applySteps, type Schedule } from "../schedule/steps.ts";
import type { ScheduledKernel } from "../compile.ts";
import { leaner } from "./lean.ts";

/** What bands are scheduled for. */
export interface BandOptions {
  readonly target: Target;
  readonly level: number;
  readonly goal: Goal;
  /** Whether less scratch memory may be had for more instructions. */
  readonly lean: boolean;
  /** Whether that may not take more constants. */
  readonly scarce: boolean;
}

/** A way to compute the blocks of a band. */
export interface BandSchedule {
  readonly schedule: Schedule;
  readonly kernel: Kernel;
  /** Instructions of all blocks together, as estimated. */
  readonly instructions: number;
}

/** A candidate for a band; divisions leave the loops of a whole stream at the end. */
interface BandOption extends Option {
  readonly plain: Kernel;
}

/** A kernel in bands, scheduled. */
export interface BandKernel extends BandSchedule {
  readonly band: Band;
  readonly finish: Kernel | null;
  /** Others with less scratch memory, the most of it first. */
  readonly lean: readonly BandSchedule[];
}

/** The bands of each kernel, made when they are asked for. */
export class Bands {
  readonly #found = new Map<string, BandKernel | null>();
  /** By the rows of a kernel's blocks; of sums by none. */
  readonly #made = new Map<string, BandKernel | null>();

  /** What the model takes beside each kernel: what is chosen for a band is weighed as there. */
  readonly #beside: readonly Share[];

  constructor(readonly kernels: readonly ScheduledKernel[], readonly options: BandOptions) {
    const takes = kernels.map((k) => estimate(k.kernel, options.target));
    this.#beside = takes.map((t) => shareOf(takes.filter((x) => x !== t)));
  }

  /**
   * Kernel `i` by `rows` rows, or by one where they do not divide its output. A last one may take
   * rows into sums instead. Null where it has no such bands.
   */
  of(i: number, isLast: boolean, rows: number): BandKernel | null {
    const key = `${i}:${rows}:${isLast}`;
    let found = this.#found.get(key);
    if (found === undefined) this.#found.set(key, found = this.#find(i, isLast, rows));
    return found;
  }

  #find(i: number, isLast: boolean, rows: number): BandKernel | null {
    const { workload } = this.kernels[i];
    const band = (isLast ? bandOfSums(workload) : null) ?? rowsOf(workload, rows);
    const key = `${i}:${band?.rows}`;
    let made = this.#made.get(key);
    if (made === undefined) this.#made.set(key, made = this.#make(i, band));
    return made;
  }

  #make(i: number, band: Band | null): BandKernel | null {
    const { kernel } = this.kernels[i];
    if (!band) return null;
    const apart = spread(band);
    const found = this.#schedule(apart, band, i);
    if (!found) return null;
    const end = band.finish && (this.#schedule(band.finish, null, i)?.chosen ?? null);
    const made = ({ schedule, takes, plain }: BandOption): BandSchedule => ({
      schedule,
      kernel: { ...plain, macs: kernel.macs },
      instructions: takes.instructions + (end?.takes.instructions ?? 0),
    });
    return {
      ...made(found.chosen),
      band,
      finish: end && end.plain,
      lean: found.lean.map(made),
    };
  }

  /** The best candidate for a workload, by what all of its blocks take together, and leaner ones. */
  #schedule(
    w: Workload,
    block: Band | null,
    i: number,
  ): { chosen: BandOption; lean: readonly BandOption[] } | null {
    const { target, level, goal, lean, scarce } = this.options;
    const small = candidates(w, target, level).filter((c) =>
      (lean || !c.lean) && (goal.budget !== null || !c.large)
    );
    const all = small.flatMap((c): BandOption[] => {
      const plain = attempt(() => lower(w, applySteps(initialState(w), c.schedule)));
      const kernel = plain && hoistDivisions(plain);
      if (!kernel || (block && !staysInRows(kernel, block))) return [];
      const body: Stmt = block
        ? { k: "for", v: block.block, lo: imm(0), hi: imm(block.blocks), body: kernel.body }
        : kernel.body;
      return [{ ...c, plain, kernel, takes: estimate({ ...kernel, body }, target) }];
    });
    const options = compactOnly(all, goal);
    const usual = lean ? options : options.filter((o) => !o.lean);
    if (usual.length === 0) return null;
    const [chosen] = choose([usual], goal, this.#beside[i]);
    return { chosen, lean: lean ? leaner(chosen, options, scarce) : [] };
  }
}

/** Rows at a time by which what grows its input may read it in rows. */
const GROWING = [2, 4];

/** The bands by so many rows, or by as many as it takes to read every input in rows. */
function rowsOf(w: Workload, rows: number): Band | null {
  const inputs = [...w.buffers.values()].filter((b) => b.scope === "input").length;
  let most: Band | null = null;
  for (const n of new Set([rows, 1, ...GROWING])) {
    const band = bandOfRows(w, n);
    if (band && (!most || band.reach.size > most.reach.size)) most = band;
    if (most?.reach.size === inputs) break;
  }
  return most;
}

/** What comes of it; null where a schedule's steps do not fit. */
function attempt<T>(f: () => T): T | null {
  try {
    return f();
  } catch (e) {
    if (e instanceof BurinError && e.code === "model/schedule-step") return null;
    throw e;
  }
}
