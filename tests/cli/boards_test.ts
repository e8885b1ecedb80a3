/** Boards of the user's own, typed as a user does, and models that a board has no room for. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { typeTask } from "../../src/cli/testing.ts";
import { inFolder, namesIn } from "../../src/util/testing.ts";

const MODEL = fileURLToPath(new URL("../models/ort_cnn_qdq_u8s8_pc.onnx", import.meta.url));
const own = JSON.parse(
  Deno.readTextFileSync(new URL("../../boards/nucleo_f103rb.json", import.meta.url)),
);

/** Writes a board file: an STM32F103RB with other memories. */
function writeBoard(path: string, ram: string, flash = "128K"): void {
  const [f, r] = own.memory;
  const { platformio: _, ...board } = own;
  const memory = [{ ...f, bytes: flash }, { ...r, bytes: ram }];
  Deno.writeTextFileSync(path, JSON.stringify({ ...board, title: "My board", memory }));
}

Deno.test("boards: a file of the user's own, from any folder, with spaces in its path", () =>
  inFolder(async (cwd) => {
    Deno.mkdirSync(`${cwd}/my boards/deep er`, { recursive: true });
    writeBoard(`${cwd}/my boards/a board, mine.json`, "20K");
    const typed: [string, string][] = [
      [cwd, "./my boards/a board, mine.json"],
      [`${cwd}/my boards`, "a board, mine.json"],
      [`${cwd}/my boards/deep er`, "../a board, mine.json"],
      [`${cwd}/my boards/deep er`, `${cwd}/my boards/a board, mine.json`],
    ];
    for (const [here, path] of typed) {
      const { code, err } = await typeTask(["compile", MODEL, "--board", path], { cwd: here });
      assert.equal(code, 0, err);
      const made = `${here}/ort_cnn_qdq_u8s8_pc-a_board__mine`;
      const { target } = JSON.parse(Deno.readTextFileSync(`${made}/model.json`));
      assert.equal(target.board, "a_board__mine");
      Deno.removeSync(made, { recursive: true });
    }
    const args = ["run", MODEL, "--board", "my boards/a board, mine.json", "--json"];
    const { code, out, err } = await typeTask(args, { cwd });
    assert.equal(code, 0, err);
    const result = JSON.parse(out);
    assert.equal(result.board, "a_board__mine");
    assert.match(result.engine, /mps2-an385 as stand-in for a_board__mine$/);
    assert.deepEqual(namesIn(cwd), ["my boards"]);
  }));

Deno.test("boards: too little RAM for the firmware; the option that is named does it", () =>
  inFolder(async (cwd) => {
    writeBoard(`${cwd}/small.json`, "3500");
    const args = ["run", MODEL, "--board", "./small.json"];
    const { code, err } = await typeTask(args, { cwd });
    assert.equal(code, 1, err);
    const said =
      /Cannot link for small as the firmware takes ([\d,]+) bytes of RAM where there are 3,500 bytes/
        .exec(err);
    assert(said && Number(said[1].replace(",", "")) > 3500, err);
    assert.match(
      err,
      /\n {2}--io arena lets the 1,752 bytes .*; boards with room, .*nucleo_f103rb/,
    );
    const other = await typeTask([...args, "--io", "arena"], { cwd });
    assert.equal(other.code, 0, other.err);
    assert.match(
      other.out,
      /linked for small: [\d,]+ of 131,072 bytes of flash, 2,\d\d\d of 3,500/,
    );
  }));

Deno.test("boards: too little RAM for the arena, too little flash for the constants", () =>
  inFolder(async (cwd) => {
    writeBoard(`${cwd}/tiny.json`, "1K", "512");
    const { code, err } = await typeTask(["compile", MODEL, "--board", "tiny.json"], { cwd });
    assert.equal(code, 1, err);
    assert.match(
      err,
      /for tiny as its arena takes 1,\d\d\d bytes where the board has 1,024 bytes/,
    );
    assert.match(err, /and its constants take \d\d\d bytes where the board has 512 bytes of flash/);
    assert.match(err, /\n {2}boards with room, the smallest first: nucleo_f103rb/);
    assert.deepEqual(namesIn(cwd), ["tiny.json"]);
  }));

Deno.test("boards: a file without a stand-in is compiled for, and refused where it is to run", () =>
  inFolder(async (cwd) => {
    writeBoard(`${cwd}/b.json`, "20K");
    const { standIn: _, ...board } = JSON.parse(Deno.readTextFileSync(`${cwd}/b.json`));
    Deno.writeTextFileSync(`${cwd}/b.json`, JSON.stringify(board));
    const compiled = await typeTask(["compile", MODEL, "--board", "b.json"], { cwd });
    assert.equal(compiled.code, 0, compiled.err);
    const { code, err } = await typeTask(["run", MODEL, "--board", "b.json"], { cwd });
    assert.equal(code, 1);
    assert.match(
      err,
      /it names no machine and no stand-in\n.*mps2-an385.*\n {2}\[board\/no-machine/,
    );
  }));

Deno.test("boards: text that would end a comment or a string is refused", () =>
  inFolder(async (cwd) => {
    for (const title of ['x */ int y; /* "', "a\nb", "${HOME}", "back\\slash"]) {
      writeBoard(`${cwd}/b.json`, "20K");
      const board = JSON.parse(Deno.readTextFileSync(`${cwd}/b.json`));
      Deno.writeTextFileSync(`${cwd}/b.json`, JSON.stringify({ ...board, title }));
      const { code, err } = await typeTask(["compile", MODEL, "--board", "b.json"], { cwd });
      assert.equal(code, 1, title);
      assert.match(err, /title has to be a line of text/);
    }
  }));
