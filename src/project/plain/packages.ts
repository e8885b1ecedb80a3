/** Descriptions of the library for other package managers: PlatformIO, CMSIS-Pack. */
import packTemplate from "../../../templates/plain/pack.pdsc.hbs" with { type: "text" };
import { render } from "../../util/template.ts";
import { librarySources } from "../bundle.ts";
import { ABI_VERSION } from "../model_json.ts";
import { coreName, type Plain } from "./names.ts";

/** Vendor in the name of the pack. */
const VENDOR = "Burin";

/** Longest name of a component of CMSIS-Pack. */
const COMPONENT = 32;

/** Longest name of a library of PlatformIO. */
const LIBRARY = 50;

const describe = (p: Plain): string => {
  const { models, name } = p.bundle;
  const what = models.length === 1 ? "an ONNX model" : `${models.length} ONNX models`;
  return `${name}: ${what} as C without allocation, for ${coreName(p.board)}`.slice(0, 255);
};

/** Lowercase words with dashes between them, as PlatformIO wants names. */
const slug = (name: string): string =>
  name.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, LIBRARY).replace(/^-+|-+$/g, "") ||
  "model";

function platformio(p: Plain): string {
  const manifest = {
    name: slug(p.bundle.name),
    version: p.version,
    description: describe(p),
    keywords: ["machine-learning", "onnx", "inference"],
    headers: p.bundle.models.map((m) => `${m.name}.h`),
    frameworks: "*",
    platforms: "*",
    build: {
      includeDir: "include",
      srcDir: "src",
      unflags: ["-Os"],
      flags: ["-O2", "-ffp-contract=off"],
    },
    export: { include: ["include", "src", "library.json", "model.json", "README.md"] },
  };
  return JSON.stringify(manifest, null, 2) + "\n";
}

function pack(p: Plain): string {
  const paths = [...librarySources(p.bundle).keys()];
  return render(packTemplate, {
    vendor: VENDOR,
    name: p.bundle.name,
    short: p.bundle.name.replace(/^_+/, "").slice(0, COMPONENT),
    description: describe(p),
    version: p.version,
    abi: ABI_VERSION,
    core: coreName(p.board),
    headers: paths.filter((path) => path.startsWith("include/")),
    sources: paths.filter((path) => path.endsWith(".c")),
  }, "plain/pack.pdsc.hbs");
}

/** Name of the CMSIS-Pack's description, which is for Arm cores alone. */
export const packFile = (p: Plain): string | null =>
  p.architecture?.name === "arm" ? `${VENDOR}.${p.bundle.name}.pdsc` : null;

/** The files by path. */
export function packageFiles(p: Plain): Map<string, string> {
  const files = new Map([["library.json", platformio(p)]]);
  const file = packFile(p);
  return file === null ? files : files.set(file, pack(p));
}
