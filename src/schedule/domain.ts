/** How the loops of a stage hang together: which loops were split or fused from which. */
import { add, type Expr, floordiv, floormod, mul } from "../te/expr.ts";
import type { Loop, Split } from "./state.ts";

/** The loops, and all that they were made of. */
export function* ancestry(loops: Iterable<Loop>): Generator<Loop> {
  for (const l of loops) {
    yield l;
    const d = l.domain;
    if (d.d === "fuse") yield* ancestry(d.parts);
    else if (d.d !== "axis") yield* ancestry([d.split.of]);
  }
}

/**
 * The values of all loops that follow from those of the entered ones: a split loop is
 * outer·factor + inner, a fused one gives its parts by division.
 */
export function loopValues(
  loops: readonly Loop[],
  entered: ReadonlyMap<Loop, Expr>,
  extent: (l: Loop) => number,
): Map<Loop, Expr> {
  const all = new Set(ancestry(loops));
  const halves = new Map<Split, { outer?: Loop; inner?: Loop }>();
  const fusedInto = new Map<Loop, { whole: Loop; parts: readonly Loop[] }>();
  for (const l of all) {
    const d = l.domain;
    if (d.d === "fuse") d.parts.forEach((p) => fusedInto.set(p, { whole: l, parts: d.parts }));
    else if (d.d !== "axis") halves.set(d.split, { ...halves.get(d.split), [d.d]: l });
  }
  const splitOf = new Map([...halves].map(([s, h]) => [s.of, { factor: s.factor, ...h }]));
  const values = new Map<Loop, Expr | undefined>(entered);
  const value = (l: Loop): Expr | undefined => {
    if (!values.has(l)) values.set(l, derive(l));
    return values.get(l);
  };
  const derive = (l: Loop): Expr | undefined => {
    const f = fusedInto.get(l);
    if (f) {
      const position = value(f.whole);
      const i = f.parts.indexOf(l);
      const stride = f.parts.slice(i + 1).reduce((n, p) => n * extent(p), 1);
      const q = position && floordiv(position, stride);
      return q && (i === 0 ? q : floormod(q, extent(l)));
    }
    const s = splitOf.get(l);
    const outer = s?.outer && value(s.outer), inner = s?.inner && value(s.inner);
    return outer && inner && add(mul(outer, s.factor), inner);
  };
  const known = new Map<Loop, Expr>();
  for (const l of all) {
    const e = value(l);
    if (e) known.set(l, e);
  }
  return known;
}

/**
 * The loops that are not entered yet, as few as possible: where nothing of a loop that was split or
 * fused is entered, that loop itself, so that its range is exact whatever its parts leave over.
 */
export function wholeLoops(
  loops: readonly Loop[],
  entered: ReadonlyMap<Loop, Expr>,
): ReadonlySet<Loop> {
  const begun = new Set(ancestry(entered.keys()));
  const top = (l: Loop): readonly Loop[] => {
    const d = l.domain;
    const sources = d.d === "axis" ? [] : d.d === "fuse" ? d.parts : [d.split.of];
    return sources.length && sources.every((x) => !begun.has(x)) ? sources.flatMap(top) : [l];
  };
  return new Set(loops.filter((l) => !entered.has(l)).flatMap(top));
}
