import assert from "node:assert/strict";
import { render, renderHtml } from "./template.ts";

Deno.test("template: fills in, escapes nothing", () => {
  const text = "{{#each xs}}{{name}}{{#unless last}}, {{/unless}}{{/each}} {{y}}";
  const xs = [{ name: "a<b", last: false }, { name: "c", last: true }];
  assert.equal(render(text, { xs, y: 1 }), "a<b, c 1");
});

Deno.test("template: a missing name is an error, in blocks too", () => {
  assert.throws(() => render("{{x}}", {}), /x/);
  assert.throws(() => render("{{#each xs}}{{/each}}", {}, "t.hbs"), /template t\.hbs needs xs/);
  assert.throws(() => render("{{#each xs}}{{#if y}}{{/if}}{{/each}}", { xs: [{}] }), /needs y/);
});

Deno.test("template: HTML is made of text, but for three braces", () => {
  const context = { x: `<script>"'&` };
  assert.equal(renderHtml("{{x}}", context), "&lt;script&gt;&quot;&#x27;&amp;");
  assert.equal(renderHtml("{{{x}}}", context), context.x);
  assert.throws(() => renderHtml("{{y}}", context), /y/);
});
