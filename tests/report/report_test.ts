/** Reports in a browser: complete, quiet, readable on a phone and on paper, harmless. */
import assert from "node:assert/strict";
import { fileURLToPath, pathToFileURL } from "node:url";
import { join } from "@std/path";
import { compile } from "../../src/cli/compile.ts";
import { memorySvg } from "../../src/report/html/memory_svg.ts";
import { inFolder } from "../../src/util/testing.ts";
import { testTool } from "../../tools/test_tools.ts";
import { type Page, type View, withChromium } from "./chromium.ts";
import { compiled, HOSTILE, hostileModel, madeUpRun, pageOf } from "./pages.ts";

const PHONE: View = { width: 360, height: 740, mobile: true };
const DESK: View = { width: 1280, height: 900 };
/** A4 with the margins of the style sheet, at 96 dots an inch. */
const PAPER: View = { width: Math.floor((210 - 24) / 25.4 * 96), height: 1000, print: true };

const net = (name: string): string =>
  fileURLToPath(new URL(`../models/${name}.onnx`, import.meta.url));

const SECTIONS = ["summary", "layers", "memory", "graph", "quantisation", "notes"];

/** Opens a page of its own in a browser and checks that it asks for nothing and says nothing. */
async function shown(html: string, task: (page: Page) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const file = join(folder, "report.html");
    Deno.writeTextFileSync(file, html);
    const { href } = pathToFileURL(file);
    await withChromium(testTool("chromium"), async (page) => {
      await page.look(DESK);
      await page.open(href);
      await task(page);
      assert.deepEqual(page.complaints, []);
      assert.deepEqual(page.requests.filter((url) => !url.startsWith("data:")), [href]);
    });
  });
}

/** What stands beyond the right edge of the screen and cannot be scrolled to within its box. */
const BEYOND = `(() => {
  const right = document.documentElement.clientWidth;
  return [...document.querySelectorAll("body *")]
    .filter((e) => !e.closest(".scroll") || e.matches(".scroll"))
    .filter((e) => e.getBoundingClientRect().right > right + 1)
    .map((e) => e.outerHTML.slice(0, 80));
})()`;

async function checkWidth(page: Page): Promise<void> {
  const [page_, screen] = await page.value<number[]>(
    "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
  );
  assert(page_ <= screen, `the page is ${page_} wide on a screen of ${screen}`);
  assert.deepEqual(await page.value(BEYOND), []);
}

const textOf = (page: Page, selector: string): Promise<string[]> =>
  page.value(
    `[...document.querySelectorAll(${JSON.stringify(selector)})].map((e) => e.textContent.trim())`,
  );

const plain = (text: string): number => Number(text.replaceAll(",", ""));

Deno.test("report: a project's report says what its model.json says", () =>
  inFolder(async (folder) => {
    const out = join(folder, "project");
    await compile({ model: net("tf_residual"), board: "stm32f746", out });
    const json = JSON.parse(Deno.readTextFileSync(join(out, "model.json")));
    assert(json.files.includes("report.html"));
    await shown(Deno.readTextFileSync(join(out, "report.html")), async (page) => {
      assert.deepEqual(await textOf(page, "h1"), [json.name]);
      assert.deepEqual(
        await page.value("[...document.querySelectorAll('main > section')].map((s) => s.id)"),
        SECTIONS,
      );
      const rows = await page.value<string[][]>(
        `[...document.querySelectorAll("#layers tbody tr")].map((r) =>
          [...r.cells].map((c) => c.dataset.value ?? ""))`,
      );
      type Operator = Record<string, number> & { ops: string[]; nodes: string[] };
      const operators = json.operators as Operator[];
      assert.equal(rows.length, operators.length);
      operators.forEach((o, i) => {
        const [step, , macs, predicted, , , constants, scratch] = rows[i];
        assert.deepEqual(
          [step, macs, predicted, constants, scratch].map(Number),
          [i, o.macs, o.predicted_instructions, o.params_bytes, o.scratch_bytes],
        );
      });
      const names = await textOf(page, "#layers tbody .name b");
      assert.deepEqual(names, operators.map((o) => o.ops.join(" + ")));
      const [macs] = await textOf(page, "#layers tfoot .n");
      assert.equal(plain(macs), json.macs);
      const used = (await textOf(page, "#summary .amount b")).map(plain);
      const ports = [...json.inputs, ...json.outputs];
      const io = ports.reduce((sum: number, p: { bytes: number }) => sum + p.bytes, 0);
      assert.deepEqual(used, [json.params_bytes, json.arena_bytes + io]);
      const buffers = await page.value<number>("document.querySelectorAll('.map .box').length");
      const placed = json.buffers.filter((b: { owner: string; bytes: number }) =>
        b.owner !== "caller" && b.bytes > 0
      );
      assert.equal(buffers, placed.length);
      assert.equal((await textOf(page, ".flow .kernel")).length, operators.length);
      assert.deepEqual(await textOf(page, "#notes li"), json.notes);
    });
  }));

