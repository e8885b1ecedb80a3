/** Markdown as the formatter wants it. */

/** A table: columns as wide as their widest cell. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = [head, ...rows].map((r) => r.map((c) => c.replaceAll("|", "\\|")));
  const widths = head.map((_, c) => Math.max(3, ...cells.map((r) => r[c].length)));
  const line = (r: readonly string[]): string =>
    `| ${r.map((cell, c) => cell.padEnd(widths[c])).join(" | ")} |`;
  return [line(cells[0]), line(widths.map((w) => "-".repeat(w))), ...cells.slice(1).map(line)]
    .join("\n");
}
