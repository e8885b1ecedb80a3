/** Constants that are stored in fewer bits than they are computed with, and unpacked where they are read. */
import { DTYPES } from "../util/dtype.ts";
import { add, type Expr, imm, load, mul, sub, substitute, type Var } from "../te/expr.ts";
import { loads, variables } from "../te/analyze.ts";
import { linear, rangeOf, simplify } from "../te/linear.ts";
import { mapBuffers } from "../tir/remap.ts";
import {
  addressOf,
  type Buffer,
  expressions,
  type Kernel,
  memoryOf,
  seq,
  type Stmt,
  visitStmt,
} from "../tir/stmt.ts";
import { codingWords, unpack, widenFloats } from "../tir/unpack.ts";
import {
  blockOf,
  partsOf,
  quantumOf,
  stored,
  storedBlock,
  storedConstants,
  storedType,
  type Storing,
  storingOf,
  streamWords,
} from "./codings.ts";
import { fresh } from "./region.ts";
import { refuse, type State } from "./state.ts";

/**
 *     for i: for j: y[i] += x[j]·w[i, j]
 *   →                                                          (depth 1)
 *     for i: { unpack(w_row, w_stored[i]); for j: y[i] += x[j]·w_row[j] }
 *
 * At depth 0 all of a constant is unpacked first; further inside, what the loops around leave of it,
 * each time that it is read.
 */
export interface CompactStep {
  readonly do: "compact";
  /** Loops around the place where constants are unpacked. */
  readonly depth: number;
}

export const compact = (s: State, { depth }: CompactStep): State => ({ ...s, compact: depth });

const FITS = "keep the constants as they are read";

/** How much smaller constants have to become. */
const WORTH = 0.8;

/** A kernel's program with its constants stored in fewer bits. */
export function compacted(k: Kernel, depth: number): Kernel {
  const done = k.params.reduce((now, p, i) => compactOne(now, p, depth, i) ?? now, k);
  if (done === k) refuse(`store constants of ${k.name} in fewer bits`, "none fit", FITS);
  return done;
}

/** Where a constant is unpacked, and what of it. */
interface Site {
  /** Rows of elements, one for each turn of the loops around. */
  readonly rows: readonly ArrayLike<number>[];
  /** The row of a turn. */
  readonly row: Expr;
  /** Variables of the loops around that the constant's indices have. */
  readonly outer: readonly Var[];
  /** The first element in the first turn. */
  readonly lo: number;
  readonly length: number;
}

function compactOne(k: Kernel, p: Buffer, depth: number, index: number): Kernel | null {
  const storing = storingOf(p);
  if (!storing) return null;
  const memory = memoryOf(p), made = new Map<string, Buffer>();
  let longest = 0, smaller = false, fits = true;
  const name = `unpacked${index || ""}`;
  /** Memory for so many elements: each place has its own view of one. */
  const scratch = (length: number): Buffer => ({
    name,
    dtype: p.dtype,
    shape: [length],
    strides: [1],
    offset: 0,
    scope: "scratch",
    length,
    align: Math.max(4, p.align),
  });
  const packedOf = (rows: Site["rows"]): Buffer => {
    const data = stored(storing, rows), key = `${data.shape}:${data.data}`;
    const length = data.data.length;
    const known = made.get(key) ?? {
      name: `${p.name}_stored${made.size || ""}`,
      dtype: data.dtype,
      shape: data.shape,
      strides: [data.shape[1], 1],
      offset: 0,
      scope: "param" as const,
      length,
      align: 4,
      data,
    };
    made.set(key, known);
    return known;
  };
  const place = (s: Stmt): Stmt => {
    const site = siteOf(s, p, storing);
    if (!site) {
      fits = false;
      return s;
    }
    smaller ||= site.outer.length > 0;
    const whole = wholeLength(site.length, storing);
    longest = Math.max(longest, whole);
    const from = packedOf(site.rows), to = scratch(whole);
    const start = new Map(site.outer.map((v) => [v, imm(v.range![0])]));
    const body = mapBuffers(s, (buf, idx) => {
      if (memoryOf(buf) !== memory) return { buf, idx };
      const { data: _, ...view } = buf;
      const own = {
        ...view,
        name,
        scope: "scratch" as const,
        offset: buf.offset - site.lo,
        length: whole,
      };
      return { buf: own, idx: idx.map((e) => simplify(substitute(e, start))) };
    });
    return seq(unpacking(to, from, site.row, storing), body);
  };
  const walk = (s: Stmt, left: number): Stmt => {
    if (!touches(s, memory)) return s;
    if (left === 0) return place(s);
    switch (s.k) {
      case "for":
        return { ...s, body: walk(s.body, left - 1) };
      case "seq":
        return seq(...s.body.map((t) => walk(t, left)));
      case "alloc":
      case "let":
        return { ...s, body: walk(s.body, left) };
      case "if":
        if (loads(s.cond).some((l) => memoryOf(l.src as Buffer) === memory)) return place(s);
        return { ...s, then: walk(s.then, left), else: s.else && walk(s.else, left) };
      default:
        return place(s);
    }
  };
  const body = walk(k.body, depth);
  if (!fits || (depth > 0 && !smaller)) return null;
  const bytes = [...made.values()].reduce((n, b) => n + b.length * DTYPES[b.dtype].bytes, 0);
  if (bytes > WORTH * p.length * DTYPES[p.dtype].bytes) return null;
  const work = scratch(longest);
  return {
    ...k,
    body: mapBuffers(body, (buf, idx) => ({
      buf: buf.scope === "scratch" && buf.name === name ? { ...buf, length: longest } : buf,
      idx,
    })),
    buffers: [...k.buffers, work],
    params: k.params.flatMap((q) => q === p ? [...made.values()] : [q]),
  };
}

