/**
 * Operators that give as many elements as the data say: NonZero, Compress, Unique and
 * NonMaxSuppression. Their outputs have the declared size; a check holds the data to it.
 */
import { sizeOf } from "../util/tensor.ts";
import {
  add,
  and,
  bin,
  cast,
  div,
  eq,
  type Expr,
  ge,
  gt,
  imm,
  load,
  lt,
  max,
  min,
  mul,
  select,
  sub,
} from "../te/expr.ts";
import type { Builder } from "../ir/build.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { type AttrReader, type KernelBody, type OpDef, OpError } from "../ir/opdef.ts";
import { check } from "./check.ts";
import { axisIndex, onnx, operand } from "./common.ts";
import { gather } from "./gather.ts";
import { block, cells, loop, loops, store, when } from "./loops.ts";
import { reshape } from "./reshape.ts";

/** The declared size of an output's axis. */
function declaredSize(r: AttrReader, output: number, axis: number): number {
  const t = r.declared(output);
  const n = t ? dims(t).at(axis) : undefined;
  if (n !== undefined) return n;
  throw new OpError(
    "how many elements it gives depends on data and its output declares no size",
    "declare the output's shape; the generated code checks it",
  );
}

/** Whether as many came as are declared; the last output of such a kernel. */
const FITS: TensorType = { dtype: "bool", shape: [] };

/** An operator whose kernel says in a last output whether its data fit. */
function counted<A>(
  name: string,
  infer: (a: A, ins: readonly (TensorType | null)[]) => TensorType[],
  body: KernelBody<A>,
): OpDef<A> {
  return {
    name,
    onnx: [],
    infer: (a, ins) => [...infer(a, ins), FITS],
    body: { kind: "kernel", ...body },
  };
}

/** The outputs of such a kernel behind its check. */
function checked<A>(op: OpDef<A>, a: A, ins: readonly (Value | null)[], b: Builder): Value[] {
  const outs = b.node(op, a, ins);
  b.node(check, null, [outs.at(-1)!]);
  return outs.slice(0, -1);
}

const i64 = (e: Expr): Expr => cast("int64", e);
const inc = (c: { get: Expr; set(e: Expr): ReturnType<typeof store> }) => c.set(add(c.get, 1));

interface Sized {
  readonly count: number;
}

const nonZeroPlaces = counted<Sized>("NonZeroPlaces", ({ count }, ins) => {
  const x = operand(ins, 0, "any");
  return [{ dtype: "int64", shape: [x.shape.length, count] }];
}, {
  program({ count }, { ins: [x], outs: [y, fits] }) {
    return cells({ n: imm(0) }, ({ n }) =>
      block(
        loops([], x!.shape, (at) =>
          when(
            bin("ne", load(x!, at), imm(0, x!.dtype)),
            block(
              when(lt(n.get, count), block(...at.map((v, i) => store(y, [i, n.get], i64(v))))),
              inc(n),
            ),
          )),
        store(fits, [], eq(n.get, count)),
      ));
  },
});

const nonZero: OpDef<Sized> = {
  name: "NonZero",
  onnx: [onnx("NonZero", 9, (r) => ({ count: declaredSize(r, 0, 1) }))],
  infer: (a, ins) => nonZeroPlaces.infer(a, ins, () => undefined).slice(0, 1),
  body: { kind: "expand", rewrite: (a, ins, _, b) => checked(nonZeroPlaces, a, ins, b) },
};

const chosenPlaces = counted<Sized>("ChosenPlaces", ({ count }) => [
  { dtype: "int64", shape: [count] },
], {
  program({ count }, { ins: [c], outs: [y, fits] }) {
    return cells({ n: imm(0) }, ({ n }) =>
      block(
        loop("i", c!.shape[0], (i) =>
          when(
            load(c!, [i]),
            block(when(lt(n.get, count), store(y, [n.get], i64(i))), inc(n)),
          )),
        store(fits, [], eq(n.get, count)),
      ));
  },
});

interface CompressAttrs extends Sized {
  /** null: of all elements in their order. */
  readonly axis: number | null;
}

const compress: OpDef<CompressAttrs> = {
  name: "Compress",
  onnx: [onnx("Compress", 9, (r) => {
    const axis = r.has("axis") ? r.int("axis") : null;
    return { axis, count: declaredSize(r, 0, axis ?? 0) };
  })],
  infer({ axis, count }, ins) {
    const x = operand(ins, 0, "any");
    operand(ins, 1, "bool");
    if (axis === null) return [{ dtype: x.dtype, shape: [count] }];
    const at = axisIndex(axis, x.shape.length);
    return [{ dtype: x.dtype, shape: dims(x).map((n, i) => i === at ? count : n) }];
  },
  body: {
    kind: "expand",
    rewrite({ axis, count }, [x, condition], _, b) {
      const [places] = checked(chosenPlaces, { count }, [condition], b);
      const from = axis === null ? flat(x!, b) : x!;
      return b.node(gather, { axis: axis ?? 0 }, [from, places]);
    },
  },
};

