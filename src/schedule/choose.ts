/**
 * Which of the candidates each kernel gets: all are lowered and estimated, and what they take of the
 * whole model's time and flash decides.
 */
import { bytesOf } from "../util/dtype.ts";
import { BurinError } from "../util/errors.ts";
import type { Target } from "../target/target.ts";
import { type Estimate, estimate } from "../tir/estimate.ts";
import { hoistDivisions } from "../tir/hoist.ts";
import type { Kernel } from "../tir/stmt.ts";
import { lower } from "./lower.ts";
import type { Candidate } from "./rules/form.ts";
import { initialState, type Workload } from "./state.ts";
import { applySteps } from "./steps.ts";

/** A candidate with its loop program and what that takes. */
export interface Option extends Candidate {
  readonly kernel: Kernel;
  readonly takes: Estimate;
}

/** The loop program of a workload under a schedule. */
export const lowered = (w: Workload, { schedule }: Pick<Candidate, "schedule">): Kernel =>
  hoistDivisions(lower(w, applySteps(initialState(w), schedule)));

/** What candidates came to, by their steps: several goals look at the same ones of a workload. */
const explored = new WeakMap<Workload, WeakMap<Target, Map<string, Explored>>>();
type Explored = Pick<Option, "kernel" | "takes">;

function exploreOne(w: Workload, target: Target, c: Candidate): Explored {
  const targets = explored.get(w) ?? new WeakMap<Target, Map<string, Explored>>();
  explored.set(w, targets);
  const found = targets.get(target) ?? new Map<string, Explored>();
  targets.set(target, found);
  const key = JSON.stringify(c.schedule);
  let made = found.get(key);
  if (!made) {
    const kernel = lowered(w, c);
    found.set(key, made = { kernel, takes: estimate(kernel, target) });
  }
  return made;
}

/**
 * Lowers and estimates candidates. One whose steps do not fit is left out, unless it is the last: the
 * rules end with one that always does.
 */
export function explore(
  w: Workload,
  target: Target,
  candidates: readonly Candidate[],
): readonly Option[] {
  return candidates.flatMap((c, i): Option[] => {
    try {
      return [{ ...c, ...exploreOne(w, target, c) }];
    } catch (e) {
      const refused = e instanceof BurinError && e.code === "model/schedule-step";
      if (refused && i < candidates.length - 1) return [];
      throw e;
    }
  });
}

/** What is traded for what. */
export interface Goal {
  /** How many percent of the model's time a percent of its flash is worth. */
  readonly flash: number;
  /** Bytes of code and constants up to which that worth does not count; null: it always does. */
  readonly budget: number | null;
  /** Bytes of code and constants that there is room for; the worth of time ends there. */
  readonly room: number;
  /** Bytes that a model's flash counts as at least when shares of it are taken. */
  readonly least: number;
  /** How many times the fewest cycles a candidate may take and still count as no slower. */
  readonly slack: number;
  /** Constants that fit are stored in fewer bits, whatever time and memory that takes. */
  readonly compact: boolean;
}

/** The options that store constants in fewer bits, where there are some and they are wanted. */
export function compactOnly<T extends Pick<Candidate, "compact">>(
  options: readonly T[],
  goal: Goal,
): readonly T[] {
  const compact = goal.compact && goal.budget === null ? options.filter((o) => o.compact) : [];
  return compact.length > 0 ? compact : options;
}

/** Bytes of inputs and outputs. */
const operandBytes = ({ kernel: { buffers } }: Option): number =>
  sum(buffers.map((b) => b.scope === "scratch" ? 0 : b.length * bytesOf(b.dtype)));

/** Bytes that unpacked constants may always take, where no option takes fewer. */
const LITTLE = 16 * 1024;

/** Part of what the largest kernel takes that unpacked constants may add to it. */
const MORE = 1 / 8;

/**
 * The options of each kernel of which one is to be chosen: constants that fit are stored in fewer bits,
 * where what they are unpacked to finds room beside a kernel's operands that the largest kernel takes
 * anyway, or little more, or with the least memory there is if that is not much.
 */
export function withRoom(
  kernels: readonly (readonly Option[])[],
  goal: Goal,
): readonly (readonly Option[])[] {
  const compact = kernels.map((options) => compactOnly(options, goal));
  if (!compact.some(([o]) => o.compact)) return compact;
  const plain = (options: readonly Option[]): readonly Option[] =>
    options.filter((o) => !o.compact);
  const needs = kernels.map((options) => {
    const [first] = choose([plain(options)], goal);
    return operandBytes(first) + first.takes.scratchBytes;
  });
  const room = (1 + MORE) * Math.max(...needs);
  return compact.map((options, k) => {
    if (!options[0].compact) return options;
    const least = Math.min(...options.map((o) => o.takes.scratchBytes));
    const most = Math.max(room - operandBytes(options[0]), Math.min(least, LITTLE));
    const fitting = options.filter((o) => o.takes.scratchBytes <= most);
    return fitting.length > 0 ? fitting : plain(kernels[k]);
  });
}

/** Bytes that a firmware takes beside any model: a part of a small model is a smaller part of its flash. */
const FIRMWARE = 32 * 1024;

/** How many percent of the time a percent of the flash is worth, by what is optimised for. */
const WORTH = { balanced: 0.2, speed: 0, flash: 20, ram: 0.2 } as const;