for (const [name, measured] of [["tf_residual", true], ["float_branches", false]] as const) {
  Deno.test(`report: ${name} fits a phone, a desk and paper`, async () => {
    const c = await compiled(Deno.readFileSync(net(name)), name);
    const html = await pageOf(c, name, "stm32f746", measured ? madeUpRun(c) : undefined);
    await shown(html, async (page) => {
      for (const view of [PHONE, { ...PHONE, dark: true }, DESK]) {
        await page.look(view);
        await checkWidth(page);
      }
      await page.look(PHONE);
      const boxes = await page.value<boolean[]>(
        `[...document.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth)
          .map((e) => e.tabIndex === 0 && ["auto", "scroll"].includes(getComputedStyle(e).overflowX))`,
      );
      assert(boxes.length > 0 && boxes.every(Boolean), "wide tables scroll in a box of their own");
      await page.look(PAPER);
      await checkWidth(page);
      const cut = await page.value<string[]>(
        `[...document.querySelectorAll("main svg, main table")].filter((e) =>
          e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
          .map((e) => e.outerHTML.slice(0, 80))`,
      );
      assert.deepEqual(cut, [], "nothing is cut off on paper");
      const pdf = await page.pdf();
      assert.equal(new TextDecoder("latin1").decode(pdf.slice(0, 5)), "%PDF-");
      assert(pdf.length > 20_000);
    });
  });
}

Deno.test("report: headings in order, tables with heads, pictures with titles", async () => {
  const c = await compiled(Deno.readFileSync(net("tf_residual")), "tf_residual");
  await shown(await pageOf(c, "tf_residual"), async (page) => {
    const levels = await page.value<number[]>(
      "[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))",
    );
    assert.equal(levels.filter((n) => n === 1).length, 1);
    levels.forEach((n, i) => assert(i === 0 ? n === 1 : n <= levels[i - 1] + 1, `${levels}`));
    const bare = await page.value<string[]>(
      `[...document.querySelectorAll("table")].filter((t) => ![...t.tHead.rows[0].cells]
        .every((h) => h.tagName === "TH" && h.scope === "col" && h.textContent.trim() !== ""))
        .map((t) => t.outerHTML.slice(0, 80)).concat(
      [...document.querySelectorAll("svg:not([aria-hidden])")]
        .filter((s) => s.getAttribute("role") !== "img" || !s.querySelector(":scope > title"))
        .map((s) => s.outerHTML.slice(0, 80)))`,
    );
    assert.deepEqual(bare, []);
    const ids = await page.value<string[]>(
      "[...document.querySelectorAll('[id]')].map((e) => e.id)",
    );
    assert.equal(new Set(ids).size, ids.length);
    const links = await page.value<string[]>(
      "[...document.querySelectorAll('nav a')].map((a) => a.hash.slice(1))",
    );
    assert.deepEqual(links, SECTIONS);
    assert.equal(await page.value("document.documentElement.lang"), "en");
  });
});

/** WCAG's contrast of two colours of a page, by the names that its style sheet gives them. */
const CONTRAST = (ink: string, paper: string): string =>
  `(() => {
  const probe = document.body.appendChild(document.createElement("i"));
  const light = (name) => {
    probe.style.color = "var(--" + name + ")";
    const [r, g, b] = getComputedStyle(probe).color.match(/[\\d.]+/g).map((v) => v / 255)
      .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [x, y] = [light(${JSON.stringify(ink)}), light(${JSON.stringify(paper)})];
  probe.remove();
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
})()`;

