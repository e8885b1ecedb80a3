/**
 * What the generated C looks like, whatever it computes: shapes are literals, nothing is called but
 * what DESIGN allows, no compiler warns, the same input gives the same bytes.
 */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { fileURLToPath } from "node:url";
import { compileStages } from "../../src/compile.ts";
import { ops } from "../../src/ops/mod.ts";
import { compileLibrary, LIBRARY_FLAGS, writeTree } from "../../src/run/build.ts";
import { execute, findProgram } from "../../src/run/process.ts";
import { findToolchain } from "../../src/run/toolchain.ts";
import { withWorkDir } from "../../src/run/workdir.ts";
import { visit } from "../../src/te/expr.ts";
import { visitStmt } from "../../src/tir/stmt.ts";
import { isHost } from "../../src/target/target.ts";
import { board, compile, defaults, NETS, ownNet, ownNets } from "./support.ts";

const host = board("host"), m4 = board("mps2-an386");

/** Functions of a C source that are no inline helpers: name, parameters, body. */
function functions(source: string): { name: string; parameters: string; body: string }[] {
  return [...source.matchAll(/^void (\w+)\(([^)]*)\)\n\{\n([\s\S]*?)^\}/gm)].map(
    ([, name, parameters, body]) => ({ name, parameters, body }),
  );
}

/** Helpers that a loop's bound may call. */
const BOUND_HELPERS = new Set(["min_i32", "max_i32", "floordiv_i32", "floormod_i32"]);

