/** Names near to a mistyped one, for "did you mean". */

/** Insertions, deletions, substitutions and swaps of neighbours between two words. */
export function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(
        rows[i - 1][j] + 1,
        row[j - 1] + 1,
        rows[i - 1][j - 1] + (same ? 0 : 1),
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
          ? rows[i - 2][j - 2] + 1
          : Infinity,
      );
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}

/** Up to three of `names` that a typing mistake may have meant, the nearest first. */
export function nearNames(typed: string, names: Iterable<string>): string[] {
  const word = typed.toLowerCase();
  return [...names]
    .map((name) => {
      const n = name.toLowerCase();
      const inside = word.length >= 3 && n.includes(word);
      return { name, distance: inside ? 1 : editDistance(word, n) };
    })
    // Of a name of one or two letters at least one has to be there.
    .filter(({ name, distance }) =>
      distance < name.length && distance <= Math.max(2, Math.floor(name.length / 3))
    )
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** `did you mean a or b?`, or null where nothing is near. */
export function didYouMean(typed: string, names: Iterable<string>): string | null {
  const near = nearNames(typed, names);
  return near.length === 0 ? null : `did you mean ${near.join(" or ")}?`;
}
