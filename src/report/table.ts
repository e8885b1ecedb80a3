/** Tables of text: columns as wide as their widest cell, numbers to the right. */

/** A whole number with thousands separated. */
export const grouped = (n: number): string => n.toLocaleString("en-US");

const isNumber = (cell: string): boolean => /^[\d,]*$/.test(cell);

/**
 * The lines of a table. A head may break at newlines. Columns that do not fit the width go on in a
 * further table that repeats the first column.
 */
export function tableLines(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  width: number,
): string[] {
  const heads = head.map((h) => h.split("\n"));
  const tall = Math.max(...heads.map((h) => h.length));
  const columns = head.map((_, c) => {
    const cells = rows.map((r) => r[c] ?? "");
    const top = heads[c];
    const size = Math.max(...top.map((t) => t.length), ...cells.map((t) => t.length));
    const pad = (t: string): string =>
      cells.every(isNumber) && c > 0 ? t.padStart(size) : t.padEnd(size);
    const blank = Array.from({ length: tall - top.length }, () => "");
    return [...blank, ...top, ...cells].map(pad);
  });
  const tables: (readonly string[][])[] = [];
  for (let from = 1; from < columns.length || from === 1;) {
    let to = from, used = columns[0][0].length;
    while (to < columns.length && (to === from || used + 2 + columns[to][0].length <= width)) {
      used += 2 + columns[to][0].length;
      to++;
    }
    tables.push([columns[0], ...columns.slice(from, to)]);
    from = Math.max(to, from + 1);
  }
  return tables.flatMap((t, i) => [
    ...(i > 0 ? [""] : []),
    ...t[0].map((_, row) => t.map((column) => column[row]).join("  ").trimEnd()),
  ]);
}
