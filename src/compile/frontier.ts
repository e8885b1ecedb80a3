/** The ways through a model by memory and instructions: of each limit of bytes the cheapest. */

/** A part of a way through a model: some kernels that follow each other, and what they take. */
export interface Edge {
  readonly first: number;
  readonly last: number;
  /** Bytes that are live at the most. */
  readonly bytes: number;
  readonly instructions: number;
}

/** What a way to run the model takes, as estimated. */
export interface FrontierPoint<E extends Edge> {
  readonly bytes: number;
  readonly instructions: number;
  readonly way: readonly E[];
}

/** The cheapest way through the model with no more than so many bytes at any time. */
export function pathWithin<E extends Edge>(
  edges: readonly (readonly E[])[],
  bytes: number,
): E[] | null {
  const best: { instructions: number; edge: E | null }[] = Array.from(
    { length: edges.length + 1 },
    () => ({ instructions: Infinity, edge: null }),
  );
  best[0].instructions = 0;
  edges.forEach((list, i) => {
    for (const edge of list) {
      const instructions = best[i].instructions + edge.instructions;
      if (edge.bytes > bytes || instructions >= best[edge.last + 1].instructions) continue;
      best[edge.last + 1] = { instructions, edge };
    }
  });
  const way: E[] = [];
  for (let i = edges.length; i > 0;) {
    const { edge } = best[i];
    if (!edge) return null;
    way.unshift(edge);
    i = edge.first;
  }
  return way;
}

/** All that cannot be improved in both, the least memory first. */
export function frontierOf<E extends Edge>(edges: readonly (readonly E[])[]): FrontierPoint<E>[] {
  const limits = [...new Set(edges.flat().map((e) => e.bytes))].sort((a, b) => b - a);
  const points: FrontierPoint<E>[] = [];
  for (const limit of limits) {
    const way = pathWithin(edges, limit);
    if (!way) break;
    const instructions = way.reduce((sum, e) => sum + e.instructions, 0);
    const bytes = Math.max(...way.map((e) => e.bytes));
    while (points.length > 0 && points[0].instructions >= instructions) points.shift();
    if (points[0]?.bytes !== bytes) points.unshift({ bytes, instructions, way });
  }
  return points;
}
