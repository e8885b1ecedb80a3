/** If and Loop around sequences: their graphs become nodes where they stand. */
import { numbers, tensor } from "../util/tensor.ts";
import { dims, typeText } from "../ir/graph.ts";
import { isSeveral, type Item, type ItemTools } from "../ir/items.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { building } from "./building.ts";
import { single } from "./sequence.ts";

type Apply = NonNullable<OpDef<null>["items"]>["apply"];

/** More turns than this would be more code than any board holds. */
export const MOST_TURNS = 4096;

/** One of two, chosen when the model runs: they must be of the same form. */
function either(condition: Item, a: Item, b: Item, t: ItemTools): Item {
  const alike = (): never => {
    throw new OpError(
      "its branches give sequences of different lengths",
      "both need the same length where the condition is computed at run time",
    );
  };
  if (isSeveral(a) || isSeveral(b)) {
    if (!isSeveral(a) || !isSeveral(b) || a.items?.length !== b.items?.length) return alike();
    const others = b.items;
    if (!a.items || !others) return a;
    return { items: a.items.map((v, i) => either(condition, v, others[i], t)) };
  }
  if (typeText(a.type) !== typeText(b.type)) {
    throw new OpError(`its branches give ${typeText(a.type)} and ${typeText(b.type)}`);
  }
  const g = building(t.b);
  return g.where(g.reshape(single(condition, "its condition"), []), a, b);
}

export const chooseItems: Apply = (_, [condition], t) => {
  const known = t.data(single(condition, "its condition"));
  if (known) return t.inline(numbers(known)[0] ? "then_branch" : "else_branch", []);
  const others = t.inline("else_branch", []);
  return t.inline("then_branch", []).map((v, i) => either(condition!, v, others[i], t));
};

export const repeatItems: Apply = (r, [, , ...given], t) => {
  const limit = r.operandInts(0)?.[0] ?? Infinity, g = building(t.b);
  let state = given.map((v, i): Item => {
    if (!v) throw new OpError(`its input ${i + 2} is missing`);
    return v;
  });
  const rows: Item[][] = [];
  let go = (r.operandInts(1)?.[0] ?? 1) !== 0;
  while (go && rows.length < limit) {
    if (rows.length === MOST_TURNS) throw new OpError(`it runs more than ${MOST_TURNS} times`);
    const turn = t.b.constant(tensor("int64", [], [rows.length]));
    const on = t.b.constant(tensor("bool", [], [1]));
    const [next, ...outs] = t.inline("body", [turn, on, ...state]);
    const known = t.data(single(next, "its condition"));
    if (!known) throw new OpError("whether it goes on is computed at run time");
    go = numbers(known)[0] !== 0;
    state = outs.slice(0, state.length);
    rows.push(outs.slice(state.length));
  }
  const columns = (rows[0] ?? []).map((_, k) =>
    rows.map((row) => {
      const v = single(row[k], "what it stacks up");
      return g.reshape(v, [1, ...dims(v.type)]);
    })
  );
  return [...state, ...columns.map((c) => g.concat(c, 0))];
};
