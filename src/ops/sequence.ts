/** Sequences and optionals whose lengths are known: they go when a model is read. */
import { numbers, tensor } from "../util/tensor.ts";
import { dims, typeText, type Value } from "../ir/graph.ts";
import { isSeveral, type Item, type ItemTools, type Several } from "../ir/items.ts";
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { building } from "./building.ts";
import { axisIndex, noAttrs, onnx } from "./common.ts";
import { add, compare } from "./elementwise.ts";

import { gather } from "./gather.ts";
import { split } from "./movement.ts";

type Items = readonly (Item | null)[];
type Apply = NonNullable<OpDef<null>["items"]>["apply"];

/** The elements of an operand that is a sequence. */
export function sequence(ins: Items, i: number): readonly Item[] {
  const v = ins[i];
  if (!isSeveral(v) || v.items === null) throw new OpError(`its input ${i} is no sequence`);
  return v.items;
}

/** An operand that is a tensor. */
export function single(v: Item | null | undefined, what: string): Value {
  if (!v || isSeveral(v)) throw new OpError(`${what} is no tensor`);
  return v;
}

const values = (items: readonly Item[]): Value[] =>
  items.map((v) => single(v, "an element of its sequence"));

/** Elements of one type, among which one can be chosen when the model runs. */
function alike(items: readonly Item[], what: string): Value[] {
  const all = values(items), types = new Set(all.map((v) => typeText(v.type)));
  if (types.size === 1) return all;
  throw new OpError(
    `its ${what} is computed when the model runs, and the elements of its sequence are ` +
      (types.size ? [...types].join(" and ") : "none"),
    `make the ${what} a constant, or all elements of one shape`,
  );
}

/** A position that is known, counted from the front; null where it is computed at run time. */
function position(v: Item | null | undefined, n: number, last: number, t: ItemTools) {
  const at = t.data(single(v, "its position"));
  if (!at) return null;
  const [given] = numbers(at), index = given < 0 ? given + n : given;
  if (index >= 0 && index <= last) return index;
  throw new OpError(`its position ${given} is outside of a sequence of ${n}`);
}

/** The position as a scalar that counts from the front, held inside. */
function counted(v: Value, n: number, { b }: ItemTools): Value {
  const g = building(b), at = g.reshape(g.cast(v, "int64"), []), zero = g.scalar(0, "int64");
  const negative = g.apply(compare.less, null, at, zero);
  return g.where(negative, g.apply(add, null, at, g.scalar(n, "int64")), at);
}

const insert: Apply = (_, ins, t) => {
  const items = sequence(ins, 0), n = items.length, x = ins[1]!;
  const at = ins[2] ? position(ins[2], n, n, t) : n;
  if (at !== null) return [{ items: items.toSpliced(at, 0, x) }];
  const all = alike([...items, x], "position"), added = all[n];
  const g = building(t.b), index = counted(ins[2] as Value, n, t);
  return [{
    items: all.map((_, i) => {
      const here = g.apply(compare.equal, null, index, g.scalar(i, "int64"));
      if (i === n) return g.where(here, added, all[n - 1] ?? added);
      const later = g.apply(compare.less, null, g.scalar(i, "int64"), index);
      const moved = i === 0 ? added : g.where(here, added, all[i - 1]);
      return g.where(later, all[i], moved);
    }),
  }];
};

const erase: Apply = (_, ins, t) => {
  const items = sequence(ins, 0), n = items.length;
  const at = ins[1] ? position(ins[1], n, n - 1, t) : n - 1;
  if (n === 0) throw new OpError("its sequence is empty");
  if (at !== null) return [{ items: items.toSpliced(at, 1) }];
  const all = alike(items, "position"), g = building(t.b);
  const index = counted(ins[1] as Value, n, t);
  return [{
    items: all.slice(1).map((next, i) =>
      g.where(g.apply(compare.less, null, g.scalar(i, "int64"), index), all[i], next)
    ),
  }];
};

const at: Apply = (_, ins, t) => {
  const items = sequence(ins, 0), n = items.length;
  const known = position(ins[1], n, n - 1, t);
  if (known !== null) return [items[known]];
  const all = alike(items, "position"), g = building(t.b);
  const rows = all.map((v) => g.reshape(v, [1, ...dims(v.type)]));
  const index = g.reshape(g.cast(ins[1] as Value, "int64"), []);
  return [g.apply(gather, { axis: 0 }, g.concat(rows, 0), index)];
};

