/** HTML pages that need nothing else: one style sheet, one script, both named by their hashes. */
import { createHash } from "node:crypto";
import script from "../../templates/report/sort.js" with { type: "text" };
import pageStyle from "../../templates/report/style.css" with { type: "text" };
import { MEMORY_STYLE } from "../report/html/memory_svg.ts";
import { renderHtml } from "../util/template.ts";

const style = `${pageStyle}${MEMORY_STYLE}\n`;

/** A hash by which a page allows one piece of style or script and no other. */
const allowed = (text: string): string =>
  `sha256-${createHash("sha256").update(text).digest("base64")}`;

/** Fills in a page's template; `name` is for messages. */
export const renderPage = (
  template: string,
  context: Record<string, unknown>,
  name: string,
): string =>
  renderHtml(template, {
    ...context,
    style,
    style_hash: allowed(style),
    script,
    script_hash: allowed(script),
  }, name);
