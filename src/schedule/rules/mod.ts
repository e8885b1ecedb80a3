/**
 * Which schedules a kernel can have. A rule looks at the form of the stages, never at operator names;
 * which of its proposals is taken is for choose.ts.
 */
import { has, isHost, type Target } from "../../target/target.ts";
import { isPointwise, loads } from "../../te/analyze.ts";
import { canHalve, type HalvesStep } from "../halves.ts";
import { canTakeWords } from "../words.ts";
import { groupsOf, type GroupsStep, groupWorkload } from "../groups.ts";
import { phasesOf, type PhasesStep, phaseWorkload } from "../phases.ts";
import { initialState, type Stage, type State, type Workload } from "../state.ts";
import { applySteps, type Step } from "../steps.ts";
import { apartSchedule } from "./apart.ts";
import { affineStep } from "../affine.ts";
import { chainSchedule } from "./chain.ts";
import { channelSchedule } from "./channels.ts";
import { applied } from "./common.ts";
import { type Candidate, type Form, type Proposals, type Rule, single } from "./form.ts";
import { gemmSchedule } from "./gemm.ts";
import { fitsCompact } from "../codings.ts";
import { inlineSteps } from "./inline.ts";
import { mapSchedule } from "./map.ts";
import { lanesSchedule } from "./lanes.ts";
import { patchesSchedule } from "./patches.ts";
import { planeSchedule } from "./plane.ts";
import { poolSchedule } from "./pool.ts";
import { mapTilesSchedule, rowTilesSchedule } from "./row_tiles.ts";
import { elementwise, scalarSchedule } from "./scalar.ts";
import { streamSchedule } from "./stream.ts";
import { oneBlockSchedule, ROWS, tilesSchedule } from "./tiles.ts";
import { sumsSchedule } from "./sums.ts";
import { vectorSchedule } from "./vector.ts";
import { windowRowSchedule } from "./window_row.ts";
import { winogradSchedule } from "./winograd.ts";

/** One accumulator at a time: it fits every reduction. */
const SCALAR = single("single", ({ w, r, out }) => scalarSchedule(w, r, out));

/** Proposals by their names, but for those that do not fit. */
const variants = (all: Readonly<Record<string, readonly Step[] | null>>): Proposals =>
  Object.entries(all).flatMap(([variant, steps]) =>
    steps === null ? [] : [[variant, steps] as const]
  );

/** Products of whole rows by all columns, in vectors. */
const STREAMS: Rule = {
  name: "streams",
  propose: ({ w, s, r, out, target }) => has(target, "mve") ? streamSchedule(w, s, r, out) : [],
};

/** Bytes of constants that are unpacked for a group of columns. */
const GROUP_BYTES = 2048;

/** The rules for products of rows by columns. */
const PRODUCTS: readonly Rule[] = [
  STREAMS,
  single(
    "vectors",
    ({ w, s, r, out, target }) => has(target, "mve") ? vectorSchedule(w, s, r, out) : null,
  ),
  {
    name: "tiles",
    propose: (f) =>
      variants({
        own: tilesSchedule(f, "own"),
        shared: tilesSchedule(f, "shared"),
        blocks: gemmSchedule(f.w, f.s, f.r, f.out, f.target),
      }),
  },
  {
    name: "tiles",
    // Where there are vectors, tiles stand in for those that do not fit: the plain ones do.
    propose: (f) =>
      has(f.target, "mve") ? [] : variants({
        "own, filled": tilesSchedule(f, "own", false, "runs"),
        "shared, filled": tilesSchedule(f, "shared", false, "runs"),
        "own, filled apart": tilesSchedule(f, "own", false, "axis"),
        "shared, filled apart": tilesSchedule(f, "shared", false, "axis"),
        "own, copy": mapTilesSchedule(f, "own"),
        "shared, copy": mapTilesSchedule(f, "shared"),
        "own, one block": oneBlockSchedule(f, "own"),
        "shared, one block": oneBlockSchedule(f, "shared"),
        "own, rows": rowTilesSchedule(f, "own"),
        "shared, rows": rowTilesSchedule(f, "shared"),
      }),
  },
  {
    name: "tiles",
    large: true,
    propose: (f) =>
      variants({
        "wide, own": tilesSchedule(f, "own", true),
        "wide, shared": tilesSchedule(f, "shared", true),
      }),
  },
  {
    name: "tiles",
    lean: true,
    propose: (f) =>
      variants({
        "two rows, own": tilesSchedule(f, "own", false, undefined, 2),
        "two rows, shared": tilesSchedule(f, "shared", false, undefined, 2),
        "one row, own": tilesSchedule(f, "own", false, undefined, 1),
        "one row, shared": tilesSchedule(f, "shared", false, undefined, 1),
        "direct, own": tilesSchedule(f, "own", false, undefined, 0),
        "direct, shared": tilesSchedule(f, "shared", false, undefined, 0),
      }),
  },
  {
    name: "tiles",
    compact: true,
    propose: (f) =>
      variants({
        "own, groups": tilesSchedule(f, "own", false, undefined, ROWS, GROUP_BYTES),
        "shared, groups": tilesSchedule(f, "shared", false, undefined, ROWS, GROUP_BYTES),
        "own, small groups": tilesSchedule(f, "own", false, undefined, ROWS, GROUP_BYTES / 4),
        "shared, small groups": tilesSchedule(f, "shared", false, undefined, ROWS, GROUP_BYTES / 4),
      }),
  },
  {
    ...single(
      "winograd",
      (f) => has(f.target, "dsp") && !has(f.target, "mve") ? winogradSchedule(f) : null,
    ),
    large: true,
  },
];

