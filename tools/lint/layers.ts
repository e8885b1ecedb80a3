/**
 * The rule of the layers: which folder of src/ may import which. A diagnostic says where the code
 * belongs instead. Unit tests (`*_test.ts`) may import anything.
 */

/** What one folder may import beside itself: folders, single modules (`ops/mod`), types only. */
interface Layer {
  readonly values: readonly string[];
  readonly types?: readonly string[];
  readonly instead: string;
}

const BELOW_CLI = "util target ir te tir ops onnx passes schedule memory codegen lock project run"
  .split(
    " ",
  );

/** The table; `*` stands for every folder. A type may be imported from where a value may. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  util: { values: [], instead: "util stands alone: take what you need as a parameter" },
  target: { values: ["util"], instead: "a target is data: let the caller look it up" },
  te: { values: ["util"], instead: "tensor expressions know no graph and no target" },
  tir: { values: ["te", "target", "util"], instead: "lower to the loop IR in schedule/" },
  ir: {
    values: ["te", "tir", "util"],
    instead: "put what knows an operator into its file in ops/",
  },
  ops: {
    values: ["ir", "te", "util"],
    types: ["tir"],
    instead: "an operator is a definition: no target, no schedule",
  },
  onnx: {
    values: ["ir", "ops/mod", "util"],
    instead: "the importer mirrors ONNX and decides nothing: do it in a pass",
  },
  passes: {
    values: ["ir", "te", "ops/mod", "target", "util"],
    instead: "a pass rewrites the graph: take operators from ops/mod.ts, leave loops to schedule/",
  },
  schedule: {
    values: ["te", "tir", "target", "util"],
    instead: "a schedule sees tensor expressions, not the graph: pass them in from compile.ts",
  },
  memory: {
    values: ["ir", "tir", "target", "util"],
    instead: "the planner sees sizes and live ranges: pass them in from compile.ts",
  },
  codegen: {
    values: ["tir", "memory", "target", "util"],
    types: ["ir"],
    instead: "code generation prints loop programs: decide earlier, in schedule/ or memory/",
  },
  lock: { values: ["util"], instead: "the lock is text and numbers: measure in cli/" },
  project: {
    values: ["lock", "target", "util"],
    types: ["codegen"],
    instead: "a writer is a function of the artifact's types: let its caller pass the data",
  },
  run: {
    values: ["project", "target", "util"],
    instead: "run takes an artifact: its types come through project/mod.ts",
  },
  "compile.ts": {
    values: ["compile", ...BELOW_CLI],
    instead: "the driver joins the stages; tune, quantize, report and cli call it",
  },
  // The driver's own rooms.
  compile: {
    values: BELOW_CLI,
    types: ["compile.ts"],
    instead: "the driver joins the stages; tune, quantize, report and cli call it",
  },
  tune: {
    values: ["compile.ts", "schedule", "ir", "run", "util"],
    instead: "call the compiler through compile.ts",
  },
  quantize: {
    values: ["compile.ts", "onnx", "ir", "ops/mod", "run", "util"],
    instead: "call the compiler through compile.ts",
  },
  report: { values: [], types: ["*"], instead: "a report draws data that its caller passes in" },
  cli: { values: ["*"], instead: "" },
};

/** `src/te/expr.ts` → te, `src/compile.ts` → compile.ts; null outside src/. */
function layerOf(path: string): string | null {
  const found = /(?:^|\/)src\/([^/]+)(?:\/|$)/.exec(path);
  return found && found[1] in LAYERS ? found[1] : null;
}

/** Joins a relative specifier to the importing file's path; null for a package. */
function resolve(file: string, specifier: string): string | null {
  if (!specifier.startsWith(".")) return null;
  const parts = file.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

const matches = (allowed: readonly string[] | undefined, layer: string, path: string): boolean =>
  allowed?.some((a) => a === "*" || a === layer || path.endsWith(`/src/${a}.ts`)) ?? false;

/**
 * Says what is wrong with one import, or null where it is allowed.
 * @param file path of the importing file; @param typeOnly whether every name in it is a type
 */
export function checkImport(file: string, specifier: string, typeOnly: boolean): string | null {
  const from = layerOf(file);
  const target = resolve(file, specifier);
  if (from === null || target === null || file.endsWith("_test.ts")) return null;
  const path = `/${target}`;
  const to = layerOf(path);
  if (to === null) {
    const above = /\/(mod\.ts|tools\/.*)$/.exec(path);
    return above && from !== "cli"
      ? `${from} cannot import ${above[1]}, which stands above it`
      : null;
  }
  const layer = LAYERS[from];
  if (to === from || matches(layer.values, to, path)) return null;
  const asType = matches(layer.types, to, path);
  if (asType && typeOnly) return null;
  const allowed = layer.values.length ? layer.values.join(", ") : "nothing of ours";
  return asType
    ? `src/${from} may import only types from src/${to}: write \`import type\``
    : `src/${from} cannot import src/${to} (it may import: ${allowed})`;
}

interface Source {
  readonly value: unknown;
}

interface Declaration {
  readonly source: Source | null;
  readonly importKind?: string;
  readonly exportKind?: string;
  readonly specifiers?: readonly { readonly importKind?: string; readonly exportKind?: string }[];
}

function onlyTypes(node: Declaration): boolean {
  if (node.importKind === "type" || node.exportKind === "type") return true;
  const names = node.specifiers ?? [];
  return names.length > 0 &&
    names.every((s) => s.importKind === "type" || s.exportKind === "type");
}

const plugin: Deno.lint.Plugin = {
  name: "burin",
  rules: {
    layers: {
      create(context) {
        const file = context.filename.replaceAll("\\", "/");
        const check = (node: Declaration, at: Deno.lint.Node) => {
          if (typeof node.source?.value !== "string") return;
          const message = checkImport(file, node.source.value, onlyTypes(node));
          if (message === null) return;
          const hint = LAYERS[layerOf(file) ?? ""]?.instead;
          context.report({ node: at, message, ...(hint ? { hint } : {}) });
        };
        return {
          ImportDeclaration: (node) => check(node as unknown as Declaration, node),
          ExportNamedDeclaration: (node) => check(node as unknown as Declaration, node),
          ExportAllDeclaration: (node) => check(node as unknown as Declaration, node),
          ImportExpression: (node) => check({ source: node.source as unknown as Source }, node),
        };
      },
    },
  },
};

export default plugin;