/** Elements that calls write, what they write behind the last one included. */
const wholeLength = (length: number, s: Storing): number => {
  if (s.k === "stream") return length + 32 / s.coding.bits;
  const quantum = quantumOf(s);
  return Math.ceil(length / quantum) * quantum;
};

function touches(s: Stmt, memory: string): boolean {
  let found = false;
  visitStmt(s, (t) => {
    found ||= expressions(t).flatMap(loads).some((l) => memoryOf(l.src as Buffer) === memory) ||
      (t.k === "intrin" && t.args.some((a) => memoryOf(a.buf) === memory));
  });
  return found;
}

/** Addresses of all elements that a statement reads of a memory. */
function addresses(s: Stmt, memory: string): Expr[] {
  const found: Expr[] = [];
  const look = (t: Stmt): void =>
    visitStmt(t, (x) => {
      for (const l of expressions(x).flatMap(loads)) {
        const b = l.src as Buffer;
        if (memoryOf(b) === memory) found.push(addressOf(b, l.idx));
      }
      if (x.k !== "intrin") return;
      for (const { buf, idx } of x.args) {
        const parts = memoryOf(buf) === memory ? partsOf(buf) : null;
        if (!parts) continue;
        // A stream is read from its first word to its last.
        found.push(addressOf(buf, idx), add(addressOf(buf, idx), streamWords(parts) - 1));
      }
      let reads = false;
      x.args.forEach(({ buf, idx }, i) => {
        if (memoryOf(buf) !== memory || partsOf(buf)) return;
        reads = true;
        // Vectors are read whole, whatever is made of their last lanes.
        found.push(add(addressOf(buf, idx), x.op.args[i].count - 1));
      });
      if (reads) look(x.op.meaning(x.args, x.scalars));
    });
  look(s);
  return found;
}