Deno.test("no kernel takes a shape at run time: parameters are pointers, bounds literals or loop variables", async () => {
  let kernels = 0, loops = 0;
  for (const { name } of ownNets) {
    for (const [on, optLevel] of [[host, 3], [m4, 3], [host, 0]] as const) {
      const artifact = await compile(ownNet(name).bytes, on, { optLevel });
      const source = artifact.sources.get("src/net_kernels.c")!;
      const found = functions(source);
      assert.deepEqual(found.map((f) => f.name), artifact.kernels.map((k) => k.name), name);
      for (const f of found) {
        kernels++;
        for (const p of f.parameters.split(",")) {
          assert.match(p, /^\s*(const )?\w+_t \*\w+$|float \*/);
        }
        const variables = new Set<string>();
        for (const line of f.body.split("\n")) {
          assert.doesNotMatch(line, /^\s*(while|do)\b/, `${name} ${f.name}`);
          const known = (text: string): boolean =>
            [...text.matchAll(/[A-Za-z_]\w*/g)].every(([id]) =>
              variables.has(id) || BOUND_HELPERS.has(id)
            );
          // A part of an index that several lines share.
          const shared = /^\s*const int32_t (\w+) = (.*);$/.exec(line);
          if (shared && known(shared[2])) variables.add(shared[1]);
          if (!/\bfor\b/.test(line)) continue;
          const head = /^\s*for \(int32_t (\w+) = (.*); \1 < (.*); \1\+\+\) \{$/.exec(line) ??
            /^\s*for \(int32_t (\w+) = (.*); \1 >= (.*); \1--\) \{$/.exec(line);
          assert.ok(head, `${name}: ${line}`);
          loops++;
          assert.ok(known(`${head[2]} ${head[3]}`), `${name}: ${line}`);
          variables.add(head[1]);
        }
      }
    }
  }
  assert.ok(kernels > 300 && loops > 1000, `${kernels} kernels, ${loops} loops`);
});

Deno.test("loop bounds of every loop program are functions of loop variables alone", async () => {
  for (const { name } of ownNets) {
    const { kernels } = await compileStages(ownNet(name).bytes, defaults(m4));
    for (const { kernel } of kernels) {
      visitStmt(kernel.body, (s) => {
        if (s.k !== "for") return;
        for (const e of [s.lo, s.hi]) {
          visit(e, (x) => assert.ok(["imm", "var", "bin"].includes(x.k), `${name}: ${x.k}`));
        }
      });
    }
  }
});

Deno.test("no operator is written by hand: convolution, dense, pools and element-wise ones are definitions", () => {
  assert.ok(ops.length > 80, `${ops.length} operators`);
  const byHand = ops.filter((o) => o.body.kind === "kernel" || o.body.kind === "extern");
  // What depends on data at every step has a loop program of its own; nothing that multiplies has.
  const names = new Set(byHand.map((o) => o.name));
  for (
    const name of ["Conv", "MatMul", "Gemm", "MaxPool", "AveragePool", "Add", "Mul", "Softmax"]
  ) {
    assert.ok(ops.some((o) => o.name === name), name);
    assert.ok(!names.has(name), name);
  }
  assert.ok(byHand.length < ops.length / 10, [...names].join());
});

const CLANG = findProgram("clang");
if (CLANG === null) console.log("clang is not installed: warnings are looked for with gcc alone");

Deno.test({
  name: "generated C is free of warnings under clang",
  ignore: CLANG === null,
  async fn() {
    for (const { name } of ownNets) {
      const { sources } = await compile(ownNet(name).bytes, host);
      await withWorkDir(async (folder) => {
        await writeTree(folder, sources);
        const files = [...sources.keys()].filter((f) => f.endsWith(".c"));
        const args = [...LIBRARY_FLAGS, "-fsyntax-only", "-Iinclude", ...files];
        const { code, stderr } = await execute(CLANG!, args, { cwd: folder });
        assert.equal(code, 0, `${name}: ${stderr}`);
      });
    }
  },
});

Deno.test("generated C is free of warnings under gcc at every -O level of either compiler", async () => {
  const tools = await findToolchain(host.target);
  for (const name of ["tf_residual", "ort_mixed_qop_u8s8", "float_branches", "corner_tables"]) {
    for (const optLevel of [0, 1, 2, 3] as const) {
      const artifact = await compile(ownNet(name).bytes, host, { optLevel });
      for (const optimisation of ["-O0", "-O2", "-O3"]) {
        await withWorkDir(async (folder) => {
          await compileLibrary(artifact, host.target, tools, folder, { optimisation });
        });
      }
    }
  }
});

/** What DESIGN lets a library need: the two of string.h, roundings and roots of libm, libgcc. */
const ALLOWED: readonly { readonly what: string; readonly names: RegExp }[] = [
  { what: "string.h", names: /^mem(cpy|set)$/ },
  { what: "libm, exact by IEEE 754", names: /^(rint|sqrt|floor|ceil|trunc|fabs|fmod)f?$/ },
  { what: "libgcc", names: /^__aeabi_/ },
];

Deno.test("the objects need nothing but memcpy, memset, exact functions of libm and libgcc", async () => {
  const needed = new Map<string, Set<string>>();
  for (const on of [host, m4]) {
    const tools = await findToolchain(on.target);
    const nm = findProgram(`${on.target.prefix}nm`);
    assert.ok(nm, "nm comes with gcc");
    for (const { name } of ownNets) {
      const artifact = await compile(ownNet(name).bytes, on);
      await withWorkDir(async (folder) => {
        const { objects, staticObjects } = await compileLibrary(
          artifact,
          on.target,
          tools,
          folder,
        );
        const list = async (files: readonly string[]) => {
          const { stdout } = await execute(nm, [...files], { cwd: folder });
          return stdout.split("\n").flatMap((l) => {
            const r = /^[0-9a-f]* +(\w) (\S+)$/.exec(l);
            return r ? [{ kind: r[1], symbol: r[2] }] : [];
          });
        };
        // NAME_static.c is the part that owns memory; everything else is re-entrant.
        const rows = await list(objects), all = [...rows, ...await list(staticObjects)];
        assert.deepEqual(rows.filter((r) => "bBdDC".includes(r.kind)), [], name);
        const defined = new Set(all.flatMap((r) => r.kind === "U" ? [] : [r.symbol]));
        for (const { kind, symbol } of all) {
          if (kind !== "U" || defined.has(symbol)) continue;
          const key = `${isHost(on.target) ? "host" : "mps2-an386"} ${symbol}`;
          needed.set(key, (needed.get(key) ?? new Set()).add(name));
        }
      });
    }
  }
  for (const [key, nets] of needed) {
    const symbol = key.split(" ")[1];
    assert.ok(ALLOWED.some((a) => a.names.test(symbol)), `${key} in ${[...nets].join(", ")}`);
  }
  console.log([...needed].map(([key, nets]) => `${key}: ${nets.size} nets`).sort().join("\n"));
});

Deno.test("two compiles from different folders, of different paths, give the same bytes", async () => {
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const trees = [];
  for (const [place, model] of [["a", "../a/net.onnx"], ["other place", "deep/er/net.onnx"]]) {
    trees.push(
      await withWorkDir(async (folder) => {
        const cwd = join(folder, place);
        const file = join(cwd, model);
        await Deno.mkdir(join(file, ".."), { recursive: true });
        await Deno.copyFile(new URL("tf_residual.onnx", NETS), file);
        const { code, stderr } = await new Deno.Command(Deno.execPath(), {
          args: [
            "run",
            "--quiet",
            "--no-prompt",
            "--allow-read",
            "--allow-write",
            "--allow-env",
            "--config",
            config,
            main,
            "compile",
            model,
            "--board",
            "stm32f746",
            "--out",
            "result",
          ],
          cwd,
          env: { INIT_CWD: cwd, TZ: place === "a" ? "UTC" : "Asia/Tokyo" },
          stdin: "null",
        }).output();
        assert.equal(code, 0, new TextDecoder().decode(stderr));
        return await readTree(join(cwd, "result"));
      }),
    );
  }
  assert.ok(trees[0].size >= 6, `${[...trees[0].keys()]}`);
  assert.deepEqual(trees[0], trees[1]);
});

/** All files under a folder: path → text. */
async function readTree(folder: string, prefix = ""): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const entries = [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1);
  for (const e of entries) {
    const path = join(folder, e.name);
    if (e.isDirectory) {
      for (const [k, v] of await readTree(path, `${prefix}${e.name}/`)) files.set(k, v);
    } else files.set(prefix + e.name, await Deno.readTextFile(path));
  }
  return files;
}
