/** From a scheduled state to a loop program. */
import {
  add,
  and,
  bin,
  type Expr,
  imm,
  load,
  lt,
  max,
  min,
  REDUCE_STEP,
  select,
  substitute,
  type Var,
} from "../te/expr.ts";
import { reads, variables } from "../te/analyze.ts";
import { simplify, simplifyCondition } from "../te/linear.ts";
import { type Kernel, seq, type Stmt, type Store } from "../tir/stmt.ts";
import { Buffers, checkPackedReads } from "./buffers.ts";
import { conjuncts, constantRange, linearBound, throughout, tightest } from "./conditions.ts";
import { loopValues, wholeLoops } from "./domain.ts";
import { readDirectly } from "./direct.ts";
import {
  checkCut,
  conditionsOf,
  extentOf,
  type Frame,
  reduceExtents,
  unconditionalBody,
} from "./frame.ts";
import { groupWorkload, joinGroups } from "./groups.ts";
import { compacted } from "./compact.ts";
import { joinPhases, phaseWorkload } from "./phases.ts";
import { type Box, fresh, requiredBox } from "./region.ts";
import { type Loop, refuse, type Stage, stageOf, type State, type Workload } from "./state.ts";
import { lowerWindowRow } from "./window_row.ts";
import { type Frames, lowerBlock, type Lowerer, zeroPitch } from "./lower_blocks.ts";
import { provideWork } from "./work_memory.ts";
import { isWhole, matchWhole, tensorize, widthOf } from "./tensorize.ts";

/** Lowers a workload under a schedule's state. */
export function lower(w: Workload, s: State): Kernel {
  const kernel = loweredPlain(w, s);
  return s.compact === undefined ? kernel : compacted(kernel, s.compact);
}

/** With constants as they are read. */
function loweredPlain(w: Workload, s: State): Kernel {
  if (s.windowRow !== undefined) return lowerWindowRow(w, s);
  const { groups, phases } = s;
  if (phases) {
    const each = [s, ...phases.others].map((x, i) =>
      new Lowering(phaseWorkload(w, phases, i), x).kernel()
    );
    return joinPhases(w, phases, each);
  }
  if (!groups) return new Lowering(w, s).kernel();
  const part = groupWorkload(w, groups);
  const each = [s, ...groups.others].map((x) => new Lowering(part, x, true).kernel());
  return joinGroups(w, groups, each);
}

class Lowering {
  readonly #buffers: Buffers;
  readonly #frames: Frames = { fills: new Map() };

  /** @param alike whether the text has to be the same whatever the constants are */
  constructor(readonly w: Workload, readonly s: State, alike = false) {
    this.#buffers = new Buffers(w.buffers, s.consts, alike);
  }

