/** The page as text: the same every time, of modest size, about nothing but the model. */
import assert from "node:assert/strict";
import { compiled, hostileModel, madeUpRun, pageOf } from "./pages.ts";
import { exists, NETS, SHARED } from "../e2e/support.ts";

const read = (name: string): Uint8Array => Deno.readFileSync(new URL(`${name}.onnx`, NETS));

Deno.test("report page: the same bytes for the same model", async () => {
  const page = async (): Promise<string> => {
    const c = await compiled(read("tf_residual"), "tf_residual");
    return await pageOf(c, "tf_residual", "stm32f746", madeUpRun(c));
  };
  const first = await page();
  assert.equal(await page(), first);
  assert(!/file:|\/home\/|\/tmp\/|20\d\d-\d\d-\d\d/.test(first));
});

Deno.test("report page: no address of another machine, no undefined value, one style, one script", async () => {
  for (const name of ["tf_residual", "float_branches", "qop_dense_u8u8", "tf_mlp"]) {
    for (const board of ["stm32f746", "host", "microbit"]) {
      const page = await pageOf(await compiled(read(name), name, board), name, board);
      assert(!/https?:|\bsrc=|@import|url\((?!#)/.test(page), `${name} on ${board}`);
      const text = page.replace(/<script>[^]*<\/script>/, "");
      assert(!/\b(undefined|NaN|Infinity|\[object)\b/.test(text), `${name} on ${board}`);
      assert.equal(page.match(/<style>/g)!.length, 1);
      assert.equal(page.match(/<script>/g)!.length, 1);
      assert(page.length < 300_000);
    }
  }
});

Deno.test("report page: without a run it says how to measure, with one it does not", async () => {
  const c = await compiled(read("tf_mlp"), "tf_mlp");
  const command = "deno task run tf_mlp.onnx --board stm32f746 --layers --report report.html";
  assert((await pageOf(c, "tf_mlp")).includes(command));
  const measured = await pageOf(c, "tf_mlp", "stm32f746", madeUpRun(c));
  assert(!measured.includes(command) && measured.includes("made up &lt;for&gt; a test"));
});

Deno.test("report page: hostile names stay inside their quotes", async () => {
  const c = await compiled(hostileModel(), "hostile");
  const page = await pageOf(c, "hostile");
  const tags = [...page.matchAll(/<\/?([a-z0-9]+)/gi)].map(([, tag]) => tag.toLowerCase());
  const known = "html head meta link title style body header h1 h2 h3 p dl div dt dd nav a main " +
    "section svg rect ul li table thead tr th tbody td code caption br b details summary path " +
    "text g tfoot footer script doctype defs marker";
  assert.deepEqual([...new Set(tags)].filter((t) => !known.split(" ").includes(t)), []);
  assert.equal(page.match(/<script/g)!.length, 1);
});

for (const name of exists(SHARED) ? ["ad01", "ic01", "kws01", "sww01", "vww01"] : []) {
  Deno.test(`report page: ${name}_int8 takes less than 300 KB and 0.3 s`, async () => {
    const file = new URL(`mlperf_tiny/${name}_int8.onnx`, SHARED);
    const c = await compiled(Deno.readFileSync(file), name);
    await pageOf(c, name); // loads what is loaded once
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      const page = await pageOf(c, name);
      times.push(performance.now() - start);
      assert(page.length < 300_000, `${page.length} characters`);
    }
    // The fastest of some: other programs may run at the same time.
    assert(Math.min(...times) < 300, `${times} ms`);
  });
}