const flat = (v: Value, b: Builder): Value =>
  b.node(reshape, { shape: [sizeOf(dims(v.type))], allowZero: true }, [v])[0];

interface UniqueAttrs extends Sized {
  readonly axis: number;
  readonly sorted: boolean;
}

/** Positions of the first of each, to which one every slice belongs, how many there are. */
const uniquePlaces = counted<UniqueAttrs>("UniquePlaces", ({ count, axis }, ins) => {
  const x = operand(ins, 0, "number");
  return [
    { dtype: "int64", shape: [count] },
    { dtype: "int64", shape: [dims(x)[axis]] },
    { dtype: "int64", shape: [count] },
  ];
}, {
  scratch: ({ count }) => [
    { dtype: "int32", shape: [count] },
    { dtype: "int32", shape: [count] },
    { dtype: "int32", shape: [count] },
  ],
  program({ count, axis, sorted }, { ins: [x], outs: [first, inverse, counts, fits], scratch }) {
    const [places, numbers, ranks] = scratch, shape = x!.shape, n = shape[axis];
    const rest = shape.map((d, i) => i === axis ? 1 : d);
    /** Runs `then` with whether slice a differs from slice b, and whether it comes before it. */
    const compare = (a: Expr, b: Expr, then: (order: Expr) => ReturnType<typeof store>) =>
      cells({ order: imm(0) }, ({ order }) =>
        block(
          loops([], rest, (at) => {
            const p = load(x!, at.map((v, i) => i === axis ? a : v));
            const q = load(x!, at.map((v, i) => i === axis ? b : v));
            const here = select(lt(p, q), imm(-1), select(gt(p, q), imm(1), imm(0)));
            return when(eq(order.get, 0), order.set(here));
          }),
          then(order.get),
        ));
    const result = (u: Expr) =>
      block(
        loop("j", count, (j) =>
          cells({ rank: sorted ? imm(0) : j }, ({ rank }) =>
            block(
              ...sorted
                ? [loop("t", count, (t) =>
                  when(
                    lt(t, u),
                    compare(
                      load(places, [t]),
                      load(places, [j]),
                      (order) => when(lt(order, 0), inc(rank)),
                    ),
                  ))]
                : [],
              store(ranks, [j], rank.get),
              when(
                lt(j, u),
                block(
                  store(first, [rank.get], i64(load(places, [j]))),
                  store(counts, [rank.get], i64(load(numbers, [j]))),
                ),
              ),
            ))),
        loop("i", n, (i) => {
          const mine = cast("int32", load(inverse, [i]));
          return store(inverse, [i], i64(load(ranks, [min(mine, count - 1)])));
        }),
      );
    return cells({ u: imm(0) }, ({ u }) =>
      block(
        loop("j", count, (j) => block(store(places, [j], imm(0)), store(numbers, [j], imm(0)))),
        loop("i", n, (i) =>
          cells({ found: imm(-1) }, ({ found }) =>
            block(
              loop("j", count, (j) =>
                when(
                  and(lt(j, u.get), lt(found.get, 0)),
                  compare(i, load(places, [j]), (order) => when(eq(order, 0), found.set(j))),
                )),
              when(
                lt(found.get, 0),
                block(
                  when(lt(u.get, count), store(places, [u.get], i)),
                  found.set(min(u.get, count - 1)),
                  inc(u),
                ),
              ),
              store(numbers, [found.get], add(load(numbers, [found.get]), 1)),
              store(inverse, [i], i64(found.get)),
            ))),
        result(min(u.get, count)),
        store(fits, [], eq(u.get, count)),
      ));
  },
});

const unique: OpDef<{ axis: number | null; sorted: boolean; count: number }> = {
  name: "Unique",
  onnx: [onnx("Unique", 11, (r) => {
    const axis = r.has("axis") ? r.int("axis") : null;
    return { axis, sorted: r.int("sorted", 1) !== 0, count: declaredSize(r, 0, axis ?? 0) };
  })],
  infer({ axis, count }, ins) {
    const x = operand(ins, 0, "number"), shape = dims(x);
    const at = axis === null ? 0 : axisIndex(axis, shape.length);
    const places: TensorType = { dtype: "int64", shape: [count] };
    return [
      {
        dtype: x.dtype,
        shape: axis === null ? [count] : shape.map((n, i) => i === at ? count : n),
      },
      places,
      { dtype: "int64", shape: [axis === null ? sizeOf(shape) : shape[at]] },
      places,
    ];
  },
  body: {
    kind: "expand",
    rewrite({ axis, sorted, count }, [x], _, b) {
      const from = axis === null ? flat(x!, b) : x!;
      const at = axis === null ? 0 : axisIndex(axis, from.type.shape.length);
      const [first, inverse, counts] = checked(
        uniquePlaces,
        { axis: at, sorted, count },
        [from],
        b,
      );
      const [y] = b.node(gather, { axis: at }, [from, first]);
      return [y, first, inverse, counts];
    },
  },
};

