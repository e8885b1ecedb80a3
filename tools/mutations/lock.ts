/** What `verify` compares, and the workflows. */
import type { Mutation } from "../mutations.ts";

const VERIFY = ["tests/cli/verify_test.ts"];

/** The lock, what is held against it, the steps of workflows. */
export const LOCK: readonly Mutation[] = [
  {
    name: "lock-limit",
    file: "src/lock/compare.ts",
    find: "(b - a) * 100 > limit * a",
    replace: "(b - a) * 100 > limit * a * 1.6",
    breaks: "a figure may grow by more than its limit",
    tests: ["src/lock/compare_test.ts"],
  },
  {
    name: "lock-written",
    file: "src/lock/compare.ts",
    find: "if (written && sources && same)",
    replace: "if (written && sources && !same)",
    breaks: "changed C of a project whose digests were changed too goes unseen",
    tests: ["src/lock/compare_test.ts"],
  },
  {
    name: "lock-outputs",
    file: "src/cli/verify_entry.ts",
    find: "sha256(packSamples(outputs))",
    replace: "sha256(packSamples(outputs).subarray(1 << 20))",
    breaks: "outputs are not part of the record",
    tests: VERIFY,
    filter: "a flag that changes results",
  },
  {
    name: "lock-flags",
    file: "src/cli/verify_entry.ts",
    find: "extraFlags: flags.filter((f) => !isLevel(f)),",
    replace: "extraFlags: flags.filter(isLevel),",
    breaks: "flags of an entry do not reach the C compiler",
    tests: VERIFY,
    filter: "a flag that changes results",
  },
  {
    name: "lock-files",
    file: "src/cli/verify_source.ts",
    find: "const changed = changedFiles(files, where);",
    replace: "const changed = changedFiles(files, where).slice(1);",
    breaks: "a changed file of a project goes unseen",
    tests: VERIFY,
    filter: "a flipped weight in a project's C",
  },
  {
    name: "lock-update",
    file: "src/cli/verify.ts",
    find: "if (path === null || refused)",
    replace: "if (path === null)",
    breaks: "--update records outputs that are not the expected ones",
    tests: VERIFY,
    filter: "a flipped weight byte in the model",
  },
  {
    name: "ci-quotes",
    file: "src/project/ci.ts",
    find: 'verify "$PROJECT/${LOCK_FILE}"',
    replace: "verify $PROJECT/${LOCK_FILE}",
    breaks: "the workflow cannot be run in a folder with a space in its name",
    tests: ["tests/project/ci/workflow_test.ts"],
    filter: "GitLab's job",
  },
];
