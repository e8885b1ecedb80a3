/**
 * Functions that a model brings along (`FunctionProto`): every call becomes the function's nodes,
 * with names of its own. Afterwards a model has operators only.
 */
import type {
  AttributeView,
  FunctionView,
  GraphView,
  ModelView,
  NodeView,
  ValueInfoView,
} from "./reader.ts";
import { trimmed } from "./reader.ts";
import { malformed } from "./wire.ts";

/** Calls in calls: deeper than this is no model. */
const MAX_DEPTH = 64;
/** Functions can double at every level: what all calls together may come to, in characters. */
const MAX_TEXT = 2 ** 26, NODE_TEXT = 2 ** 8;
/** What names take from the call that they come from. */
const LABEL = 120;

const keyOf = (domain: string, name: string, overload: string | undefined): string =>
  JSON.stringify([domain, name, overload ?? ""]);

/** How names and attributes of nodes read where they stand. */
interface Context {
  readonly rename: (name: string) => string;
  /** Attributes of the function, null outside of functions. */
  readonly attributes: ReadonlyMap<string, AttributeView> | null;
  readonly opsets: ReadonlyMap<string, number> | undefined;
  /** Functions that are being inlined. */
  readonly stack: readonly FunctionView[];
}

/**
 * The model without functions. A function of the model goes before an operator of the same name.
 *
 * @throws BurinError `model/malformed` for functions that call themselves, calls that do not fit, and
 * more nodes than a model can have
 */
export function inlineFunctions(model: ModelView): ModelView {
  const inliner = new Inliner(model);
  const outside: Context = {
    rename: (name) => name,
    attributes: null,
    opsets: undefined,
    stack: [],
  };
  return { ...model, functions: [], graph: inliner.graph(model.graph, outside) };
}

class Inliner {
  readonly #functions = new Map<string, FunctionView>();
  readonly #taken: Set<string>;
  /** The next number to try behind a name that is taken. */
  readonly #next = new Map<string, number>();
  #left = MAX_TEXT;

  constructor(readonly model: ModelView) {
    for (const f of model.functions) {
      const key = keyOf(f.domain, f.name, f.overload);
      if (this.#functions.has(key)) {
        throw malformed(`it defines the function '${f.name}' of '${f.domain}' twice`);
      }
      this.#functions.set(key, f);
    }
    this.#taken = new Set(this.#functions.size ? namesOf(model.graph) : []);
  }

  graph(g: GraphView, c: Context): GraphView {
    return { ...g, nodes: this.#nodes(g.nodes, c) };
  }

  #nodes(nodes: readonly NodeView[], c: Context): NodeView[] {
    return nodes.flatMap((n) => {
      const f = this.#functions.get(keyOf(n.domain, n.opType, n.overload));
      const own = this.#node(n, c);
      return f ? this.#call(own, f, c) : [own];
    });
  }

  /** A node with the names and attributes that it has where it is called. */
  #node(n: NodeView, c: Context): NodeView {
    const attributes = n.attributes.flatMap((a) => this.#attribute(a, n, c));
    if (c.attributes === null) return { ...n, attributes };
    return {
      ...n,
      inputs: trimmed(n.inputs.map(c.rename)),
      outputs: n.outputs.map(c.rename),
      attributes,
      opsets: c.opsets,
    };
  }