/** Windows within channels on planes, a channel at a time. */
const MAPS = single(
  "maps",
  ({ w, s, r, out, target }) =>
    has(target, "dsp") && has(target, "fpu") ? mapSchedule(w, s, r, out) : null,
);

/** The rules for a reduction; where estimates are near each other, the earlier one is taken. */
const RULES: readonly Rule[] = [
  ...PRODUCTS,
  { name: "apart", propose: (f) => has(f.target, "mve") ? apartSchedule(f) : [] },
  single(
    "lanes",
    ({ w, s, r, out, target }) => has(target, "mve") ? lanesSchedule(w, s, r, out) : null,
  ),
  {
    name: "patches",
    propose: ({ w, s, r, out, target }) => has(target, "mve") ? patchesSchedule(w, s, r, out) : [],
  },
  single("sums", (f) => has(f.target, "mve") ? sumsSchedule(f) : null),
  MAPS,
  {
    ...single("window rows", windowRowSchedule),
    lean: true,
  },
  single("planes", ({ w, s, r, out }) => planeSchedule(w, s, r, out)),
  single("pools", ({ w, r, out, target }) => has(target, "dsp") ? poolSchedule(w, r, out) : null),
  single("channels", ({ w, s, r, out, target }) => channelSchedule(w, s, r, out, target)),
  SCALAR,
];

/**
 * The schedules for a workload, at least one; at level 0 and 1 loops stay as the definitions give
 * them.
 */
export function candidates(w: Workload, target: Target, level: number): readonly Candidate[] {
  const all = allCandidates(w, target, level), plain = all.filter((c) => !c.compact);
  if (level < 2 || ![...w.consts.values()].some(fitsCompact)) return plain;
  const compact = all.filter((c) => !c.large).flatMap((c) =>
    depthsOf(c).map((depth): Candidate => ({
      ...c,
      variant: `${c.variant && `${c.variant}, `}compact at ${depth}`,
      schedule: [...c.schedule, { do: "compact", depth }],
      compact: true,
    }))
  );
  return [...compact, ...plain];
}

/** Loops inside which constants can be unpacked: a stream is read as a whole, or that of a group. */
function depthsOf({ compact, schedule }: Candidate): readonly number[] {
  if (compact) return [1];
  if (!schedule.some((s) => s.do === "columns")) return [0, 1, 2, 3];
  return schedule.some((s) => s.do === "groups") ? [0, 1] : [0];
}

