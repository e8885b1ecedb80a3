/**
 * If, Loop and Scan. Their graphs become nodes of the graph around them: of an If whose condition is
 * known the branch that runs, of another one both; of a loop, whose number of turns must be known, as
 * many copies.
 */
import { tensor } from "../util/tensor.ts";
import type { Builder } from "../ir/build.ts";
import { dims, type Graph, type TensorType, typeText, type Value } from "../ir/graph.ts";
import { capturedBy, inline } from "../ir/inline.ts";
import { type AttrReader, type GraphInput, type OpDef, OpError } from "../ir/opdef.ts";
import { axisIndex, onnx } from "./common.ts";
import { chooseItems, MOST_TURNS, repeatItems } from "./control_items.ts";
import { concat } from "./concat.ts";
import { where } from "./elementwise.ts";
import { slice } from "./movement.ts";
import { identity, reshape } from "./reshape.ts";
import { sizeOfOutput } from "./solve.ts";

/** The values of the enclosing graph that stand behind a node's own inputs. */
function outerValues(graphs: readonly Graph[], ins: readonly (Value | null)[]): Map<Value, Value> {
  const captured = capturedBy(graphs);
  const given = ins.slice(ins.length - captured.length);
  return new Map(captured.map((v, i) => [v, given[i]!]));
}
/** A node's own inputs. */
const ownInputs = <T>(graphs: readonly Graph[], ins: readonly T[]): readonly T[] =>
  ins.slice(0, ins.length - capturedBy(graphs).length);

interface IfAttrs {
  /** The branch that runs, or both: then, else. */
  readonly branches: readonly Graph[];
}

const conditional: OpDef<IfAttrs> = {
  name: "If",
  items: { apply: chooseItems },
  onnx: [onnx("If", 1, (r) => {
    const known = r.constant(0);
    const names = known ? [Number(known.data[0]) ? "then_branch" : "else_branch"] : [
      "then_branch",
      "else_branch",
    ];
    return { branches: names.map((name) => r.graph(name, [])) };
  })],
  infer({ branches: [first, second] }) {
    const types = first.outputs.map((v) => v.type);
    second?.outputs.forEach((v, i) => {
      if (typeText(v.type) === typeText(types[i])) return;
      throw new OpError(
        `its branches give ${typeText(types[i])} and ${typeText(v.type)}`,
        "both need the same type where the condition is computed at run time",
      );
    });
    return types;
  },
  body: {
    kind: "expand",
    rewrite({ branches }, ins, _, b) {
      const outer = outerValues(branches, ins);
      const [first, second] = branches.map((g) => inline(g, [], outer, b));
      if (!second) return first.map((v) => named(v, b));
      return first.map((v, i) => {
        const condition = reshaped(ins[0]!, [], b);
        return b.node(where, null, [condition, v, second[i]])[0];
      });
    },
  },
};

/** A value that a graph merely passes on gets a node of its own. */
const named = (v: Value, b: Builder): Value => b.node(identity, null, [v])[0];
const reshaped = (v: Value, shape: readonly number[], b: Builder): Value =>
  b.node(reshape, { shape, allowZero: true }, [v])[0];

interface LoopAttrs {
  /** One graph a turn. */
  readonly turns: readonly Graph[];
  /** Values that are carried from turn to turn. */
  readonly carried: number;
}

const scalar = (dtype: "int64" | "bool", value: number): GraphInput => {
  const data = tensor(dtype, [], [value]);
  return { type: { dtype, shape: [] }, data };
};

function readLoop(r: AttrReader): LoopAttrs {
  // A count that is not known may follow from what the loop stacks up; then it runs at all.
  const most = r.operandInts(0, sizeOfOutput(0, Math.max(0, r.inputCount - 2)));
  const start = r.operandInts(1, () => [{ values: [1] }]);
  const limit = most?.[0] ?? Infinity;
  let condition = start?.[0] ?? 1;
  let state: GraphInput[] = Array.from({ length: Math.max(0, r.inputCount - 2) }, (_, i) => {
    const type = r.type(i + 2);
    if (!type) throw new OpError(`its input ${i + 2} is missing`);
    const data = r.constant(i + 2);
    return { type, ...data && { data } };
  });
  const turns: Graph[] = [];
  while (turns.length < limit && condition) {
    if (turns.length === MOST_TURNS) throw new OpError(`it runs more than ${MOST_TURNS} times`);
    const g = r.graph("body", [scalar("int64", turns.length), scalar("bool", 1), ...state]);
    const [go, ...next] = g.outputs;
    const passed = go === g.inputs[1];
    if (!go.data && !passed) {
      throw new OpError(
        "whether it goes on is computed at run time",
        "let its body's condition be a constant",
      );
    }
    turns.push(g);
    condition = passed ? 1 : Number(go.data!.data[0]);
    state = next.slice(0, state.length).map((v) => ({
      type: v.type,
      ...v.data && { data: v.data },
    }));
  }
  return { turns, carried: state.length };
}

const stacked = (t: TensorType, n: number): TensorType => ({
  dtype: t.dtype,
  shape: [n, ...t.shape],
});

const loop: OpDef<LoopAttrs> = {
  name: "Loop",
  items: { apply: repeatItems },
  onnx: [onnx("Loop", 1, readLoop)],
  infer({ turns, carried }, ins) {
    const last = turns.at(-1);
    if (!last) return ownInputs(turns, ins).slice(2).map((t) => t!);
    const outs = last.outputs.slice(1).map((v) => v.type);
    return outs.map((t, i) => i < carried ? t : stacked(t, turns.length));
  },
  body: {
    kind: "expand",
    rewrite({ turns, carried }, ins, _, b) {
      const outer = outerValues(turns, ins);
      let state = ownInputs(turns, ins).slice(2) as Value[];
      const rows: Value[][] = [];
      turns.forEach((g, i) => {
        const number = b.constant(tensor("int64", [], [i])),
          go = b.constant(tensor("bool", [], [1]));
        const [, ...next] = inline(g, [number, go, ...state], outer, b);
        state = next.slice(0, carried);
        rows.push(next.slice(carried));
      });
      const columns = (rows[0] ?? []).map((_, j) => rows.map((row) => row[j]));
      return [...state.map((v) => named(v, b)), ...columns.map((c) => stack(c, 0, b))];
    },
  },
};