  #attribute(a: AttributeView, n: NodeView, c: Context): AttributeView[] {
    if (a.ref !== undefined) {
      if (c.attributes === null) {
        throw malformed(
          `the attribute '${a.name}' of the node '${n.name}' has the value of a function's '${a.ref}' ` +
            "and stands in none",
        );
      }
      const given = c.attributes.get(a.ref);
      return given ? [{ ...given, name: a.name }] : [];
    }
    if (a.kind === "graph") return [{ ...a, value: this.#nested(a.value as GraphView, c) }];
    if (a.kind !== "graphs") return [a];
    return [{ ...a, value: (a.value as GraphView[]).map((g) => this.#nested(g, c)) }];
  }

  #nested(g: GraphView, c: Context): GraphView {
    if (c.attributes === null) return this.graph(g, c);
    // Names of dimensions mean nothing outside the function.
    const info = (v: ValueInfoView): ValueInfoView => ({
      name: c.rename(v.name),
      type: {
        ...v.type,
        shape: v.type.shape?.map((d) => typeof d === "string" ? null : d) ?? null,
      },
    });
    return {
      ...g,
      initializers: g.initializers.map((t) => ({ ...t, name: c.rename(t.name) })),
      inputs: g.inputs.map(info),
      outputs: g.outputs.map(info),
      valueInfo: [],
      nodes: this.#nodes(g.nodes, c),
    };
  }

  /** The nodes of a function in place of a call. */
  #call(call: NodeView, f: FunctionView, c: Context): NodeView[] {
    const label = call.name || call.outputs.find((x) => x !== "") || call.opType;
    const at = this.#fresh(label.slice(-LABEL));
    checkCall(label, call, f, c.stack);
    const names = new Map<string, string>([["", ""]]);
    f.inputs.forEach((x, i) => names.set(x, call.inputs[i] ?? ""));
    // An output that is an input too, or stands twice, is a value of its own outside.
    const copies: NodeView[] = [];
    f.outputs.forEach((x, i) => {
      const outside = call.outputs[i] ?? "";
      if (outside === "") return;
      if (!names.has(x)) names.set(x, outside);
      else copies.push(identity(`${at}/${x}`, x, outside, f));
    });
    const rename = (name: string): string => {
      const known = names.get(name);
      if (known !== undefined) return known;
      const made = this.#fresh(`${at}/${name}`);
      names.set(name, made);
      return made;
    };
    const inside: Context = {
      rename,
      attributes: new Map([...f.defaults, ...call.attributes].map((a) => [a.name, a])),
      opsets: new Map([...this.model.opsets, ...f.opsets]),
      stack: [...c.stack, f],
    };
    const body = f.nodes.map((n, i) => {
      const name = `${at}/${n.name || `${n.opType}_${i}`}`;
      this.#take(NODE_TEXT + name.length);
      return { ...n, name };
    });
    return [
      ...this.#nodes(body, inside),
      ...copies.map((n) => ({ ...n, inputs: n.inputs.map(rename) })),
    ];
  }

  #fresh(name: string): string {
    this.#take(name.length);
    let free = name;
    for (let i = this.#next.get(name) ?? 2; this.#taken.has(free); i++) {
      free = `${name}_${i}`;
      this.#next.set(name, i + 1);
    }
    this.#taken.add(free);
    return free;
  }

  #take(text: number): void {
    this.#left -= text;
    if (this.#left < 0) throw malformed("its functions call each other too often to be a model");
  }
}

function checkCall(
  label: string,
  call: NodeView,
  f: FunctionView,
  stack: readonly FunctionView[],
): void {
  if (stack.includes(f)) throw malformed(`its function '${f.name}' calls itself`);
  if (stack.length >= MAX_DEPTH) {
    throw malformed(`its functions are nested deeper than ${MAX_DEPTH}`);
  }
  const over = (kind: string, given: number, has: number): void => {
    if (given <= has) return;
    throw malformed(
      `the node '${label}' has ${given} ${kind}s where its function '${f.name}' has ${has}`,
    );
  };
  over("input", call.inputs.length, f.inputs.length);
  over("output", call.outputs.length, f.outputs.length);
}

const identity = (name: string, from: string, to: string, f: FunctionView): NodeView => ({
  name,
  opType: "Identity",
  domain: "",
  inputs: [from],
  outputs: [to],
  attributes: [],
  opsets: new Map([["", f.opsets.get("") ?? 13]]),
});

/** All names of values in a graph and those nested in it. */
function namesOf(g: GraphView): string[] {
  const nested = (a: AttributeView): string[] => {
    if (a.kind === "graph" && a.ref === undefined) return namesOf(a.value as GraphView);
    return a.kind === "graphs" && a.ref === undefined
      ? (a.value as GraphView[]).flatMap(namesOf)
      : [];
  };
  return [
    ...[...g.inputs, ...g.outputs, ...g.initializers].map((v) => v.name),
    ...g.nodes.flatMap((n) => [...n.inputs, ...n.outputs, ...n.attributes.flatMap(nested)]),
  ];
}