Deno.test("report: text stands out from what is behind it, light, dark and printed", async () => {
  const c = await compiled(Deno.readFileSync(net("tf_mlp")), "tf_mlp");
  const html = (await pageOf(c, "tf_mlp")).replace(
    /style-src '[^']*'/,
    "style-src 'unsafe-inline'",
  );
  const boxes = Array.from({ length: 8 }, (_, i) => ["ink", `c${i}`]);
  const texts = [
    ...["surface", "page", "kernel", "op", "port", "view", "warn", "trough"].map((p) => ["ink", p]),
    ...["surface", "page", "kernel"].map((p) => ["muted", p]),
    ["accent", "surface"],
    ["accent", "page"],
    ["peak", "surface"],
    ...boxes,
  ];
  const bars = ["macs", "predicted", "measured", "params", "code", "arena", "io", "stack"];
  await shown(html, async (page) => {
    for (const view of [DESK, { ...DESK, dark: true }, { ...DESK, dark: true, print: true }]) {
      await page.look(view);
      for (const [ink, paper] of texts) {
        const ratio = await page.value<number>(CONTRAST(ink, paper));
        assert(ratio >= 4.5, `${ink} on ${paper}: ${ratio.toFixed(2)}, ${JSON.stringify(view)}`);
      }
      for (const bar of bars) {
        const ratio = await page.value<number>(CONTRAST(bar, "trough"));
        assert(ratio >= 2, `bar ${bar}: ${ratio.toFixed(2)}, ${JSON.stringify(view)}`);
      }
    }
  });
});

Deno.test("report: names of a model are text, whatever they hold", async () => {
  const c = await compiled(hostileModel(), "hostile");
  const html = await pageOf(c, "hostile", "stm32f746", madeUpRun(c));
  assert(!html.includes("<script>window"), "a name is a script");
  await shown(html, async (page) => {
    assert.equal(await page.value("window.hacked"), undefined);
    assert.equal(await page.value("document.querySelectorAll('script').length"), 1);
    assert.equal(await page.value("document.querySelectorAll('img, iframe, object').length"), 0);
    const handlers = await page.value(
      `[...document.querySelectorAll("*")].flatMap((e) => [...e.attributes])
        .filter((a) => a.name.startsWith("on")).length`,
    );
    assert.equal(handlers, 0);
    const text = await page.value<string>("document.body.textContent");
    for (const i of [0, 2, 3]) assert(text.includes(HOSTILE[i]), `${HOSTILE[i]} is not shown`);
    assert(!/[\u202a-\u202e\u2066-\u2069]/.test(text), "a name turns the text around");
    for (const view of [PHONE, DESK, PAPER]) {
      await page.look(view);
      await checkWidth(page);
    }
  });
});

Deno.test("report: tables sort by a column, and say all without a script", async () => {
  const c = await compiled(Deno.readFileSync(net("tf_residual")), "tf_residual");
  const html = await pageOf(c, "tf_residual");
  const steps = (page: Page) => textOf(page, "#layers tbody tr td:first-child");
  await shown(html, async (page) => {
    const order = (await steps(page)).map(Number);
    const macs = c.artifact.kernels.map((k) => k.macs);
    const click = "document.querySelectorAll('#layers th button')[2].click()";
    await page.value(click);
    const down = (await steps(page)).map(Number);
    assert.deepEqual(down, [...order].sort((a, b) => macs[b] - macs[a] || a - b));
    await page.value(click);
    const up = (await steps(page)).map((s) => macs[Number(s)]);
    assert.deepEqual(up, [...macs].sort((a, b) => a - b));
    assert.equal(
      await page.value("document.querySelectorAll('#layers th')[2].getAttribute('aria-sort')"),
      "ascending",
    );
  });
  let withScript: string[] = [];
  await shown(html, async (page) => {
    withScript = await textOf(page, "th, td, p, li, dd, svg text");
  });
  await shown(html.replace(/<script>[^]*<\/script>/, ""), async (page) => {
    assert.deepEqual(await textOf(page, "th, td, p, li, dd, svg text"), withScript);
  });
});

Deno.test("report: the memory map is a picture of its own too", async () => {
  const buffers = HOSTILE.map((name, i) => ({
    name,
    region: "arena",
    offset: 16 * i,
    bytes: 16,
    firstStep: i,
    lastStep: i + 1,
    owner: "arena",
  }));
  const map = {
    region: "arena",
    bytes: 112,
    steps: [...HOSTILE, "last"],
    operators: [...HOSTILE, "last"],
    buffers,
  };
  const svg = memorySvg([map]);
  await shown("<!DOCTYPE html><title>x</title><link rel=icon href=data:,>", async (page) => {
    const read = `new DOMParser().parseFromString(${JSON.stringify(svg)}, "image/svg+xml")`;
    assert.equal(await page.value(`${read}.querySelectorAll("parsererror, script").length`), 0);
    assert.equal(await page.value(`${read}.querySelectorAll(".box").length`), HOSTILE.length);
    const titles = await page.value<string[]>(
      `[...${read}.querySelectorAll("g > title")].map((t) => t.textContent)`,
    );
    assert(titles.some((t) => t.startsWith(`${HOSTILE[0]}: 16 bytes at 0, steps 0 to 1`)));
  });
});
