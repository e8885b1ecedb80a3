/**
 * docs/benchmarks.md shows what is measured: the examples on all its boards, and the models of others
 * on a Cortex-M4 where they stand beside this checkout. Figures may drift as those of a lock may; other
 * versions of gcc and QEMU give other ones.
 */
import assert from "node:assert/strict";
import { bench, type BenchRequest } from "../src/cli/bench.ts";
import { EXAMPLES } from "../src/cli/examples.ts";
import { ROW_HEAD, rowCells } from "../src/report/bench_text.ts";
import { exists, SHARED } from "./e2e/support.ts";

const page = Deno.readTextFileSync(new URL("../docs/benchmarks.md", import.meta.url));
const COMMAND = "`deno task bench --write docs/benchmarks.md` writes the page again";

const cellsOf = (line: string): string[] => line.split("|").slice(1, -1).map((c) => c.trim());
const lines = page.split("\n").filter((l) => l.startsWith("|")).map(cellsOf);

/** The page's row of a model on a board. */
function rowOf(model: string, board: string): string[] {
  const found = lines.filter(([m, b]) => m === model && b === board);
  assert.equal(found.length, 1, `${model} on ${board} has to stand in the page once: ${COMMAND}`);
  return found[0];
}

const number = (cell: string): number => Number(cell.replaceAll(",", ""));

/** Measures and compares; returns how many rows there were. */
async function compare(request: BenchRequest): Promise<number> {
  const { rows, tools } = await bench(request);
  const same = page.includes(`gcc ${tools.gcc} `) &&
    page.includes(`qemu-system-arm ${tools.qemu};`);
  if (!same) {
    console.log(`the page is about other versions than gcc ${tools.gcc}, QEMU ${tools.qemu}`);
  }
  for (const row of rows) {
    const shown = rowOf(row.model, row.board), now = rowCells(row);
    assert.equal(now[2], "right", `${row.model} on ${row.board}`);
    ROW_HEAD.forEach((name, i) => {
      const what = `${name} of ${row.model} on ${row.board} is ${now[i]}, the page says ${
        shown[i]
      }`;
      const [a, b] = [number(now[i]), number(shown[i])];
      if (Number.isNaN(a) || Number.isNaN(b)) {
        assert.equal(shown[i], now[i], `${what}: ${COMMAND}`);
      } else assert(Math.abs(a - b) <= (same ? 0.02 : 0.3) * b, `${what}: ${COMMAND}`);
    });
  }
  return rows.length;
}

Deno.test("the page of benchmarks shows the examples as they are measured", async () => {
  assert.deepEqual(lines.find(([m]) => m === "model"), [...ROW_HEAD]);
  const models = Object.values(EXAMPLES).map((e) => e.model);
  const count = await compare({ models });
  assert.equal(count, 5 * models.length);
});

Deno.test({
  name: "the page of benchmarks shows the models of others as they are measured",
  ignore: !exists(SHARED),
  async fn() {
    const models = [...Deno.readDirSync(new URL("mlperf_tiny/", SHARED))]
      .filter((e) => /_(int8|fp32)\.onnx$/.test(e.name))
      .map((e) => new URL(`mlperf_tiny/${e.name}`, SHARED).pathname);
    assert(models.length > 0);
    const count = await compare({ models, boards: ["mps2-an386"] });
    assert.equal(count, models.length);
  },
});
