import assert from "node:assert/strict";
import plugin from "./operators.ts";

/** How often the plugin speaks up about a source text at a path. */
const found = (source: string, path = "/x/src/quantize/plan.ts"): number =>
  Deno.lint.runPlugin(plugin, path, source).length;

Deno.test("operators: a name that is asked for is found in every form", () => {
  for (
    const source of [
      `if (n.opType === "Conv") f();`,
      `if ("Conv" !== n.opType) f();`,
      `const is = node?.opType === "Softmax";`,
      `const { opType } = n; if (opType == "Conv") f();`,
      `const type = n.opType; if (type === "Conv") f();`,
      `const type = typeName(n.domain, n.opType); if (type === "Constant") f();`,
      `if (n.op.name === "Relu") f();`,
      `const d = ops.find((op) => op.name === "Identity");`,
      `switch (n.opType) { case "Conv": f(); }`,
      `if (["Conv", "Gemm"].includes(n.opType)) f();`,
      `const SET = new Set(["Conv"]); if (SET.has(n.opType)) f();`,
      `const LIST = ["Conv"]; if (LIST.includes(n.opType)) f();`,
      `if (new Set(["Conv"]).has(n.opType)) f();`,
      `if (/^QLinear/.test(n.opType)) f();`,
      `if (n.opType.startsWith("QLinear")) f();`,
      `if (n.opType.match(/Integer$/)) f();`,
      `const role = ROLES[n.opType];`,
      'if (`${n.domain}:${n.opType}` === "x:Y") f();',
    ]
  ) assert.equal(found(source), 1, source);
});

Deno.test("operators: what looks definitions up, shows names or writes nodes passes", () => {
  for (
    const source of [
      `const role = ROLES.get(typeName(n.domain, n.opType));`,
      `counts.set(n.opType, 1);`,
      `const text = \`\${n.opType} stays in float\`;`,
      `model.nodes.push({ ...n, opType: "QuantizeLinear" });`,
      `if (n.op === conv) f();`,
      `if (a.opType === b.opType) f();`,
      `if (e.op === "and") f();`,
      `if (board.name === "host") f();`,
    ]
  ) assert.equal(found(source), 0, source);
});

Deno.test("operators: definitions, patterns of passes and tests may name them", () => {
  const source = `if (n.opType === "Conv") f();`;
  assert.equal(found(source, "/x/src/ops/conv.ts"), 0);
  assert.equal(found(source, "/x/src/passes/fuse.ts"), 0);
  assert.equal(found(source, "/x/src/quantize/plan_test.ts"), 0);
  assert.equal(found(source, "/x/tools/docs.ts"), 0);
  assert.equal(found(source, "/x/src/onnx/nodes.ts"), 1);
  assert.match(
    Deno.lint.runPlugin(plugin, "/x/src/onnx/nodes.ts", source)[0].hint ?? "",
    /OpDef/,
  );
});