/** Bytes of flash for what is not of the model: start-up code, the C library, an application. */
const REST = 16 * 1024;

/**
 * The goal of options.
 *
 * @param budget bytes of flash that may be spent for speed, where the options say so
 * @param flash bytes of the board's flash; null: as much as there is
 */
export function goalOf(
  optimize: keyof typeof WORTH,
  budget: number | undefined,
  flash: number | null,
): Goal {
  const own = optimize === "speed" ? (flash ?? Infinity) / 2 : null;
  return {
    flash: WORTH[optimize],
    budget: optimize === "flash" ? null : budget ?? own,
    room: (flash ?? Infinity) - REST,
    least: optimize === "flash" ? 1 : FIRMWARE,
    slack: optimize === "speed" ? 1.1 : 1.03,
    compact: optimize === "balanced" || optimize === "flash",
  };
}

/** How much better another rule has to look: estimates of unlike programs are no nearer than that. */
const DOUBT = 0.05;

/**
 * Time of each option. Instructions and cycles count alike where both are known; one that wins on
 * instructions and loses on cycles does not win.
 */
export function times(options: readonly Option[], slack: number): number[] {
  const known = options.flatMap(({ takes: { instructions, cycles } }) =>
    cycles === null ? [] : [{ cycles, mean: Math.sqrt(instructions * cycles) }]
  );
  if (known.length < options.length) return options.map((o) => o.takes.instructions);
  const best = known.reduce((a, b) => b.cycles < a.cycles ? b : a);
  return known.map(({ cycles, mean }) =>
    cycles <= slack * best.cycles ? mean : Math.max(mean, best.mean * cycles / best.cycles)
  );
}

/** Kernels that could call each text which stands once for all of them. */
function usersOf(kernels: readonly (readonly Option[])[]): ReadonlyMap<string, number> {
  const users = new Map<string, number>();
  for (const options of kernels) {
    const texts = new Set(options.flatMap((o) => [...o.takes.texts.keys()]));
    for (const t of texts) users.set(t, (users.get(t) ?? 0) + 1);
  }
  return users;
}

/** Flash of an option; a text that several kernels can call is divided among them. */
const flashOf = ({ takes }: Option, users: ReadonlyMap<string, number>): number =>
  takes.codeBytes + takes.constantBytes +
  sum([...takes.texts].map(([text, bytes]) => bytes / users.get(text)!));

const sum = (ns: readonly number[]): number => ns.reduce((a, b) => a + b, 0);

/** What a part of a model takes: time as `times` has it, bytes of flash. */
export interface Share {
  readonly time: number;
  readonly flash: number;
}

/** What kernels take that are chosen already. */
export const shareOf = (takes: readonly Estimate[]): Share => ({
  time: sum(
    takes.map(({ instructions, cycles }) => Math.sqrt(instructions * (cycles ?? instructions))),
  ),
  flash: sum(takes.map((t) => t.codeBytes + t.constantBytes)) +
    sum([...new Map(takes.flatMap((t) => [...t.texts])).values()]),
});

/**
 * Chooses an option for each kernel of a model.
 *
 * @param rest what other kernels of the model take
 */
export function choose<O extends Option>(
  kernels: readonly (readonly O[])[],
  goal: Goal,
  rest: Share = { time: 0, flash: 0 },
): readonly O[] {
  const users = usersOf(kernels);
  const time = kernels.map((options) => times(options, goal.slack));
  const flash = kernels.map((options) => options.map((o) => flashOf(o, users)));
  const allTime = Math.max(1, rest.time + sum(time.map((t) => Math.min(...t))));
  const allFlash = Math.max(goal.least, rest.flash + sum(flash.map((f) => Math.min(...f))));
  const pick = (k: number, worth: number): number => {
    const options = kernels[k];
    const score = (i: number, doubt: number): number =>
      (1 + doubt) * time[k][i] / allTime + worth * flash[k][i] / allFlash;
    return options.reduce((best, { rule }, i) => {
      const doubt = options[best].rule === rule ? 0 : DOUBT;
      return score(i, doubt) < score(best, 0) ? i : best;
    }, 0);
  };
  const picked = kernels.map((_, k) => pick(k, goal.budget === null ? goal.flash : 0));
  fit(picked, time, flash, Math.min(goal.budget ?? Infinity, goal.room));
  return kernels.map((options, k) => options[picked[k]]);
}

/** Exchanges choices for smaller ones, each time where the least time is lost a byte. */
function fit(
  picked: number[],
  time: readonly (readonly number[])[],
  flash: readonly (readonly number[])[],
  budget: number,
): void {
  let bytes = sum(picked.map((i, k) => flash[k][i]));
  while (bytes > budget) {
    let best: { k: number; i: number; price: number } | null = null;
    picked.forEach((now, k) =>
      flash[k].forEach((f, i) => {
        const saved = flash[k][now] - f;
        if (saved <= 0) return;
        const price = (time[k][i] - time[k][now]) / saved;
        if (best === null || price < best.price) best = { k, i, price };
      })
    );
    if (best === null) return;
    const { k, i } = best as { k: number; i: number };
    bytes -= flash[k][picked[k]] - flash[k][i];
    picked[k] = i;
  }
}
