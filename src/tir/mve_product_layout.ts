/** Where the constants of a product lie, in the order in which one pointer goes through them (MVE). */
import { add, type Expr, floordiv, floormod, imm, lt, mul, select, sub } from "../te/expr.ts";

/** Columns of a group, bytes of a vector. */
export const GROUP = 4, VECTOR = 16;

/** Vectors up to which a row is written out. */
export const STRAIGHT = 18;

/** Offsets that VLDRB takes without moving its pointer: vectors up to there lie in reach. */
export const NEAR_VECTORS = 8;

/**
 * How the constant lies in memory: `pairs` of columns for several rows at a time, `fours` for one, `each`
 * column for itself.
 */
export type ColumnOrder = "pairs" | "fours" | "each";

/** Elements behind the last whole vector of a piece up to which they are multiplied one by one. */
const FEW_LEFT = 3;

/**
 * Elements of a piece that no vector takes: each is multiplied by four columns at once. More than a few
 * are the first lanes of a vector that is cut.
 */
export const leftOf = (run: number): number =>
  run > VECTOR && run % VECTOR <= FEW_LEFT ? run % VECTOR : 0;

export const vectorsOf = (run: number): number => Math.ceil((run - leftOf(run)) / VECTOR);
export const isCut = (run: number): boolean => leftOf(run) === 0 && run % VECTOR !== 0;

/** What decides where constants lie. */
export interface Pieces {
  /** What one output reads: `runs` pieces of `run` bytes. */
  readonly runs: number;
  readonly run: number;
  readonly order: ColumnOrder;
}

/** Columns whose vectors lie beside each other, and how many such parts a group has. */
export const lanesOf = (order: ColumnOrder): number => order === "pairs" ? 2 : GROUP;
const partsOf = (order: ColumnOrder): number => GROUP / lanesOf(order);

/** Bytes of a group's vectors, and of what they leave. */
export const vectorBytes = ({ runs, run }: Pieces): number =>
  GROUP * runs * vectorsOf(run) * VECTOR;
export const groupBytes = (p: Pieces): number => vectorBytes(p) + GROUP * p.runs * leftOf(p.run);

/** Shape of the packed constant: the index of an element is {@link packedAt}. */
export const packedShape = (cols: number, p: Pieces): number[] => {
  if (p.order === "each") return [cols, p.runs * Math.ceil(p.run / VECTOR), VECTOR];
  const groups = Math.ceil(cols / GROUP);
  return leftOf(p.run) > 0
    ? [groups, groupBytes(p)]
    : [groups, partsOf(p.order), p.runs * vectorsOf(p.run), lanesOf(p.order), VECTOR];
};

/**
 * Whether the odd columns of each group read the pieces of a row in the opposite order: pointers come
 * back on the way.
 */
export const isMirrored = (runs: number, run: number, order: ColumnOrder): boolean =>
  order === "pairs" && runs > 1 && vectorsOf(run) <= NEAR_VECTORS &&
  runs * vectorsOf(run) <= STRAIGHT;

/** Where element k of piece `piece` of a column lies. */
export function packedAt(
  col: Expr,
  piece: Expr,
  k: Expr,
  p: Pieces,
): Expr[] {
  const { runs, run, order } = p, c = floormod(col, GROUP);
  if (order === "each") {
    const before = mul(piece, Math.ceil(run / VECTOR));
    return [col, add(before, floordiv(k, VECTOR)), floormod(k, VECTOR)];
  }
  const place = isMirrored(runs, run, order)
    ? add(piece, mul(floormod(c, 2), sub(runs - 1, mul(piece, 2))))
    : piece;
  const part = order === "pairs" ? floormod(c, 2) : imm(0);
  const vector = add(mul(place, vectorsOf(run)), floordiv(k, VECTOR));
  const lane = order === "pairs" ? floordiv(c, 2) : c;
  const left = leftOf(run), whole = run - left;
  if (left === 0) return [floordiv(col, GROUP), part, vector, lane, floormod(k, VECTOR)];
  const among = add(mul(add(mul(part, runs * vectorsOf(run)), vector), lanesOf(order)), lane);
  const behind = add(mul(add(mul(piece, left), sub(k, whole)), GROUP), c);
  return [
    floordiv(col, GROUP),
    select(
      lt(k, whole),
      add(mul(among, VECTOR), floormod(k, VECTOR)),
      add(behind, vectorBytes(p)),
    ),
  ];
}

/** {@link packedAt} as a position in the memory of the constant. */
export function packedPlace(col: number, piece: number, k: number, p: Pieces): number {
  if (p.order === "each") {
    return (col * p.runs + piece) * Math.ceil(p.run / VECTOR) * VECTOR + k;
  }
  const { runs, run, order } = p, c = col % GROUP, group = Math.floor(col / GROUP) * groupBytes(p);
  const left = leftOf(run), whole = run - left;
  if (k >= whole && left > 0) {
    return group + vectorBytes(p) + GROUP * (piece * left + k - whole) + c;
  }
  const place = c % 2 === 1 && isMirrored(runs, run, order) ? runs - 1 - piece : piece;
  const [part, lane] = order === "pairs" ? [c % 2, c >> 1] : [0, c];
  const vector = (part * runs + place) * vectorsOf(run) + Math.floor(k / VECTOR);
  return group + (vector * lanesOf(order) + lane) * VECTOR + k % VECTOR;
}

/** Shape of starts and scales (as bits): of groups of four columns, or of each. */
export const paramsShape = (cols: number, order: ColumnOrder): number[] =>
  order === "each" ? [cols, 2] : [Math.ceil(cols / GROUP), 2, GROUP];

/** Where a column's start and scale lie in {@link paramsShape}. */
const paramAt = (col: Expr, which: number, order: ColumnOrder): Expr[] =>
  order === "each" ? [col, imm(which)] : [floordiv(col, GROUP), imm(which), floormod(col, GROUP)];

export const startAt = (col: Expr, order: ColumnOrder): Expr[] => paramAt(col, 0, order);
export const scaleAt = (col: Expr, order: ColumnOrder): Expr[] => paramAt(col, 1, order);
