/** Workflows that keep a project as it is: for GitHub and GitLab, and the lock that they compare with. */
import githubTemplate from "../../templates/ci/github.yml.hbs" with { type: "text" };
import gitlabTemplate from "../../templates/ci/gitlab-ci.yml.hbs" with { type: "text" };
import readmeTemplate from "../../templates/ci/README.md.hbs" with { type: "text" };
import { DEFAULT_LIMITS, LOCK_FILE, LOCK_VERSION, lockText } from "../lock/lock.ts";
import { isHost } from "../target/target.ts";
import { render } from "../util/template.ts";
import type { Bundle } from "./bundle.ts";
import { plainOf } from "./plain/names.ts";

/** What a workflow is written for. */
export interface Ci {
  /** A key of {@link CI_SERVICES}. */
  readonly service: string;
  /** Debian's packages with the tools that compile and execute. */
  readonly packages: readonly string[];
  /** The board, as the lock names it. */
  readonly board: string;
}

interface Service {
  /** Path of the workflow. */
  readonly file: string;
  readonly template: string;
  /** What is to be done where the project is a folder of a larger repository. */
  readonly nested: string;
}

/** The services by what `--ci` calls them. */
export const CI_SERVICES: Readonly<Record<string, Service>> = {
  github: {
    file: ".github/workflows/burin.yml",
    template: githubTemplate,
    nested: "move the workflow to `.github/workflows` at the root",
  },
  gitlab: {
    file: ".gitlab-ci.yml",
    template: gitlabTemplate,
    nested: "include the workflow from the root's `.gitlab-ci.yml`",
  },
};

/** Debian 12 with Node.js: gcc, QEMU and CMake of one version, and npx, which brings Deno. */
const IMAGE = "node:22-bookworm";

/** What CMake and the presets need. */
const CMAKE_PACKAGES: readonly string[] = ["cmake", "ninja-build"];

/** Where Git reads what is not to be committed: what the presets build. */
export const IGNORE_FILE = ".gitignore";

/** Lines of shell; quotes, since a folder may have a space in its name. */
function install(packages: readonly string[]): string[] {
  const list = packages.join(" ");
  return [
    `dpkg --status ${list} > /dev/null 2>&1 || {`,
    "  apt-get update",
    `  apt-get install --yes --no-install-recommends ${list}`,
    "}",
  ];
}

/** Building with the project's own build system; others than CMake are not in the image. */
function buildSteps(b: Bundle, kind: string): string[] {
  if (kind !== "plain") return [];
  const [preset] = plainOf(b).presets;
  return [
    "(",
    '  cd "$PROJECT"',
    `  cmake --preset ${preset}`,
    `  cmake --build --preset ${preset}`,
    ...(preset === "board" ? [] : [`  ctest --preset ${preset}`]),
    ")",
  ];
}

/** The workflow, the lock and what Git ignores, by path: files that belong to the user from then on. */
export function ciFiles(b: Bundle, kind: string): Map<string, string> {
  if (!b.ci) return new Map();
  const { service, packages, board } = b.ci;
  const { file, template } = CI_SERVICES[service];
  const all = [...packages, ...(kind === "plain" ? CMAKE_PACKAGES : [])];
  const workflow = render(template, {
    name: b.name,
    image: IMAGE,
    emulated: !isHost(b.board.target),
    install: install(all),
    steps: buildSteps(b, kind),
    verify: `npx -y deno@2.9 task --config "$BURIN/deno.json" verify "$PROJECT/${LOCK_FILE}"`,
  }, `ci/${service}`);
  const lock = lockText({
    lock_version: LOCK_VERSION,
    limits: DEFAULT_LIMITS,
    entries: [{ project: ".", board }],
  });
  const files = new Map([[file, workflow], [LOCK_FILE, lock]]);
  return kind === "plain" ? files.set(IGNORE_FILE, "/build/\n") : files;
}

/** The README's section on it; empty without a workflow. */
export function ciSection(b: Bundle): string {
  if (!b.ci) return "";
  const { file, nested } = CI_SERVICES[b.ci.service];
  return render(readmeTemplate, {
    workflow: file,
    nested,
    image: IMAGE,
    emulated: !isHost(b.board.target),
    board: b.ci.board,
  }, "ci/README.md.hbs");
}
