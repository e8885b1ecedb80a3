/** Handlebars templates for files; every value that a template names has to be in its context. */
import Handlebars from "handlebars";
import { invariant } from "./errors.ts";

interface Block {
  readonly params?: readonly { readonly original?: string }[];
}

/** Names that `{{#each x}}`, `{{#if x}}` and `{{#unless x}}` test: strict mode lets them be absent. */
function blockNames(program: hbs.AST.Program, context: unknown, where: string): void {
  for (const statement of program.body) {
    if (statement.type !== "BlockStatement") continue;
    const block = statement as hbs.AST.BlockStatement;
    const name = (block as unknown as Block).params?.[0]?.original;
    if (name === undefined || name.startsWith("@") || name.includes("/")) continue;
    const value = name === "this" ? context : name.split(".").reduce(
      (at: unknown, key) => (at as Record<string, unknown> | undefined)?.[key],
      context,
    );
    invariant(value !== undefined, `template ${where} needs ${name}`);
    const isEach = (block.path as hbs.AST.PathExpression).original === "each";
    const inner = isEach ? Object.values(value as Record<string, unknown>) : [context];
    for (const item of inner) {
      if (block.program) blockNames(block.program, item, where);
      if (!isEach && block.inverse) blockNames(block.inverse, item, where);
    }
  }
}

function fill(template: string, context: unknown, where: string, noEscape: boolean): string {
  const ast = Handlebars.parse(template);
  blockNames(ast, context, where);
  return Handlebars.compile(ast, { strict: true, noEscape })(context);
}

/**
 * Fills a template in.
 * @param where the template's name, for messages
 * @throws BurinError `internal/invariant` where the context lacks a name
 */
export const render = (template: string, context: unknown, where = "text"): string =>
  fill(template, context, where, true);

/**
 * Fills a template of HTML in: what stands in two braces is text, and shown as such.
 * @throws BurinError `internal/invariant` where the context lacks a name
 */
export const renderHtml = (template: string, context: unknown, where = "text"): string =>
  fill(template, context, where, false);