interface SuppressionAttrs extends Sized {
  /** Boxes are given by centre and size; else by two corners. */
  readonly centre: boolean;
}

const suppressed = counted<SuppressionAttrs>("SuppressedBoxes", ({ count }) => [
  { dtype: "int64", shape: [count, 3] },
], {
  scratch: (_, { ins }) => [{ dtype: "bool", shape: [dims(ins[0]!)[1]] }],
  program({ count, centre }, { ins, outs: [y, fits], scratch: [used] }) {
    const [boxes, scores, most, overlap, least] = ins;
    const [batches, n] = boxes!.shape, classes = scores!.shape[1];
    const scalar = (t: typeof most, none: Expr): Expr => t ? load(t, t.shape.map(() => 0)) : none;
    const limit = scalar(most, imm(0, "int64"));
    const threshold = scalar(overlap, imm(0, "float32"));
    /** Ends of a box along an axis: 0 is y, 1 is x; centre boxes are x, y, width, height. */
    const ends = (b: Expr, i: Expr, along: 0 | 1): [Expr, Expr] => {
      const at = (j: number): Expr => load(boxes!, [b, i, j]);
      if (!centre) return [min(at(along), at(along + 2)), max(at(along), at(along + 2))];
      const middle = at(1 - along), half = div(at(3 - along), imm(2, "float32"));
      return [sub(middle, half), add(middle, half)];
    };
    const zero = imm(0, "float32");
    const area = (b: Expr, i: Expr): Expr => {
      const [top, bottom] = ends(b, i, 0), [left, right] = ends(b, i, 1);
      return mul(sub(bottom, top), sub(right, left));
    };
    const tooNear = (b: Expr, i: Expr, j: Expr): Expr => {
      const shared = ([0, 1] as const).map((along) => {
        const [a0, a1] = ends(b, i, along), [b0, b1] = ends(b, j, along);
        return max(sub(min(a1, b1), max(a0, b0)), zero);
      }).reduce((p, q) => mul(p, q));
      const all = sub(add(area(b, i), area(b, j)), shared);
      return and(gt(all, zero), gt(shared, zero), gt(div(shared, all), threshold));
    };
    const chosen = (s: Expr): Expr => cast("int32", load(y, [s, 2]));
    return cells({ total: imm(0) }, ({ total }) =>
      block(
        loops(["b", "c"], [batches, classes], ([b, c]) =>
          cells({ start: total.get }, ({ start }) =>
            block(
              loop("i", n, (i) => {
                const low = least ? bin("le", load(scores!, [b, c, i]), scalar(least, zero)) : null;
                return store(used, [i], low ?? imm(0, "bool"));
              }),
              loop("turn", n, () =>
                cells({ best: imm(-1), keep: imm(1) }, ({ best, keep }) =>
                  block(
                    loop("i", n, (i) => {
                      const better = gt(
                        load(scores!, [b, c, i]),
                        load(scores!, [b, c, max(best.get, 0)]),
                      );
                      const free = eq(load(used, [i]), imm(0, "bool"));
                      return when(
                        and(free, bin("or", lt(best.get, 0), better)),
                        best.set(i),
                      );
                    }),
                    when(
                      ge(best.get, 0),
                      block(
                        store(used, [best.get], imm(1, "bool")),
                        loop("s", count, (s) =>
                          when(
                            and(ge(s, start.get), lt(s, total.get)),
                            when(tooNear(b, best.get, chosen(s)), keep.set(imm(0))),
                          )),
                        when(
                          and(
                            eq(keep.get, 1),
                            lt(i64(sub(total.get, start.get)), limit),
                          ),
                          block(
                            when(
                              lt(total.get, count),
                              block(
                                store(y, [total.get, 0], i64(b)),
                                store(y, [total.get, 1], i64(c)),
                                store(y, [total.get, 2], i64(best.get)),
                              ),
                            ),
                            inc(total),
                          ),
                        ),
                      ),
                    ),
                  ))),
            ))),
        store(fits, [], eq(total.get, count)),
      ));
  },
});

const suppression: OpDef<SuppressionAttrs> = {
  name: "NonMaxSuppression",
  onnx: [onnx("NonMaxSuppression", 10, (r) => ({
    centre: r.int("center_point_box", 0) !== 0,
    count: declaredSize(r, 0, 0),
  }))],
  infer(a, ins) {
    operand(ins, 0, "float32");
    operand(ins, 1, "float32");
    return suppressed.infer(a, ins, () => undefined).slice(0, 1);
  },
  body: { kind: "expand", rewrite: (a, ins, _, b) => checked(suppressed, a, ins, b) },
};

export const ops = [
  nonZero,
  compress,
  unique,
  suppression,
  nonZeroPlaces,
  chosenPlaces,
  uniquePlaces,
  suppressed,
] as OpDef<unknown>[];
