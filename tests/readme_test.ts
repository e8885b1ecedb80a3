/** What README.md tells a newcomer to type works, and what it shows of it is what comes. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "@std/path";
import { fileURLToPath } from "node:url";
import { parseCommand } from "../src/cli/args.ts";
import { command as bench } from "../src/cli/bench.ts";
import { command as boards } from "../src/cli/boards.ts";
import { command as compile } from "../src/cli/compile.ts";
import { command as conformance } from "../src/cli/conformance.ts";
import { command as doctor } from "../src/cli/doctor.ts";
import { command as example } from "../src/cli/example.ts";
import { command as inspect } from "../src/cli/inspect.ts";
import { command as quantize } from "../src/cli/quantize.ts";
import { command as run } from "../src/cli/run.ts";
import { command as verify } from "../src/cli/verify.ts";
import { typeTask } from "../src/cli/testing.ts";
import { findProgram } from "../src/run/process.ts";
import { readNpz } from "../src/util/npz.ts";
import { numbers } from "../src/util/tensor.ts";
import { inFolder } from "../src/util/testing.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const readme = Deno.readTextFileSync(join(root, "README.md"));
const COMMANDS = [
  ...[bench, boards, compile, conformance, doctor],
  ...[example, inspect, quantize, run, verify],
];

/** A command that the page shows, without `deno task`, and the answer below it. */
interface Shown {
  readonly words: readonly string[];
  readonly answer: string;
}

function shown(): Shown[] {
  const blocks = [...readme.matchAll(/^```(console|sh)\n([^]*?)^```/gm)];
  return blocks.flatMap(([, language, text]): Shown[] => {
    const lines = language === "console" ? [text.split("\n")[0].slice(2)] : text.trim().split("\n");
    const answer = language === "console" ? text.slice(text.indexOf("\n") + 1) : "";
    return lines.flatMap((line) => {
      const task = /deno(?:@[\d.]+)? task (.*)$/.exec(line);
      return task ? [{ words: task[1].split(" "), answer }] : [];
    });
  });
}

const all = shown();
const withTask = (name: string): Shown[] => all.filter(({ words }) => words[0] === name);

Deno.test("README: every command is a task with options that exist", () => {
  const tasks = JSON.parse(Deno.readTextFileSync(join(root, "deno.json"))).tasks;
  assert(all.length >= 6);
  const inText = [...readme.matchAll(/`(?:npx -y )?deno(?:@[\d.]+)? task ([^`]*)`/g)];
  for (const words of [...all.map((s) => s.words), ...inText.map((m) => m[1].split(/\s+/))]) {
    assert(words[0] in tasks, `deno task ${words[0]}`);
    const command = COMMANDS.find((c) => c.name === words[0]);
    const options = words.slice(1).filter((w) => w !== "--help");
    if (command) parseCommand(command, options);
  }
});

/** Markdown files of a folder and of those in it. */
const pages = (folder: string): string[] =>
  [...Deno.readDirSync(join(root, folder))].flatMap(({ name, isDirectory }) =>
    isDirectory ? pages(`${folder}/${name}`) : name.endsWith(".md") ? [`${folder}/${name}`] : []
  );

Deno.test("docs: every command of every page is a task with options that exist, on files that exist", () => {
  const tasks = JSON.parse(Deno.readTextFileSync(join(root, "deno.json"))).tasks;
  let seen = 0;
  for (const page of ["CHANGELOG.md", ...pages("docs"), ...pages("examples")]) {
    const text = Deno.readTextFileSync(join(root, page)).replace(/\\\n\s*/g, "");
    const lines = [
      ...text.matchAll(/^ *(?:\$ )?deno task (.*)$/gm),
      ...text.matchAll(/`deno task ([^`]*)`/g),
    ];
    for (const [typed, line] of lines) {
      // `…` stands for what the reader chooses.
      if (line.includes("…")) continue;
      const [name, ...words] = line.trim().split(/\s+/);
      assert(name in tasks, `${page}: ${typed}`);
      const command = COMMANDS.find((c) => c.name === name);
      if (command) parseCommand(command, words);
      for (const word of words.filter((w) => w.startsWith("examples/"))) {
        assert(Deno.statSync(join(root, word)), `${page}: ${typed}`);
      }
      seen++;
    }
  }
  assert(seen > 30, `${seen} commands`);
});

