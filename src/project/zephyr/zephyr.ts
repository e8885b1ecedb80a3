/** A Zephyr module: the library with its Kconfig, a sample, tests, and a manifest for west. */
import buildTemplate from "../../../templates/zephyr/README.md.hbs" with { type: "text" };
import cmakeTemplate from "../../../templates/zephyr/CMakeLists.txt.hbs" with { type: "text" };
import kconfigTemplate from "../../../templates/zephyr/Kconfig.hbs" with { type: "text" };
import moduleTemplate from "../../../templates/zephyr/module.yml.hbs" with { type: "text" };
import placementTemplate from "../../../templates/zephyr/placement.h.hbs" with { type: "text" };
import sampleCmakeTemplate from "../../../templates/zephyr/sample/CMakeLists.txt.hbs" with {
  type: "text",
};
import counterSource from "../../../templates/zephyr/sample/counter.c" with { type: "text" };
import counterHeader from "../../../templates/zephyr/sample/counter.h" with { type: "text" };
import sampleMainTemplate from "../../../templates/zephyr/sample/main.c.hbs" with { type: "text" };
import samplePrjTemplate from "../../../templates/zephyr/sample/prj.conf.hbs" with { type: "text" };
import sampleReadmeTemplate from "../../../templates/zephyr/sample/README.rst.hbs" with {
  type: "text",
};
import sampleYamlTemplate from "../../../templates/zephyr/sample/sample.yaml.hbs" with {
  type: "text",
};
import testCmakeTemplate from "../../../templates/zephyr/test/CMakeLists.txt.hbs" with {
  type: "text",
};
import testKconfigTemplate from "../../../templates/zephyr/test/Kconfig.hbs" with { type: "text" };
import testMainTemplate from "../../../templates/zephyr/test/main.c.hbs" with { type: "text" };
import testPrjTemplate from "../../../templates/zephyr/test/prj.conf.hbs" with { type: "text" };
import testYamlTemplate from "../../../templates/zephyr/test/testcase.yaml.hbs" with {
  type: "text",
};
import westTemplate from "../../../templates/zephyr/west.yml.hbs" with { type: "text" };
import type { Artifact } from "../../codegen/artifact.ts";
import { has } from "../../target/target.ts";
import { render } from "../../util/template.ts";
import { VERSION } from "../../util/version.ts";
import { type Bundle, librarySources, type ProjectFiles, selftestSources } from "../bundle.ts";
import { readme } from "../readme.ts";
import { sampleModel, STACK_BYTES, testModel } from "./app.ts";
import { arenasOf, bufferBytes, goldenBytes, needsLibm, quickMemory } from "./facts.ts";
import { coreConditions, integrationPlatforms, neededModules, twisterFilter } from "./core.ts";
import { moduleNames } from "./names.ts";

/** The release of Zephyr that west.yml names; any from 3.3 on will do. */
const ZEPHYR_REVISION = "v4.2.0";

/** KiB of an application around a model, as measured with Zephyr 3.3, with a reserve. */
const APPLICATION = { ram: 12, flash: 48 };

const inKib = (bytes: number): number => Math.ceil(bytes / 1024);

/** What all templates share. */
function common(b: Bundle): Record<string, unknown> {
  const names = moduleNames(b);
  return {
    ...names,
    name: names.id,
    library: names.id,
    title: `${b.models.map((m) => m.name).join(", ")} for ${b.board.title}, by Burin ${VERSION}`,
    golden: b.models.every((m) => m.golden.length > 0),
    stack_bytes: STACK_BYTES,
    fpu: has(b.board.target, "fpu"),
    filter: twisterFilter(b.board.target),
    first: b.models[0].name,
    board: b.board.zephyr ?? "<board>",
    models: b.models.map((m) => m.name),
  };
}

function kconfig(b: Bundle): string {
  const { target } = b.board;
  const selects = [
    ...(has(target, "fpu") ? ["FPU"] : []),
    ...(b.models.some(needsLibm) ? ["REQUIRES_FULL_LIBC"] : []),
  ];
  const names = b.models.map((m) => m.name).join(", ");
  return render(kconfigTemplate, {
    ...common(b),
    what: b.models.length === 1 ? "neural network" : `neural networks ${names}`,
    depends: coreConditions(target),
    selects,
    help: `Compiled by Burin for ${target.cpu === "host" ? "any core" : target.cpu}.`,
    arenas: arenasOf(b),
    params_bytes: b.models.reduce((sum, m) => sum + m.paramsBytes, 0),
    golden_bytes: goldenBytes(b),
  }, "zephyr/Kconfig.hbs");
}

