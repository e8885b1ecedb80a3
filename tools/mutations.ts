/**
 * Faults that the tests must find: each changes one place of the compiler so that it computes, plans
 * or prints something wrong. `deno task mutate` applies them one at a time to a copy.
 */
import { PASSES, RIMS } from "./mutations/graph.ts";
import { CODE, MEMORY } from "./mutations/library.ts";
import { LOCK } from "./mutations/lock.ts";
import { SCHEDULES } from "./mutations/loops.ts";
import { ARITHMETIC, OPERATORS } from "./mutations/operators.ts";

export interface Mutation {
  /** For `--only`. */
  readonly name: string;
  /** The module, from the root of the checkout. */
  readonly file: string;
  /** Text that stands in the module exactly once. */
  readonly find: string;
  readonly replace: string;
  /** What is wrong then. */
  readonly breaks: string;
  /** The fastest tests that have to fail. */
  readonly tests: readonly string[];
  /** Of those files only the tests whose name contains this. */
  readonly filter?: string;
}

export const MUTATIONS: readonly Mutation[] = [
  ...OPERATORS,
  ...ARITHMETIC,
  ...PASSES,
  ...SCHEDULES,
  ...MEMORY,
  ...CODE,
  ...RIMS,
  ...LOCK,
];