/** With constants as they are read, those of rules for compact ones among them. */
function allCandidates(w: Workload, target: Target, level: number): readonly Candidate[] {
  const plain = inlineSteps(w), before = applySteps(initialState(w), plain);
  // Vectors have roundings of their own.
  const sum = level >= 2 && !has(target, "mve") ? affineStep(before.stages.at(-1)!) : null;
  const integers = level >= 2 && !has(target, "fpu") && !isHost(target) && !has(target, "mve");
  const last = before.stages.at(-1)!;
  const steps: readonly Step[] = sum
    ? [sum]
    : integers && canTakeWords(before, last)
    ? [{ do: "words", stage: last.name }]
    : [];
  const inlined = [...plain, ...steps], s = applySteps(before, steps);
  const out = s.stages.at(-1)!;
  const r = s.stages.length === 2 && s.stages[0].compute.body.k === "reduce" &&
      readOnce(out, s.stages[0])
    ? s.stages[0]
    : null;
  if (r === null) {
    const chain = level >= 2 ? chainSchedule(w, s) : null;
    if (chain?.reduce<State | null>((x, step) => x && applied(x, step), s)) {
      return [{ rule: "chain", variant: "", schedule: [...inlined, ...chain] }];
    }
    const bytes = level >= 2 && has(target, "mve");
    const schedule = [...inlined, ...elementwise(w, s, level, bytes)];
    return [{ rule: "elements", variant: "", schedule }];
  }
  const whole = proposed(level >= 2 ? RULES : [SCALAR], { w, s, r, out, target });
  // A few columns are no product, where windows on planes give them.
  const maps = whole.some((c) => c.rule === MAPS.name);
  const step = level >= 2 ? groupsOf(r) : null;
  const inGroups = step && (!maps || step.size >= FEWEST_COLUMNS)
    ? proposedInGroups({ do: "groups", ...step }, w, s, target)
    : [];
  const apart = level >= 2 ? phasesOf(r) : null;
  const inPhases = apart ? proposedInPhases({ do: "phases", ...apart }, w, s, target) : [];
  const halves: HalvesStep = { do: "halves", stage: r.name };
  const inHalves = level >= 2 && has(target, "mve") && canHalve(s, r)
    ? proposedInHalves(halves, w, s, target)
    : [];
  return [...inGroups, ...inPhases, ...inHalves, ...whole]
    .map((c) => ({ ...c, schedule: [...inlined, ...c.schedule] }));
}

const proposed = (rules: readonly Rule[], f: Form): readonly Candidate[] =>
  rules.flatMap(({ name: rule, large, lean, compact, propose }) =>
    propose(f).map(([variant, schedule]) => ({
      rule,
      variant,
      schedule,
      ...(large && { large }),
      ...(lean && { lean }),
      ...(compact && { compact }),
    }))
  );

/** Channels of a group from which on it is taken as a product, whatever else there is. */
const FEWEST_COLUMNS = 4;

/** Most groups that are scheduled on their own: each is lowered to the same program. */
const MOST_GROUPS = 64;

/** What the rules for products propose for every group of channels alike. */
function proposedInGroups(
  step: GroupsStep,
  w: Workload,
  s: State,
  target: Target,
): readonly Candidate[] {
  const { groups, ...first } = applySteps(s, [step]);
  if (!groups || groups.count > MOST_GROUPS) return [];
  const part = groupWorkload(w, groups);
  const [here, ...there] = [first, ...groups.others].map((of) =>
    proposed(PRODUCTS, { w: part, s: of, r: of.stages[0], out: of.stages[1], target })
  );
  const text = (c: Candidate) => JSON.stringify(c.schedule);
  return here.filter((c) => there.every((cs) => cs.some((d) => text(d) === text(c))))
    .map((c) => ({ ...c, rule: `${c.rule} in groups`, schedule: [step, ...c.schedule] }));
}

/** Most phases: each has a text of its own. */
const MOST_PHASES = 8;

/** What the rule for windows within channels proposes for every phase alike. */
function proposedInPhases(
  step: PhasesStep,
  w: Workload,
  s: State,
  target: Target,
): readonly Candidate[] {
  if (step.by > MOST_PHASES) return [];
  const divided = applied(s, step);
  if (!divided?.phases) return [];
  const { phases, ...first } = divided;
  const of = { w: phaseWorkload(w, phases, 0), s: first };
  return proposed([STREAMS, MAPS], { ...of, r: first.stages[0], out: first.stages[1], target })
    .map((c) => ({ ...c, rule: `${c.rule} in phases`, schedule: [step, ...c.schedule] }));
}

/** The rules whose vectors meet constants of bytes alone. */
const OF_BYTES = ["streams", "vectors", "lanes", "patches"];

/** What these rules propose for constants in two halves. */
function proposedInHalves(
  step: HalvesStep,
  w: Workload,
  s: State,
  target: Target,
): readonly Candidate[] {
  const halved = applySteps(s, [step]), [r, out] = halved.stages;
  const rules = RULES.filter((rule) => OF_BYTES.includes(rule.name));
  return proposed(rules, { w, s: halved, r, out, target })
    .map((c) => ({ ...c, rule: `${c.rule} in halves`, schedule: [step, ...c.schedule] }));
}

/** Whether a stage reads another at the position that it computes itself, axis by axis. */
function readOnce(out: Stage, of: Stage): boolean {
  const ls = loads(out.compute.body).filter((l) => l.src === of.compute.out);
  return ls.length > 0 && ls.every((l) => isPointwise(l, out.compute));
}
