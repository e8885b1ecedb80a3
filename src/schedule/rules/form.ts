/** What a rule looks at, and what it proposes. */
import type { Target } from "../../target/target.ts";
import type { Stage, State, Workload } from "../state.ts";
import type { Schedule, Step } from "../steps.ts";

/** A kernel of a reduction that the output's stage reads element by element, behind the inlining. */
export interface Form {
  readonly w: Workload;
  readonly s: State;
  /** The reduction. */
  readonly r: Stage;
  readonly out: Stage;
  readonly target: Target;
}

/** A schedule that a kernel can have; all of a kernel's give the same bits. */
export interface Candidate {
  /** The rule that proposes it. */
  readonly rule: string;
  /** Which of the rule's it is, where there are several; empty otherwise. */
  readonly variant: string;
  readonly schedule: Schedule;
  /** Only where flash is given for speed: constants become several times as large. */
  readonly large?: true;
  /** Only where little scratch memory is wanted: it takes less of that and more instructions. */
  readonly lean?: true;
  /** Constants are stored in fewer bits than they are computed with. */
  readonly compact?: true;
}

/** What a rule proposes: steps behind the inlining, by name; nothing where its form is another. */
export type Proposals = readonly (readonly [variant: string, steps: readonly Step[]])[];

/** A rule. */
export interface Rule {
  readonly name: string;
  readonly large?: true;
  readonly lean?: true;
  /** For constants that are unpacked inside the outermost loop. */
  readonly compact?: true;
  readonly propose: (f: Form) => Proposals;
}

/** A rule with one proposal, or none. */
export const single = (
  name: string,
  steps: (f: Form) => readonly Step[] | null,
): Rule => ({
  name,
  propose: (f) => {
    const found = steps(f);
    return found === null ? [] : [["", found]];
  },
});