  kernel(): Kernel {
    const roots = this.s.stages.filter((st) => !st.at);
    const nests = roots.map((st) => {
      const { shape } = st.compute.out;
      return this.#stage(st, { start: shape.map(() => imm(0)), extent: shape }, new Set());
    });
    let body = seq(...[...this.#frames.fills.values()].map((x) => x.fill), ...nests);
    const direct = this.s.stages.filter((st) => st.direct).map((st) =>
      this.#buffers.of(st.compute.out)
    );
    const read = direct.map((rows) => {
      const { copy, ...made } = readDirectly(body, rows);
      body = made.body;
      return copy ? [copy] : [];
    });
    checkPackedReads(body);
    for (const st of roots) {
      const b = this.#buffers.of(st.compute.out);
      if (b.scope === "local") body = { k: "alloc", buf: b, body };
    }
    const own = [
      ...this.w.buffers.values(),
      ...this.#buffers.scratch.filter((b) => !direct.includes(b)),
      ...read.flat(),
    ];
    const work = provideWork(body, own);
    body = work.body;
    return {
      name: this.w.name,
      buffers: [...own, ...work.buffers],
      params: this.#buffers.used(body),
      body,
      origin: this.w.origin,
      ops: this.w.ops,
      macs: this.w.macs,
    };
  }

  /** What nests of several statements take of this. */
  readonly #lowerer: Lowerer = {
    extent: extentOf,
    attached: (l, f) => this.#attached(l, f),
    box: (x, f) => this.#box(x, f),
    provide: (x, box) => this.#buffers.provide(x, box),
    buffer: (x) => this.#buffers.of(x.compute.out),
    stages: () => this.s.stages,
    leaf: (f) => this.#leaf(f),
    axes: (f) => this.#axes(f).global,
    open: (v, f) => this.#isAxis(v, f),
  };

  /** The whole nest of a stage over a box. */
  #stage(stage: Stage, box: Box, unconditional: ReadonlySet<string>): Stmt {
    this.#buffers.provide(stage, box);
    const { body } = stage.compute;
    const nest = this.#nest(0, {
      stage,
      box,
      values: new Map(),
      tails: new Set(),
      guards: [],
      body: body.k === "reduce" ? body.body : body,
      where: body.k === "reduce" ? body.where : [],
      ...(unconditional.has(stage.name) ? unconditionalBody(stage) : {}),
      unconditional,
    });
    return seq(nest, stage.rows && zeroPitch(this.#buffers.of(stage.rows.flat), stage.rows, box));
  }

  /** Loops from position i inwards; a reduction's accumulator starts before its first reduce loop. */
  #nest(i: number, f: Frame): Stmt {
    const { loops, compute: { body } } = f.stage;
    if (body.k === "reduce" && i === loops.findIndex((l) => l.reduce)) {
      return seq(this.#init(i, f), this.#loops(i, f));
    }
    return this.#loops(i, f);
  }

  /** acc = init over the spatial loops that stand inside the first reduce loop. */
  #init(i: number, f: Frame): Stmt {
    const { stage } = f, { body } = stage.compute;
    if (body.k !== "reduce") throw new TypeError("only reductions have a start");
    const inner = stage.loops.slice(i).filter((l) => !l.reduce)
      .map((l) => ({ ...l, intrinsic: null }));
    const start: Stage = {
      ...stage,
      // No stage is attached to this nest.
      name: `start of ${stage.name}`,
      compute: { ...stage.compute, body: body.init },
      loops: [...stage.loops.slice(0, i), ...inner],
    };
    return this.#loops(i, { ...f, stage: start, body: body.init, where: [] });
  }

  #loops(i: number, f: Frame): Stmt {
    const { loops } = f.stage;
    if (i === loops.length) return this.#leaf(f);
    const hoisted = this.#hoist(i, f);
    if (hoisted) return hoisted;
    const loop = loops[i], { domain } = loop;
    const inside = (g: Frame): Stmt => this.#inside(i, loop, g);
    if (domain.d === "outer") {
      const { split } = domain;
      const total = extentOf(split.of, f);
      const whole = Math.floor(total / split.factor), rest = total % split.factor;
      if (rest && split.tail === "exact") {
        refuse(
          `split ${split.of.name} by ${split.factor}`,
          `it does not divide ${total}`,
          "choose the tail 'cut' or 'guard'",
        );
      }
      if (rest && split.tail === "cut") {
        checkCut(split, f);
        const main = whole
          ? this.#streamed(loop, this.#iterate(loop, f, inside, imm(0), imm(whole)), f)
          : null;
        const tail: Frame = {
          ...f,
          values: new Map([...f.values, [loop, imm(whole)]]),
          tails: new Set([...f.tails, split]),
        };
        return seq(main, this.#streamed(loop, inside(tail), f));
      }
      const g = rest ? { ...f, guards: [...f.guards, { loop: split.of, total }] } : f;
      const all = this.#iterate(loop, g, inside, imm(0), imm(whole + (rest ? 1 : 0)));
      return this.#streamed(loop, all, f);
    }
    const call = this.#intrinsic(i, f);
    if (call) return call;
    const parts = this.#borders(i, f);
    if (parts) return parts;
    const { lo, hi, where } = this.#clip(loop, f);
    return this.#streamed(loop, this.#iterate(loop, { ...f, where }, inside, lo, hi), f);
  }

  /** A loop over blocks as one call, where it is marked and has the form. */
  #streamed({ columns }: Loop, s: Stmt, { stage }: Frame): Stmt {
    return columns === null ? s : this.#buffers.streamed(s, stage.name, columns === "own");
  }

  /** The stages that are computed inside this loop. */
  #attached(loop: Loop, f: Frame): Stage[] {
    return this.s.stages.filter((x) => x.at?.stage === f.stage.name && x.at.loop === loop.name);
  }

  /** The inside of a loop, once for iterations without borders and once for the others. */
  #inside(i: number, loop: Loop, f: Frame): Stmt {
    const inner = loop.specialize;
    if (inner === null || f.unconditional.has(inner)) return this.#iteration(i, loop, f);
    const own = inner === f.stage.name;
    const tests = own ? this.#ownTests(f) : this.#insideTests(stageOf(this.s, inner), f);
    const free = {
      ...f,
      ...(own ? unconditionalBody(f.stage) : {}),
      unconditional: new Set([...f.unconditional, inner]),
    };
    const open = tightest(tests.filter((t) => t.k !== "imm"));
    if (tests.some((t) => t.k === "imm" && !t.value)) return this.#iteration(i, loop, f);
    const then = this.#iteration(i, loop, free);
    if (open.length === 0) return then;
    return { k: "if", cond: and(...open), then, else: this.#iteration(i, loop, f) };
  }

  /** What must hold for all elements of a stage's box to meet its conditions. */
  #insideTests(stage: Stage, f: Frame): Expr[] {
    const { axes } = stage.compute;
    const box = this.#box(stage, f);
    const starts = new Map(axes.map((v, i) => [v, box.start[i]] as const));
    const extents = new Map([
      ...reduceExtents(stage),
      ...axes.map((v, i) => [v, box.extent[i]] as const),
    ]);
    return conditionsOf(stage).map((c) => throughout(c, starts, extents));
  }

  /** What must hold for the stage's conditions to be met in all loops that are still to be entered. */
  #ownTests(f: Frame): Expr[] {
    const { axes } = f.stage.compute;
    const { global } = this.#axes(f);
    const extents = new Map([
      ...reduceExtents(f.stage),
      ...axes.map((v, i) => [v, f.box.extent[i]] as const),
    ]);
    const starts = new Map(axes.map((v, i) => [v, f.box.start[i]] as const));
    for (const [v, e] of global) {
      starts.set(v, e);
      extents.set(v, 1);
    }
    const tests = () =>
      conditionsOf(f.stage).map((c) => simplifyCondition(throughout(c, starts, extents)));
    const [row] = axes;
    if (!f.stage.rows?.tiles || global.has(row)) return tests();
    // The rows of a tile come from anywhere: each is tested.
    return Array.from({ length: f.box.extent[0] }, (_, p) => {
      starts.set(row, add(f.box.start[0], p));
      extents.set(row, 1);
      return tests();
    }).flat();
  }

  /** The stages attached to this loop, then the loops inside it. */
  #iteration(i: number, loop: Loop, f: Frame): Stmt {
    const attached = this.#attached(loop, f);
    if (attached.length && f.guards.length) {
      // The test stands around the innermost statement: the attached stage would read past the end.
      refuse(
        `compute ${attached[0].name} at ${f.stage.name}`,
        `${f.guards[0].loop.name} is split with a guard around it`,
        "split with the tail 'cut'",
      );
    }
    const parts = attached.map((x) => this.#stage(x, this.#box(x, f), f.unconditional));
    let body = seq(...parts, this.#nest(i + 1, f));
    for (const x of attached) {
      const buf = this.#buffers.of(x.compute.out);
      if (buf.scope === "local") body = { k: "alloc", buf, body };
    }
    return body;
  }

  /** One loop from lo to hi, or the call that does what it does with all that is inside of it. */
  #iterate(loop: Loop, f: Frame, inside: (f: Frame) => Stmt, lo: Expr, hi: Expr): Stmt {
    const { block } = loop;
    if (!block || !isWhole(block) || f.plain) return this.#loop(loop, f, inside, lo, hi);
    // The largest nest that fits: loops inside of this one are tried after it.
    return matchWhole(block, this.#loop(loop, { ...f, plain: true }, inside, lo, hi)) ??
      this.#loop(loop, f, inside, lo, hi);
  }

  /** Unrolled or without a loop where its extent says so. */
  #loop(loop: Loop, f: Frame, inside: (f: Frame) => Stmt, lo: Expr, hi: Expr): Stmt {
    const at = (value: Expr): Frame => ({ ...f, values: new Map([...f.values, [loop, value]]) });
    if (lo.k === "imm" && hi.k === "imm") {
      const a = Number(lo.value), b = Number(hi.value);
      if (b - a === 1 || loop.unroll) {
        return seq(...Array.from({ length: Math.max(b - a, 0) }, (_, k) => inside(at(imm(a + k)))));
      }
    }
    const v = fresh(loop.name, hi.k === "imm" ? Number(hi.value) : this.#range(loop, f));
    return { k: "for", v, lo, hi, body: inside(at(v)) };
  }

  /** Upper bound of a loop's extent, whatever tail is being emitted. */
  #range(loop: Loop, f: Frame): number {
    if (loop.domain.d !== "outer") return extentOf(loop, f);
    const { split } = loop.domain;
    return Math.ceil(extentOf(split.of, f) / split.factor);
  }

  #values(f: Frame): Map<Loop, Expr> {
    return loopValues(f.stage.loops, f.values, (l) => extentOf(l, f));
  }

  /** Axis variables as expressions of the loops entered so far, relative to the box. */
  #axes(f: Frame): { global: Map<Var, Expr>; local: Map<Var, Expr> } {
    const global = new Map<Var, Expr>(), local = new Map<Var, Expr>();
    const { axes } = f.stage.compute;
    for (const [loop, e] of this.#values(f)) {
      if (loop.domain.d !== "axis") continue;
      const i = axes.indexOf(loop.domain.v);
      local.set(loop.domain.v, simplify(e));
      global.set(loop.domain.v, simplify(i < 0 ? e : add(f.box.start[i], e)));
    }
    return { global, local };
  }

  /** What an attached stage has to provide inside the loop that `f` has just entered. */
  #box(producer: Stage, f: Frame): Box {
    const free = new Set<Var>();
    const unbound = (g: Frame): Frame => {
      const values = new Map(g.values);
      for (const l of wholeLoops(g.stage.loops, g.values)) {
        const v = fresh(l.name, extentOf(l, g));
        free.add(v);
        values.set(l, v);
      }
      return { ...g, values };
    };
    const whole = unbound(f);
    const readers = [{ stage: f.stage, axes: this.#axes(whole).global }];
    // Those behind it, the last first: each needs what the ones that read it do.
    for (const x of this.s.stages.slice(this.s.stages.indexOf(producer) + 1).reverse()) {
      if (x.at?.stage !== f.stage.name) continue;
      const box = requiredBox(x, readers, free);
      const inner = unbound({ ...f, stage: x, box, values: new Map(), tails: new Set() });
      readers.push({ stage: x, axes: this.#axes(inner).global });
    }
    const box = requiredBox(producer, readers, free);
    return { start: box.start.map(simplify), extent: box.extent };
  }

  /** Bounds of a reduce loop from the conditions that are linear in it. */
  #clip(loop: Loop, f: Frame): { lo: Expr; hi: Expr; where: readonly Expr[] } {
    const extent = extentOf(loop, f);
    const all = { lo: imm(0), hi: imm(extent), where: f.where };
    if (loop.domain.d !== "axis" || !loop.reduce) return all;
    const v = loop.domain.v;
    const { global } = this.#axes(f);
    const lower: Expr[] = [], upper: Expr[] = [], where: Expr[] = [];
    for (const w of f.where) {
      const open = [...variables(w)].filter((x) => !global.has(x) && this.#isAxis(x, f));
      const bound = w.k === "bin" && open.length === 1 && open[0] === v &&
        linearBound(w.op, substitute(w.a, global), substitute(w.b, global), v);
      if (!bound) where.push(w);
      else (w.k === "bin" && w.op === "ge" ? lower : upper).push(bound);
    }
    return {
      lo: simplify(lower.reduce((a, b) => max(a, b), imm(0) as Expr)),
      hi: simplify(upper.reduce((a, b) => min(a, b), imm(extent) as Expr)),
      where,
    };
  }

  #isAxis(v: Var, f: Frame): boolean {
    const { axes, body } = f.stage.compute;
    return axes.includes(v) || (body.k === "reduce" && body.axes.some((a) => a.v === v));
  }

  /** A condition of the definition that the loops entered so far decide is tested here, once. */
  #hoist(i: number, f: Frame): Stmt | null {
    const { body } = f, { global } = this.#axes(f);
    if (f.stage.compute.body.k === "reduce" || body.k !== "select") return null;
    // What is computed inside of these loops is not there yet.
    const later = f.stage.loops.slice(i).flatMap((l) => this.#attached(l, f));
    const decided = (c: Expr): boolean =>
      [...variables(c)].every((v) => global.has(v) || !this.#isAxis(v, f)) &&
      !later.some((s) => reads(c, s.compute.out));
    const parts = conjuncts(body.cond), now = parts.filter(decided);
    if (!now.length) return null;
    const rest = parts.filter((c) => !now.includes(c));
    const tests = now.map((c) => this.#condition(c, global));
    const then = { ...f, body: rest.length ? select(and(...rest), body.a, body.b) : body.a };
    const otherwise = { ...f, body: body.b };
    if (tests.some((t) => t.k === "imm" && !t.value)) return this.#loops(i, otherwise);
    const open = tests.filter((t) => t.k !== "imm");
    if (!open.length) return this.#loops(i, then);
    return {
      k: "if",
      cond: and(...open),
      then: this.#loops(i, then),
      else: this.#loops(i, otherwise),
    };
  }

  /** A loop whose conditions bound it by constants, in up to three parts that test nothing. */
  #borders(i: number, f: Frame): Stmt | null {
    const loop = f.stage.loops[i], { body } = f, { domain } = loop;
    if (f.stage.compute.body.k === "reduce" || body.k !== "select" || domain.d !== "axis") {
      return null;
    }
    const extent = extentOf(loop, f);
    const start = f.box.start[f.stage.compute.axes.indexOf(domain.v)];
    const global = new Map([...this.#axes(f).global, [domain.v, add(start, domain.v)]]);
    const open = (v: Var) => v !== domain.v && this.#isAxis(v, f) && !global.has(v);
    const range = constantRange(conjuncts(body.cond), domain.v, extent, global, open);
    if (!range || extent === 1) return null;
    const { lo, hi, rest } = range;
    const then = { ...f, body: rest.length ? select(and(...rest), body.a, body.b) : body.a };
    const otherwise = { ...f, body: body.b };
    const part = (g: Frame, from: number, to: number): Stmt | null =>
      from < to
        ? this.#iterate(loop, g, (x) => this.#inside(i, loop, x), imm(from), imm(to))
        : null;
    return seq(part(otherwise, 0, lo), part(then, lo, hi), part(otherwise, hi, extent));
  }

  /** The loop at position i as one intrinsic call, where it is marked and fits. */
  #intrinsic(i: number, f: Frame): Stmt | null {
    const { loops } = f.stage, loop = loops[i];
    if (loop.block && !isWhole(loop.block)) {
      return lowerBlock(this.#lowerer, i, f, this.#frames);
    }
    if (!loop.intrinsic || i !== loops.length - 1 || this.#attached(loop, f).length) return null;
    if (extentOf(loop, f) !== widthOf(loop.intrinsic) || f.where.length || f.guards.length) {
      return null;
    }
    const v = fresh(loop.name, widthOf(loop.intrinsic));
    const s = this.#leaf({ ...f, values: new Map([...f.values, [loop, v]]) });
    if (s.k !== "store") return null;
    const zero = new Map([[v, imm(0)]]);
    return tensorize(s, v, loop.intrinsic, (e) => simplify(substitute(e, zero)));
  }

  #leaf(f: Frame): Stmt {
    const { compute: { body } } = f.stage;
    const { global } = this.#axes(f);
    const values = this.#values(f);
    const tests = [
      ...f.where.map((w) => this.#condition(w, global)),
      ...f.guards.map((g) => simplifyCondition(lt(values.get(g.loop)!, g.total))),
    ].filter((c) => !(c.k === "imm" && c.value));
    const s = body.k === "reduce"
      ? this.#store(f, bin(REDUCE_STEP[body.op], this.#accumulator(f), f.body))
      : this.#store(f, f.body);
    return tests.length ? { k: "if", cond: and(...tests), then: s, else: null } : s;
  }

  #accumulator(f: Frame): Expr {
    return load(f.stage.compute.out, f.stage.compute.axes);
  }

  #store(f: Frame, value: Expr): Store {
    const { out, axes } = f.stage.compute;
    const { global, local } = this.#axes(f);
    const { rows } = f.stage;
    if (rows?.tiles) {
      return {
        k: "store",
        buf: this.#buffers.of(rows.flat),
        idx: rows.tiles.at.map((e) => simplify(this.#buffers.resolve(substitute(e, local)))),
        value: this.#buffers.resolve(substitute(value, global)),
      };
    }
    const buf = this.#buffers.of(out);
    const placed = buf.scope === "output" || buf.scope === "input" ? global : local;
    return {
      k: "store",
      buf,
      idx: axes.map((v) => placed.get(v) ?? imm(0)),
      value: this.#buffers.resolve(substitute(value, global)),
    };
  }

  #condition(c: Expr, axes: ReadonlyMap<Var, Expr>): Expr {
    return simplifyCondition(this.#buffers.resolve(substitute(c, axes)));
  }
}
