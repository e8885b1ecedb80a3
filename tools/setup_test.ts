import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { inFolder } from "../src/util/testing.ts";

const SETUP = fileURLToPath(new URL("./setup.ts", import.meta.url));

/** Runs setup.ts with a PATH of one folder and the permissions that deno.json gives it. */
async function setUp(path: string, args: readonly string[], ci: string) {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-read",
      "--allow-run=apt-get,sudo",
      "--allow-sys=uid",
      "--allow-env=PATH,CI",
      SETUP,
      ...args,
    ],
    env: { PATH: path, CI: ci },
    stdin: "null",
  }).output();
  return { code, err: new TextDecoder().decode(stderr) };
}

/** An apt-get that notes its arguments and, where it is to install, puts a tool on the PATH. */
const packageManager = (folder: string, works: boolean) =>
  `#!/bin/sh
echo "$*" >> "${folder}/log"
[ "$4" = install ] && ${works ? `/bin/cp "$0" "${folder}/qemu-system-arm"` : "exit 100"}
exit 0
`;

const ALLOWED = Deno.build.os === "linux" && Deno.uid() === 0;

Deno.test("setup: root's missing tools are installed, others are told the command", () =>
  inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/apt-get`, packageManager(folder, true), { mode: 0o755 });
    const { code, err } = await setUp(folder, ["qemu-system-arm"], "");
    if (!ALLOWED) {
      assert.equal(code, 3);
      assert.match(err, /sudo apt-get install --yes --no-install-recommends qemu-system-arm/);
      return;
    }
    assert.equal(code, 0, err);
    assert.deepEqual(Deno.readTextFileSync(`${folder}/log`).trim().split("\n"), [
      "-q -o DPkg::Lock::Timeout=300 update",
      "-q -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends qemu-system-arm",
    ]);
    Deno.removeSync(`${folder}/log`);
    assert.equal((await setUp(folder, ["qemu-system-arm"], "true")).code, 0);
    assert.throws(() => Deno.statSync(`${folder}/log`), "nothing is installed twice");
  }));

Deno.test("setup: an installation that fails, and one that may be missing", () =>
  inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/apt-get`, packageManager(folder, false), { mode: 0o755 });
    const { code, err } = await setUp(folder, ["qemu-system-arm"], "");
    assert.equal(code, 3);
    assert.match(err, /apt-get install --yes --no-install-recommends qemu-system-arm/);
    assert.equal((await setUp(folder, ["--go-on", "qemu-system-arm"], "")).code, 0);
  }));

Deno.test("setup: where no package manager is found, packages are named", () =>
  inFolder(async (folder) => {
    const { code, err } = await setUp(folder, ["qemu-system-arm"], "true");
    assert.equal(code, 3);
    assert.match(err, /qemu-system-arm/);
  }));

Deno.test("setup: an unknown tool", () =>
  inFolder(async (folder) => {
    assert.equal((await setUp(folder, ["gcd"], "")).code, 2);
  }));
