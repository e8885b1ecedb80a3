/** Damaged ONNX files: the same seed gives the same files on every machine. */
import proto from "onnx-proto";

/** A generator of numbers in [0, 1) (mulberry32, public domain, Tommy Ettinger). */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface Mutant {
  readonly what: string;
  readonly bytes: Uint8Array;
}
type Random = () => number;
type Graph = proto.onnx.IGraphProto;

const below = (r: Random, n: number): number => Math.floor(r() * n);
const pick = <T>(r: Random, list: readonly T[]): T | undefined => list[below(r, list.length)];

/** Damage to the bytes, whatever they mean. */
const BYTES: Readonly<Record<string, (b: Uint8Array, r: Random) => Uint8Array>> = {
  truncate: (b, r) => b.slice(0, below(r, b.length)),
  beheaded: (b, r) => b.slice(1 + below(r, b.length - 1)),
  flip(b, r) {
    const c = b.slice();
    for (let i = 1 + below(r, 8); i > 0; i--) c[below(r, c.length)] ^= 1 << below(r, 8);
    return c;
  },
  "flip near the start"(b, r) {
    const c = b.slice();
    c[below(r, Math.min(c.length, 200))] = below(r, 256);
    return c;
  },
  overwrite(b, r) {
    const c = b.slice(), at = below(r, c.length);
    c.fill(below(r, 256), at, at + below(r, 64));
    return c;
  },
  "cut a piece out"(b, r) {
    const at = below(r, b.length), end = Math.min(b.length, at + 1 + below(r, 64));
    return new Uint8Array([...b.slice(0, at), ...b.slice(end)]);
  },
  "repeat a piece"(b, r) {
    const at = below(r, b.length), end = Math.min(b.length, at + 1 + below(r, 64));
    return new Uint8Array([...b.slice(0, end), ...b.slice(at)]);
  },
  garbage: (b, r) => Uint8Array.from({ length: 1 + below(r, b.length) }, () => below(r, 256)),
};

const WRONG_SIZES = [-1, 0, 1, 3, 7, 65537, 2 ** 31 - 1, 2 ** 31, 2 ** 40, 2 ** 53, -(2 ** 31)];

/** Damage to what the file says, in valid protobuf. */
const FIELDS: Readonly<Record<string, (g: Graph, r: Random) => void>> = {
  "circle"(g, r) {
    const n = pick(r, g.node!), m = pick(r, g.node!);
    if (n && m) n.input = [...m.output ?? [], ...(n.input ?? []).slice(1)];
  },
  "unknown input"(g, r) {
    const n = pick(r, g.node!);
    if (n?.input?.length) n.input[below(r, n.input.length)] = "nowhere";
  },
  "wrong input"(g, r) {
    const n = pick(r, g.node!), m = pick(r, g.node!);
    if (n?.input?.length && m?.input?.length) {
      n.input[below(r, n.input.length)] = pick(r, m.input)!;
    }
  },
  "input left out"(g, r) {
    const n = pick(r, g.node!);
    if (n?.input?.length) n.input[below(r, n.input.length)] = "";
  },
  "inputs missing"(g, r) {
    const n = pick(r, g.node!);
    if (n) n.input = (n.input ?? []).slice(0, below(r, 2));
  },
  "duplicate output"(g, r) {
    const n = pick(r, g.node!), m = pick(r, g.node!);
    if (n && m) n.output = m.output;
  },
  "duplicate initialiser"(g, r) {
    const t = pick(r, g.initializer!);
    if (t) g.initializer!.push(t);
  },
  "weight dimension"(g, r) {
    const t = pick(r, g.initializer!);
    if (t?.dims?.length) t.dims[below(r, t.dims.length)] = pick(r, WRONG_SIZES)!;
  },
  "weight rank"(g, r) {
    const t = pick(r, g.initializer!);
    if (t) t.dims = [...t.dims ?? [], 1];
  },
  "weight type"(g, r) {
    const t = pick(r, g.initializer!);
    if (t) t.dataType = below(r, 30);
  },
  "weight bytes"(g, r) {
    const t = pick(r, g.initializer!);
    if (t?.rawData?.length) t.rawData = t.rawData.slice(below(r, 4));
  },
  "weight values"(g, r) {
    const t = pick(r, g.initializer!);
    if (t?.rawData) t.rawData = Uint8Array.from(t.rawData, () => below(r, 256));
  },
  "weights elsewhere"(g, r) {
    const t = pick(r, g.initializer!);
    if (!t) return;
    t.dataLocation = 1;
    t.externalData = [{ key: "location", value: "../../../etc/passwd" }];
  },
  "input dimension"(g, r) {
    const d = pick(r, pick(r, g.input!)?.type?.tensorType?.shape?.dim ?? []);
    if (d) d.dimValue = pick(r, WRONG_SIZES)!;
  },
  "input type"(g, r) {
    const t = pick(r, g.input!)?.type?.tensorType;
    if (t) t.elemType = below(r, 30);
  },
  "output type"(g, r) {
    const t = pick(r, g.output!)?.type?.tensorType;
    if (t) t.elemType = below(r, 30);
  },
  "attribute value"(g, r) {
    const a = pick(r, pick(r, g.node!.filter((n) => n.attribute?.length))?.attribute ?? []);
    if (a?.ints?.length) a.ints[below(r, a.ints.length)] = pick(r, WRONG_SIZES)!;
    else if (a) a.i = pick(r, WRONG_SIZES)!;
  },
  "attribute length"(g, r) {
    const a = pick(r, pick(r, g.node!.filter((n) => n.attribute?.length))?.attribute ?? []);
    if (a) a.ints = (a.ints ?? []).slice(below(r, 2));
  },
  "attribute kind"(g, r) {
    const a = pick(r, pick(r, g.node!.filter((n) => n.attribute?.length))?.attribute ?? []);
    if (a) a.type = below(r, 12);
  },
  "attributes gone"(g, r) {
    const n = pick(r, g.node!);
    if (n) n.attribute = [];
  },
  "operator"(g, r) {
    const n = pick(r, g.node!), m = pick(r, g.node!);
    if (n && m) [n.opType, n.domain] = [m.opType, m.domain];
  },
  "node gone"(g, r) {
    g.node!.splice(below(r, g.node!.length), 1);
  },
  "outputs gone": (g) => void (g.output = []),
  "nested in itself"(g, r) {
    const n = pick(r, g.node!);
    if (n) {
      n.attribute!.push({
        name: "body",
        type: 5,
        g: proto.onnx.GraphProto.decode(proto.onnx.GraphProto.encode(g).finish()),
      });
    }
  },
};

export const KINDS: readonly string[] = [...Object.keys(BYTES), ...Object.keys(FIELDS)];

/** One damaged copy of a model. */
export function mutant(model: Uint8Array, kind: string, seed: number): Mutant {
  const r = random(seed);
  const what = `${kind}, seed ${seed}`;
  if (kind in BYTES) return { what, bytes: BYTES[kind](model, r) };
  const m = proto.onnx.ModelProto.decode(model);
  FIELDS[kind](m.graph!, r);
  return { what, bytes: proto.onnx.ModelProto.encode(m).finish() };
}