function moduleFiles(b: Bundle): Map<string, string> {
  const context = common(b);
  const arenas = arenasOf(b);
  const isSource = (path: string) => path.endsWith(".c");
  const statics = arenas.map((a) => ({ symbol: a.symbol, paths: a.sources }));
  const left = new Set(statics.flatMap((s) => s.paths));
  const sources = [...librarySources(b).keys()].filter((p) => isSource(p) && !left.has(p));
  const selftests = [...selftestSources(b).keys()].filter(isSource);
  const params = b.models.map((m) => m.name.toUpperCase());
  const { id } = moduleNames(b);
  return new Map([
    ["zephyr/module.yml", render(moduleTemplate, context, "zephyr/module.yml.hbs")],
    [
      "zephyr/CMakeLists.txt",
      render(
        cmakeTemplate,
        { ...context, sources, statics, selftests },
        "zephyr/CMakeLists.txt.hbs",
      ),
    ],
    ["zephyr/Kconfig", kconfig(b)],
    [
      `zephyr/${id}_placement.h`,
      render(placementTemplate, { ...context, arenas, params }, "zephyr/placement.h.hbs"),
    ],
    [
      "west.yml",
      render(westTemplate, {
        ...context,
        revision: ZEPHYR_REVISION,
        allowed: neededModules(b.board.zephyr),
      }, "zephyr/west.yml.hbs"),
    ],
  ]);
}

/** What Twister has to know of an application: memories in KiB and where it can run it. */
function needs(b: Bundle, bytes: number): Record<string, unknown> {
  const flash = b.models.reduce((sum, m) => sum + m.paramsBytes, 0) + goldenBytes(b);
  const ram = APPLICATION.ram + inKib(bytes);
  const min_flash = APPLICATION.flash + inKib(flash);
  return {
    min_ram: ram,
    min_flash,
    platforms: integrationPlatforms(b.board.target, ram, min_flash),
  };
}

const printed = (m: Artifact): string =>
  m.outputs[0] ? `${m.outputs[0].cName} is largest at 0 of 1` : "done";

function sampleFiles(b: Bundle): Map<string, string> {
  const context = common(b);
  const { module } = moduleNames(b);
  const arenas = arenasOf(b);
  const heading = b.models.map((m) => m.name).join(", ");
  const passes = context.golden ? b.models.map((m) => `BURIN ${m.name} PASS mismatches=0`) : [];
  const buffers = b.models.reduce((sum, m) => sum + bufferBytes(m), 0);
  const arenaBytes = arenas.reduce((sum, a) => sum + a.bytes, 0);
  const all: readonly (readonly [string, string, Record<string, unknown>])[] = [
    ["CMakeLists.txt", sampleCmakeTemplate, {}],
    ["prj.conf", samplePrjTemplate, {}],
    ["README.rst", sampleReadmeTemplate, {
      heading,
      underline: "#".repeat(heading.length),
      output: [
        ...passes.map((line) => `${line} cycles=123456`),
        ...b.models.map((m) => `${m.name} window 1: ${printed(m)}`),
      ],
    }],
    ["sample.yaml", sampleYamlTemplate, {
      ...needs(b, arenaBytes + 2 * buffers),
      description: `Runs ${heading} on windows of samples after a self-test`,
      regexes: [...passes, ...b.models.map((m) => `${m.name} window 1: `)],
    }],
    ["src/main.c", sampleMainTemplate, {
      heading,
      models: b.models.map((m) =>
        sampleModel(m, arenas.find((a) => a.models.includes(m.name))?.symbol ?? "")
      ),
    }],
  ];
  const files = new Map(all.map(([path, template, extra]) => [
    `samples/${module}/${path}`,
    render(template, { ...context, ...extra }, `zephyr/sample/${path}.hbs`),
  ]));
  const conf = quickMemory(b);
  if (conf !== null && b.board.zephyr !== undefined) {
    files.set(`samples/${module}/boards/${b.board.zephyr.replaceAll(/[/@]/g, "_")}.conf`, conf);
  }
  return files.set(`samples/${module}/src/counter.h`, counterHeader)
    .set(`samples/${module}/src/counter.c`, counterSource);
}

function testFiles(b: Bundle): Map<string, string> {
  const context = common(b);
  const { module } = moduleNames(b);
  const fpu = has(b.board.target, "fpu");
  const sources = b.models.map((m) => `src/test_${m.name}.c`);
  const places = b.models.reduce((sum, m) => sum + m.arenaBytes + bufferBytes(m), 0);
  const arenaBytes = arenasOf(b).reduce((sum, a) => sum + a.bytes, 0);
  const stacks = 2 * STACK_BYTES * b.models.length;
  const all: readonly (readonly [string, string, Record<string, unknown>])[] = [
    ["CMakeLists.txt", testCmakeTemplate, { sources }],
    ["Kconfig", testKconfigTemplate, {}],
    ["prj.conf", testPrjTemplate, {}],
    ["testcase.yaml", testYamlTemplate, needs(b, arenaBytes + 2 * places + stacks)],
    ...b.models.map((m, i) => [sources[i], testMainTemplate, testModel(m, fpu)] as const),
  ];
  return new Map(all.map(([path, template, extra]) => [
    `tests/${module}/${path}`,
    render(template, { ...context, ...extra }, `zephyr/test/${path}.hbs`),
  ]));
}

/** The Zephyr module of compiled models. */
export function writeZephyr(b: Bundle): ProjectFiles {
  const build = render(buildTemplate, {
    ...common(b),
    arenas: arenasOf(b),
  }, "zephyr/README.md.hbs");
  return new Map([
    ...librarySources(b),
    ...selftestSources(b),
    ...moduleFiles(b),
    ...sampleFiles(b),
    ...testFiles(b),
    ["README.md", readme(b, build)],
  ]);
}