/** What a statement reads of a constant; null where that is no row for each turn around it. */
function siteOf(s: Stmt, p: Buffer, storing: Storing): Site | null {
  const inner = new Set<Var>();
  // Those of an intrinsic's meaning are bound nowhere else.
  const named = new Set<Var>();
  visitStmt(s, (t) => {
    if (t.k === "for" || t.k === "let") inner.add(t.v);
    for (const v of variables(...expressions(t))) named.add(v);
  });
  let shared: Map<string, { v: Var; coeff: number }> | null = null;
  let lo = Infinity, hi = -Infinity;
  for (const address of addresses(s, memoryOf(p))) {
    const l = linear(address), within = new Map(l.terms);
    const outer = new Map<string, { v: Var; coeff: number }>();
    for (const [key, { atom, coeff }] of l.terms) {
      const free = [...variables(atom)].filter((v) => named.has(v) && !inner.has(v));
      if (free.length === 0) continue;
      if (atom.k !== "var" || !atom.range) return null;
      outer.set(key, { v: atom, coeff });
      within.delete(key);
    }
    const before: typeof outer = shared ?? outer;
    const same = before.size === outer.size &&
      [...outer].every(([key, o]) => before.get(key)?.coeff === o.coeff);
    if (!same) return null;
    shared = before;
    const range = rangeOf({ constant: l.constant, terms: within });
    if (!range) return null;
    lo = Math.min(lo, range[0]);
    hi = Math.max(hi, range[1]);
  }
  if (!shared) return null;
  const length = hi - lo + 1, data = p.data!.data as ArrayLike<number>;
  let row: Expr = imm(0), starts = [0];
  for (const { v, coeff } of shared.values()) {
    const [first, last] = v.range!, turns = last - first + 1;
    row = add(mul(row, turns), sub(v, first));
    starts = starts.flatMap((at) =>
      Array.from({ length: turns }, (_, i) => at + coeff * (first + i))
    );
    // Rows that overlap would be stored again and again.
    if (starts.length * length > 2 * p.length) return null;
  }
  // A turn that there is in no run may lie outside.
  if (starts.some((at) => at + lo < 0 || at + lo + length > data.length)) return null;
  if (storing.k === "stream" && length % streamWords(storing.parts) !== 0) return null;
  const vars = [...shared.values()];
  const base = vars.reduce((n, { v, coeff }) => n + coeff * v.range![0], 0);
  return {
    rows: starts.map((at) => Array.from({ length }, (_, i) => data[at + lo + i])),
    row: simplify(row),
    outer: vars.map(({ v }) => v),
    lo: lo + base,
    length,
  };
}

/** Brings a row of what is stored to scratch memory. */
function unpacking(to: Buffer, from: Buffer, row: Expr, s: Storing): Stmt {
  const dst = (at: Expr) => ({ buf: to, idx: [at], axis: 0 });
  const src = (at: Expr) => ({ buf: from, idx: [row, at], axis: 1 });
  if (s.k === "floats") {
    const op = widenFloats(s.dtype, from.shape[1]);
    return { k: "intrin", op, args: [dst(imm(0)), src(imm(0))], scalars: [from.shape[1]] };
  }
  const { coding } = s, { bias, flip } = codingWords(coding);
  const call = (words: number, at: Expr, of: Expr): Stmt => ({
    k: "intrin",
    op: unpack(to.dtype, storedType(s), coding, words),
    args: [dst(at), src(of)],
    scalars: [words, bias, flip],
  });
  if (s.k === "integers") {
    return call(from.shape[1] * coding.lane / 32, imm(0), imm(0));
  }
  const { parts: p } = s, words = storedConstants(p, coding);
  const block = blockOf(p), packed = storedBlock(p, coding);
  const streams = from.shape[1] / (p.head + p.blocks * packed);
  const copy = (n: number, at: Expr, of: Expr): Stmt | null => {
    if (n === 0) return null;
    const i = fresh("word", n);
    const value = load(from, [row, simplify(add(of, i))]);
    const store: Stmt = { k: "store", buf: to, idx: [simplify(add(at, i))], value };
    return { k: "for", v: i, lo: imm(0), hi: imm(n), body: store };
  };
  const t = fresh("stream", streams), b = fresh("block", p.blocks);
  const at = (e: Expr | number): Expr => simplify(add(mul(t, streamWords(p)), e));
  const of = (e: Expr | number): Expr => simplify(add(mul(t, p.head + p.blocks * packed), e));
  /** Where a part of a block goes, and where it comes from. */
  const inBlock = (unpacked: number, stored: number): [Expr, Expr] => [
    at(add(mul(b, block), p.head + unpacked)),
    of(add(mul(b, packed), p.head + stored)),
  ];
  // What a call writes behind the constants is written over by what follows them.
  const body = seq(
    copy(p.head, at(0), of(0)),
    {
      k: "for",
      v: b,
      lo: imm(0),
      hi: imm(p.blocks),
      body: seq(
        copy(p.starts, ...inBlock(0, 0)),
        call(words, ...inBlock(p.starts, p.starts)),
        copy(p.scales, ...inBlock(p.starts + p.constants, p.starts + words)),
      ),
    },
  );
  return { k: "for", v: t, lo: imm(0), hi: imm(streams), body };
}