Deno.test("docs: the page about locks names every field of an entry and of its options", () => {
  const page = Deno.readTextFileSync(join(root, "docs/ci.md"));
  const schema = Deno.readTextFileSync(join(root, "templates/project/burin.lock.schema.json"));
  const { entry } = JSON.parse(schema).$defs;
  for (const field of Object.keys(entry.properties)) {
    assert(page.includes(`\`${field}\``), field);
  }
  const options = /of `compile`: `([^`]*)`/.exec(page)?.[1].split(" ");
  assert.deepEqual(options, Object.keys(entry.properties.options.properties));
});

Deno.test("README: every command explains itself, boards are listed", async () => {
  for (const { name, summary } of COMMANDS) {
    const help = await typeTask([name, "--help"]);
    assert.equal(help.code, 0, help.err);
    assert(help.out.startsWith(summary));
  }
  const list = await typeTask(["boards"]);
  assert.equal(list.code, 0, list.err);
  assert.match(list.out, /^stm32f746 /m);
});

Deno.test("README: the stages of the example are printed as shown", async (t) => {
  const commands = withTask("inspect");
  assert(commands.length >= 3);
  for (const { words, answer } of commands) {
    await t.step(words.slice(2).join(" "), async () => {
      const { code, out, err } = await typeTask(words, { cwd: root });
      assert.equal(code, 0, err);
      assert.equal(out, answer, "`deno task docs` writes it again");
    });
  }
});

const gcc = findProgram("gcc");
if (!gcc) console.log("gcc is not installed: README's C is not compiled");

Deno.test("README: the example compiles where the user stands, and its C reads a digit", () =>
  inFolder(async (folder) => {
    const [{ words, answer }] = withTask("compile").filter(({ words }) => words.length > 2);
    cpSync(join(root, "examples", "digits"), join(folder, "examples", "digits"), {
      recursive: true,
    });
    const { code, out, err } = await typeTask(words, { cwd: folder });
    assert.equal(code, 0, err);
    const first = (text: string): string => text.split("\n")[0];
    assert.equal(first(out), first(answer));
    if (!gcc) return;
    const host = await typeTask([...words, "--board", "host", "--out", "library"], { cwd: folder });
    assert.equal(host.code, 0, host.err);
    await readsDigit(gcc, join(folder, "library"));
  }));

/** Compiles the page's C with the library for this computer and lets it read three samples. */
async function readsDigit(gcc: string, library: string): Promise<void> {
  const file = join(root, "examples", "digits", "test.npz");
  const arrays = readNpz(Deno.readFileSync(file), file);
  const pixels = numbers(arrays.get("in0")!), labels = numbers(arrays.get("labels")!);
  const snippet = /^```c\n([^]*?)^```/m.exec(readme)![1];
  const samples = [0, 1, 2];
  const images = samples.map((i) => `{ ${pixels.slice(i * 64, i * 64 + 64).join(", ")} }`);
  const main = `${snippet}
int main(void)
{
    static const int8_t images[3][64] = { ${images.join(",\n")} };

    return ${samples.map((i) => `read_digit(images[${i}]) == ${labels[i]}`).join(" && ")} ? 0 : 1;
}
`;
  Deno.writeTextFileSync(join(library, "main.c"), main);
  const sources = [...Deno.readDirSync(join(library, "src"))].map((e) => join("src", e.name))
    .filter((n) => n.endsWith(".c"));
  const flags = "-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Werror -O1 -ffp-contract=off";
  const built = await new Deno.Command(gcc, {
    args: [...flags.split(" "), "-Iinclude", "main.c", ...sources, "-o", "digits", "-lm"],
    cwd: library,
  }).output();
  assert(built.success, new TextDecoder().decode(built.stderr));
  const { code } = await new Deno.Command(join(library, "digits")).output();
  assert.equal(code, 0, "the C of the page misreads a sample");
}

Deno.test("README and docs name no path of a machine", () => {
  for (const file of ["README.md", "CHANGELOG.md", "docs/architecture.md", "docs/ci.md"]) {
    const text = Deno.readTextFileSync(join(root, file));
    assert.doesNotMatch(text, /\/(?:home|root|tmp|work|Users)\/|localhost|\bshared\//, file);
  }
});

Deno.test("README: every link leads to a file", () => {
  for (const file of ["README.md", "docs/architecture.md", "docs/ci.md"]) {
    const text = Deno.readTextFileSync(join(root, file));
    for (const [, target] of text.matchAll(/\]\(([^)#]+)\)/g)) {
      const base = new URL(`../${file}`, import.meta.url);
      assert(Deno.statSync(new URL(target, base)).isFile, `${file}: ${target}`);
    }
  }
});
