/** Lines that fit a width, broken where a reader expects it. */

/** Where a line may end: in front of its comment, else at the last space that fits. */
function breakBefore(line: string, width: number, indent: number): number {
  const comment = line.lastIndexOf("  // ", width);
  if (comment > indent) return comment;
  const at = line.lastIndexOf(" ", width);
  return at > indent ? at : line.indexOf(" ", width);
}

/**
 * A line as one or several; those that go on are indented four columns more. A word longer than the
 * width stays whole.
 */
export function wrapLine(line: string, width: number): string[] {
  const indent = line.length - line.trimStart().length;
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const own = rest.length - rest.trimStart().length;
    const at = breakBefore(rest, width, own);
    if (at < 0) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = " ".repeat(indent + 4) + rest.slice(at).trimStart();
  }
  return [...lines, rest];
}
