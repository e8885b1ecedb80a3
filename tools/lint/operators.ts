/**
 * The rule of the operators: their names stand in src/ops, and in the patterns of src/passes.
 * Elsewhere a node is asked what its definition says of it. Unit tests may name any.
 */

/** Where names belong. */
const ALLOWED = /(?:^|\/)src\/(?:ops|passes)\//;

/** Fields that hold the name of a node's operator. */
const FIELDS = new Set(["opType", "op_type", "nodeType", "node_type"]);

// deno-lint-ignore no-explicit-any
type Node = any;

/** `n.opType`, `node?.opType`, `n["opType"]`, a variable `opType`, `n.op.name`, `op.name`. */
export function isOperatorName(n: Node): boolean {
  switch (n?.type) {
    case "ChainExpression":
    case "TSNonNullExpression":
    case "TSAsExpression":
      return isOperatorName(n.expression);
    case "Identifier":
      return FIELDS.has(n.name);
    case "MemberExpression": {
      const field = n.property.name ?? n.property.value;
      if (FIELDS.has(field)) return true;
      const of = n.object.type === "MemberExpression" ? n.object.property.name : n.object.name;
      return field === "name" && (of === "op" || of === "def");
    }
    // typeName(n.domain, n.opType), `${n.domain}:${n.opType}`
    case "CallExpression":
      return n.callee.name === "typeName";
    case "TemplateLiteral":
      return n.expressions.some(isOperatorName);
  }
  return false;
}

const isText = (n: Node): boolean =>
  (n?.type === "Literal" && typeof n.value === "string") ||
  (n?.type === "TemplateLiteral" && n.expressions.length === 0);

const isList = (n: Node): boolean =>
  n?.type === "ArrayExpression" && n.elements.length > 0 && n.elements.every(isText);

const MESSAGE = "an operator is asked for by name outside of src/ops and src/passes";
const HINT = "let its OpDef say what it means here, and read that";

const plugin: Deno.lint.Plugin = {
  name: "burin-operators",
  rules: {
    names: {
      create(context) {
        const file = context.filename.replaceAll("\\", "/");
        if (ALLOWED.test(file) || file.endsWith("_test.ts") || !/(?:^|\/)src\//.test(file)) {
          return {};
        }
        const report = (node: Deno.lint.Node) =>
          context.report({ node, message: MESSAGE, hint: HINT });
        // Variables that hold the name of an operator, and sets of texts, of this file.
        const names = new Set<string>(), lists = new Set<string>();
        const isName = (n: Node): boolean =>
          isOperatorName(n) || (n?.type === "Identifier" && names.has(n.name));
        const isSet = (n: Node): boolean =>
          isList(n) || (n?.type === "NewExpression" && isList(n.arguments[0])) ||
          (n?.type === "Identifier" && lists.has(n.name));
        return {
          VariableDeclarator(node) {
            const { id, init } = node as Node;
            if (id.type !== "Identifier") return;
            if (isOperatorName(init)) names.add(id.name);
            if (isList(init) || (init?.type === "NewExpression" && isList(init.arguments[0]))) {
              lists.add(id.name);
            }
          },
          BinaryExpression(node) {
            const { operator, left, right } = node as Node;
            if (!/^[!=]==?$/.test(operator)) return;
            if ((isName(left) && isText(right)) || (isText(left) && isName(right))) report(node);
          },
          SwitchStatement(node) {
            const { discriminant, cases } = node as Node;
            if (isName(discriminant) && cases.some((c: Node) => isText(c.test))) report(node);
          },
          // ["Conv", "Gemm"].includes(n.opType), SET.has(n.opType), /^QLinear/.test(n.opType),
          // n.opType.startsWith("Q")
          CallExpression(node) {
            const { callee, arguments: args } = node as Node;
            if (callee.type !== "MemberExpression") return;
            const { object, property } = callee;
            const asked = isName(args[0]) &&
              (isSet(object) || (object.type === "Literal" && property.name === "test"));
            const ask = isName(object) && args.some((a: Node) => isText(a) || a.regex);
            if (asked || ask) report(node);
          },
          // ROLES[n.opType]
          MemberExpression(node) {
            const { computed, property } = node as Node;
            if (computed && isName(property)) report(node);
          },
        };
      },
    },
  },
};

export default plugin;