/** Values one behind another along a new axis. */
function stack(values: readonly Value[], axis: number, b: Builder): Value {
  const parts = values.map((v) => {
    const shape = dims(v.type);
    return reshaped(v, [...shape.slice(0, axis), 1, ...shape.slice(axis)], b);
  });
  return b.node(concat, { axis }, parts)[0];
}

interface ScanAttrs {
  readonly body: Graph;
  readonly states: number;
  readonly turns: number;
  readonly inAxes: readonly number[];
  readonly outAxes: readonly number[];
  readonly inReverse: readonly boolean[];
  readonly outReverse: readonly boolean[];
  /** Its operands, the first left out, have a batch in front: that many loops. */
  readonly batch: number | null;
}

/** @param batched before operator set 9: lengths of the sequences, then operands with a batch */
const readScan = (batched: boolean) => (r: AttrReader): ScanAttrs => {
  const first = batched ? 1 : 0, count = r.inputCount - first;
  const scanned = r.int("num_scan_inputs"), states = count - scanned;
  if (batched && r.type(0)) {
    throw new OpError("it is given lengths of its sequences", "give it whole sequences");
  }
  const whole = Array.from({ length: count }, (_, i) => {
    const type = r.type(first + i);
    if (!type) throw new OpError(`its input ${first + i} is missing`);
    return type;
  });
  if (batched && !(dims(whole[0])[0] >= 1)) throw new OpError("it has no batch", "give it one");
  const types = batched ? whole.map((t) => ({ ...t, shape: t.shape.slice(1) })) : whole;
  const flags = (name: string, n: number): boolean[] => {
    const given = r.ints(name, []);
    return Array.from({ length: n }, (_, i) => (given[i] ?? 0) !== 0);
  };
  const given = r.ints("scan_input_axes", []);
  const inAxes = types.slice(states).map((t, i) => axisIndex(given[i] ?? 0, t.shape.length));
  const body = r.graph("body", [
    ...types.slice(0, states).map((type) => ({ type })),
    ...types.slice(states).map((t, i) => ({
      type: { dtype: t.dtype, shape: t.shape.filter((_, a) => a !== inAxes[i]) },
    })),
  ]);
  const outs = body.outputs.length - states, outGiven = r.ints("scan_output_axes", []);
  return {
    body,
    states,
    turns: inAxes.length ? dims(types[states])[inAxes[0]] : 0,
    inAxes,
    outAxes: Array.from(
      { length: outs },
      (_, i) => axisIndex(outGiven[i] ?? 0, body.outputs[states + i].type.shape.length + 1),
    ),
    inReverse: flags(batched ? "directions" : "scan_input_directions", scanned),
    outReverse: flags("scan_output_directions", outs),
    batch: batched ? dims(whole[0])[0] : null,
  };
};

/** One element along an axis, which goes. */
function element(v: Value, axis: number, at: number, b: Builder): Value {
  const shape = dims(v.type);
  const attrs = { starts: [at], ends: [at + 1], axes: [axis], steps: null };
  const [cut] = b.node(slice, attrs, [v]);
  return reshaped(cut, shape.filter((_, i) => i !== axis), b);
}

/** The states at the end, then what was collected, of one loop. */
function scanned(a: ScanAttrs, own: readonly Value[], outer: Map<Value, Value>, b: Builder) {
  let state = own.slice(0, a.states);
  const rows: Value[][] = [];
  for (let t = 0; t < a.turns; t++) {
    const parts = own.slice(a.states).map((v, i) =>
      element(v, a.inAxes[i], a.inReverse[i] ? a.turns - 1 - t : t, b)
    );
    const next = inline(a.body, [...state, ...parts], outer, b);
    state = next.slice(0, a.states);
    rows.push(next.slice(a.states));
  }
  const columns = a.outAxes.map((axis, j) => {
    const column = rows.map((row) => row[j]);
    return stack(a.outReverse[j] ? column.reverse() : column, axis, b);
  });
  return [...state.map((v) => named(v, b)), ...columns];
}

const scan: OpDef<ScanAttrs> = {
  name: "Scan",
  onnx: [onnx("Scan", 8, readScan(true)), onnx("Scan", 9, readScan(false))],
  infer({ body, states, turns, outAxes, batch }) {
    return body.outputs.map((v, i) => {
      const front = batch === null ? [] : [batch];
      if (i < states) return { ...v.type, shape: [...front, ...v.type.shape] };
      const shape = dims(v.type), axis = outAxes[i - states];
      return { ...v.type, shape: [...front, ...shape.slice(0, axis), turns, ...shape.slice(axis)] };
    });
  },
  body: {
    kind: "expand",
    rewrite(a, ins, _, b) {
      const outer = outerValues([a.body], ins), own = ownInputs([a.body], ins);
      if (a.batch === null) return scanned(a, own as Value[], outer, b);
      const loops = Array.from(
        { length: a.batch },
        (_, n) => scanned(a, own.slice(1).map((v) => element(v!, 0, n, b)), outer, b),
      );
      return loops[0].map((_, i) => stack(loops.map((outs) => outs[i]), 0, b));
    },
  },
};

export const ops = [conditional, loop, scan] as OpDef<unknown>[];