const length: Apply = (_, ins, { b }) => [
  b.constant(tensor("int64", [], [sequence(ins, 0).length])),
];

/** The sizes of the parts: given, or all as one number says, the last one smaller. */
function partSizes(r: AttrReader, n: number): { sizes: number[]; whole: boolean } {
  if (r.inputCount < 2 || !r.type(1)) {
    return { sizes: new Array(n).fill(1), whole: r.int("keepdims", 1) !== 0 };
  }
  const given = r.operandInts(1)!;
  if (r.type(1)!.shape.length > 0) return { sizes: [...given], whole: true };
  const [each] = given;
  if (each < 1) throw new OpError(`its parts have the size ${each}`);
  const count = Math.ceil(n / each);
  const sizes = Array.from({ length: count }, (_, i) => Math.min(each, n - i * each));
  return { sizes, whole: true };
}

const splitToSequence: Apply = (r, ins, { b }) => {
  const x = single(ins[0], "its input"), shape = dims(x.type);
  const axis = axisIndex(r.int("axis", 0), shape.length);
  const { sizes, whole } = partSizes(r, shape[axis]), g = building(b);
  const parts = b.node(split, { axis, split: sizes, parts: sizes.length }, [x]);
  return [{
    items: whole ? parts : parts.map((p) => g.reshape(p, shape.toSpliced(axis, 1))),
  }];
};

const concatFromSequence: Apply = (r, ins, { b }) => {
  const all = values(sequence(ins, 0)), g = building(b), added = r.int("new_axis", 0) !== 0;
  if (all.length === 0) throw new OpError("its sequence is empty");
  const shape = dims(all[0].type);
  const axis = axisIndex(r.int("axis"), shape.length + (added ? 1 : 0));
  const parts = added ? all.map((v) => g.reshape(v, dims(v.type).toSpliced(axis, 0, 1))) : all;
  return [g.concat(parts, axis)];
};

/** Its graph once an element of its first sequence. */
const map: Apply = (_, ins, t) => {
  const n = sequence(ins, 0).length;
  const rows = Array.from({ length: n }, (_, i) =>
    t.inline(
      "body",
      ins.map((v, k) => {
        if (!v) throw new OpError(`its input ${k} is missing`);
        if (!isSeveral(v)) return v;
        const items = sequence(ins, k);
        if (items.length === n) return items[i];
        throw new OpError(`its sequences have ${n} and ${items.length} elements`);
      }),
    ));
  if (n === 0) throw new OpError("its sequence is empty");
  return rows[0].map((_, k): Several => ({ items: rows.map((row) => row[k]) }));
};

const element: Apply = (_, ins) => {
  const [v] = ins;
  if (!v || (isSeveral(v) && v.items === null)) throw new OpError("its optional has no element");
  return [v];
};

const hasElement: Apply = (_, ins, { b }) => {
  const [v = null] = ins;
  const there = v !== null && !(isSeveral(v) && v.items === null);
  return [b.constant(tensor("bool", [], [there ? 1 : 0]))];
};

function operator(name: string, since: number, apply: Apply): OpDef<null> {
  const never = (): never => {
    throw new OpError("its sequence is no sequence");
  };
  return {
    name,
    onnx: [onnx(name, since, noAttrs)],
    infer: never,
    body: { kind: "expand", rewrite: never },
    items: { always: true, apply },
  };
}

export const ops = [
  operator("SequenceEmpty", 11, () => [{ items: [] }]),
  operator("SequenceConstruct", 11, (_, ins) => [{ items: values(ins as readonly Item[]) }]),
  operator("SequenceInsert", 11, insert),
  operator("SequenceErase", 11, erase),
  operator("SequenceAt", 11, at),
  operator("SequenceLength", 11, length),
  operator("SplitToSequence", 11, splitToSequence),
  operator("ConcatFromSequence", 11, concatFromSequence),
  operator("SequenceMap", 17, map),
  operator("Optional", 15, (_, [v]) => [v ?? { items: null }]),
  operator("OptionalGetElement", 15, element),
  operator("OptionalHasElement", 15, hasElement),
] as OpDef<unknown>[];
