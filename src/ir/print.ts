/** Graphs as text, stable and made to be read and diffed; operator counts. */
import { isFloat } from "../util/dtype.ts";
import { numbers, type TensorData } from "../util/tensor.ts";
import { constants } from "./build.ts";
import { type Graph, type Node, typeText, type Value } from "./graph.ts";

/** Constants of up to this many elements are printed where they are used. */
const INLINE = 4;
/** Constants of up to this many elements are printed whole. */
const WHOLE = 16;

/**
 * The text of a graph:
 *
 * ```
 * graph kws
 *   input %x: int8[1,49,10,1]
 *   const %w: int8[64,1,10,4] = -127 .. 127
 *   %y: int8[1,64,25,5] = Conv(%x, %w, int32[] 5) {strides=[2,2]}  // "onnx/node/name"
 *   output %y as "Identity"
 * ```
 */
export function printGraph(g: Graph): string {
  return lines(g, `graph ${nameText(g.name)}`).join("\n") + "\n";
}

function lines(g: Graph, head: string): string[] {
  const text = [head];
  for (const v of g.inputs) text.push(`  input ${ref(v)}: ${typeText(v.type)}`);
  for (const s of g.states) {
    text.push(`  state ${nameText(s.name)}: ${ref(s.input)} <- ${ref(s.output)}`);
  }
  for (const v of constants(g)) {
    if (isInline(v)) continue;
    text.push(`  const ${ref(v)}: ${typeText(v.type)} = ${dataText(v.data!)}`);
  }
  for (const n of g.nodes) text.push(...nodeLines(n).map((l) => `  ${l}`));
  g.outputs.forEach((v, i) => text.push(`  output ${operand(v)} as ${quoted(g.outputNames[i])}`));
  return text;
}

function nodeLines(n: Node): string[] {
  const outs = n.outs.map((v) => `${ref(v)}: ${typeText(v.type)}`).join(", ");
  const ins = n.ins.map((v) => v ? operand(v) : "none").join(", ");
  const attrs = attrsText(n.attrs);
  const origin = (n.origin.length ? n.origin : [n.name]).map(quoted).join(", ");
  const text = [`${outs} = ${n.op.name}(${ins})${attrs ? ` ${attrs}` : ""}  // ${origin}`];
  n.bodies.forEach((b, i) =>
    text.push(...lines(b, `body ${i} ${nameText(b.name)}`).map((l) => `  ${l}`))
  );
  return text;
}

/** One node as {@link printGraph} prints it, nested graphs included. */
export const printNode = (n: Node): string => nodeLines(n).join("\n");

const isInline = (v: Value): boolean => v.data !== undefined && v.data.data.length <= INLINE;

const ref = (v: Value): string => `%${nameText(v.name)}`;
const operand = (v: Value): string =>
  isInline(v) ? `${typeText(v.type)} ${dataText(v.data!)}` : ref(v);

/** Names as they are where nothing in them could be taken for something else. */
const nameText = (name: string): string => /^[^\s(),"={}%]+$/.test(name) ? name : quoted(name);
const quoted = (text: string): string => JSON.stringify(text);

/** Elements of a small tensor, or the range of a large one. */
function dataText(t: TensorData): string {
  const print = (x: number | bigint): string => t.dtype === "float32" ? f32Text(Number(x)) : `${x}`;
  if (t.data.length <= WHOLE) {
    const list = Array.from(t.data as ArrayLike<number | bigint>, print);
    return t.shape.length === 0 ? list[0] : `{${list.join(", ")}}`;
  }
  if (isFloat(t.dtype) && t.dtype !== "float32" && t.dtype !== "float64") return "{…}";
  let lo = Infinity, hi = -Infinity, nan = 0;
  for (const x of numbers(t)) {
    if (x < lo) lo = x;
    if (x > hi) hi = x;
    if (x !== x) nan++;
  }
  return `${print(lo)} .. ${print(hi)}${nan ? ` and ${nan} NaN` : ""}`;
}

/** The shortest decimal that is this float32. */
function f32Text(x: number): string {
  if (!Number.isFinite(x) || Number.isInteger(x)) return Object.is(x, -0) ? "-0" : String(x);
  for (let digits = 1; digits < 9; digits++) {
    const s = Number(x.toPrecision(digits));
    if (Math.fround(s) === x) return String(s);
  }
  return String(Number(x.toPrecision(9)));
}

/** `{strides=[1,1], group=1}`; what is null or undefined is left out. */
function attrsText(attrs: unknown): string {
  if (attrs === null || attrs === undefined) return "";
  if (typeof attrs !== "object" || Array.isArray(attrs)) return `{${attrText(attrs)}}`;
  const list = Object.entries(attrs)
    .filter(([, v]) => v !== null && v !== undefined)
    .map(([k, v]) => `${k}=${attrText(v)}`);
  return list.length ? `{${list.join(", ")}}` : "";
}

function attrText(v: unknown): string {
  if (Array.isArray(v)) return `[${v.map(attrText).join(",")}]`;
  if (typeof v === "number" && v === Math.fround(v)) return f32Text(v);
  if (typeof v === "function") return v.name;
  if (v === null || typeof v !== "object") return String(v);
  if ("dtype" in v && "data" in v && "shape" in v) {
    const t = v as TensorData;
    return `${typeText(t)} ${dataText(t)}`;
  }
  if (ArrayBuffer.isView(v)) return attrText(Array.from(v as unknown as ArrayLike<unknown>));
  if ("name" in v && typeof v.name === "string") return nameText(v.name);
  return attrsText(v) || "{}";
}

/** Nodes by operator in order of name, nested graphs included. */
export function countOps(g: Graph): Map<string, number> {
  const counts = new Map<string, number>();
  const count = (g: Graph): void => {
    for (const n of g.nodes) {
      counts.set(n.op.name, (counts.get(n.op.name) ?? 0) + 1);
      n.bodies.forEach(count);
    }
  };
  count(g);
  return new Map([...counts].sort(([a], [b]) => a < b ? -1 : 1));
}
