/** Operators of language models beside Attention, by operators that there are. */
import { type AttrReader, type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import { tensor } from "../util/tensor.ts";
import { swish } from "./activation.ts";
import { type Building, building } from "./building.ts";
import { onnx, operand, sameType, type Types } from "./common.ts";
import { conv } from "./conv.ts";
import { gather } from "./gather.ts";
import { exponential } from "./unary.ts";

interface RotaryAttrs {
  readonly interleaved: boolean;
  /** How many leading elements of a head are rotated; 0: all. */
  readonly rotated: number;
  readonly heads: number;
}

/** Batch, sequence, heads and size of a head, from either form of the operand. */
function rotaryExtents(a: RotaryAttrs, x: TensorType) {
  const shape = dims(x), four = shape.length === 4;
  if (!four && (shape.length !== 3 || a.heads < 1)) {
    throw new OpError(
      `its input [${shape}] has no heads`,
      "give it four axes, or three and num_heads",
    );
  }
  const [batch, sequence] = four ? [shape[0], shape[2]] : shape;
  const heads = four ? shape[1] : a.heads, size = four ? shape[3] : shape[2] / a.heads;
  const rotated = a.rotated || size;
  if (!Number.isInteger(size) || rotated % 2 !== 0 || rotated > size) {
    throw new OpError(`its input [${shape}] does not fit a rotation of ${rotated} elements`);
  }
  return { batch, sequence, heads, size, rotated, four };
}

function rotate(a: RotaryAttrs, g: Building, ins: readonly (Value | null)[]): Value {
  const [x, cosCache, sinCache, positions] = ins as readonly Value[];
  const { batch, sequence, heads, size, rotated, four } = rotaryExtents(a, x.type);
  const rows = four ? g.transpose(x, [0, 2, 1, 3]) : g.reshape(x, [batch, sequence, heads, size]);
  const half = rotated / 2;
  const angle = (cache: Value): Value => {
    const given = positions ? g.apply(gather, { axis: 0 }, cache, positions) : cache;
    const shape = dims(given.type);
    if (`${shape}` !== `${[batch, sequence, half]}`) {
      throw new OpError(
        `its cache gives [${shape}]`,
        `a rotation takes [${batch}, ${sequence}, ${half}]`,
      );
    }
    return g.reshape(given, [batch, sequence, 1, half]);
  };
  const cos = angle(cosCache), sin = angle(sinCache);
  const part = (first: boolean): Value =>
    a.interleaved
      ? g.slice(rows, 3, first ? 0 : 1, rotated, 2)
      : g.slice(rows, 3, first ? 0 : half, first ? half : rotated);
  const x1 = part(true), x2 = part(false);
  const real = g.sub(g.mul(cos, x1), g.mul(sin, x2));
  const imaginary = g.add(g.mul(sin, x1), g.mul(cos, x2));
  const wide = (v: Value): Value => g.reshape(v, [batch, sequence, heads, half, 1]);
  const turned = a.interleaved
    ? g.reshape(g.concat([wide(real), wide(imaginary)], 4), [batch, sequence, heads, rotated])
    : g.concat([real, imaginary], 3);
  const y = rotated === size ? turned : g.concat([turned, g.slice(rows, 3, rotated, size)], 3);
  return four ? g.transpose(y, [0, 2, 1, 3]) : g.reshape(y, [batch, sequence, heads * size]);
}

/** Inputs x, cosines and sines, and positions in these or null. */
const rotaryEmbedding: OpDef<RotaryAttrs> = {
  name: "RotaryEmbedding",
  onnx: [onnx("RotaryEmbedding", 23, (r) => ({
    interleaved: r.int("interleaved", 0) !== 0,
    rotated: r.int("rotary_embedding_dim", 0),
    heads: r.int("num_heads", 0),
  }))],
  infer(a, ins) {
    const x = operand(ins, 0, "float");
    rotaryExtents(a, x);
    return [x];
  },
  body: { kind: "expand", rewrite: (a, ins, _, b) => [rotate(a, building(b), ins)] },
};

/** The positions of every element of a sequence: given, or from where each sequence begins. */
function positionsOf(g: Building, given: Value, batch: number, sequence: number): Value {
  const shape = dims(given.type);
  if (shape.length === 2) return given;
  const steps = Array.from({ length: batch * sequence }, (_, i) => i % sequence);
  const offsets = g.b.constant(tensor(given.type.dtype, [batch, sequence], steps));
  return g.add(g.reshape(given, [1, 1]), offsets);
}

/** The same as onnxruntime has it: inputs x, positions [batch, sequence] or [1], cosines, sines. */
const rotaryMicrosoft: OpDef<RotaryAttrs> = {
  name: "RotaryEmbeddingOfPositions",
  onnx: [{
    domain: "com.microsoft",
    type: "RotaryEmbedding",
    since: 1,
    attrs(r) {
      if (r.int("is_packed_batching", 0) !== 0 || r.float("scale", 1) !== 1) {
        throw new OpError("its batch is packed or scaled", "export it without these attributes");
      }
      const shape = r.type(0)?.shape ?? [], rotated = r.int("rotary_embedding_dim", 0);
      const hidden = Number(shape.at(-1)), half = Number(r.type(2)?.shape.at(-1));
      return {
        interleaved: r.int("interleaved", 0) !== 0,
        rotated,
        // Without a number of heads each is as long as what is rotated.
        heads: r.int("num_heads", 0) || (shape.length === 3 ? hidden / (2 * half) : 0),
      };
    },
  }],
  infer(a, ins) {
    const x = operand(ins, 0, "float"), positions = dims(operand(ins, 1, "int"));
    const { batch, sequence } = rotaryExtents(a, x);
    if (`${positions}` !== "1" && `${positions}` !== `${[batch, sequence]}`) {
      throw new OpError(
        `its positions are [${positions}]`,
        `give it [1] or [${batch}, ${sequence}]`,
      );
    }
    return [x];
  },
  body: {
    kind: "expand",
    rewrite(a, [x, positions, cos, sin], _, b) {
      const g = building(b), { batch, sequence } = rotaryExtents(a, x!.type);
      return [rotate(a, g, [x, cos, sin, positionsOf(g, positions!, batch, sequence)])];
    },
  },
};

/** Swish of the first input times the second. */
const swiglu: OpDef<{ alpha: number }> = {
  name: "SwiGLU",
  onnx: [onnx("SwiGLU", 1, (r) => ({ alpha: r.float("alpha", 1) }))],
  infer(_, ins) {
    const types = [operand(ins, 0, "float"), operand(ins, 1, "float")];
    sameType(types);
    if (`${dims(types[0])}` !== `${dims(types[1])}`) {
      throw new OpError(
        `its inputs are [${dims(types[0])}] and [${dims(types[1])}]`,
        "give them one shape",
      );
    }
    return [types[0]];
  },
  body: {
    kind: "expand",
    rewrite(a, [x, y], _, b) {
      const g = building(b);
      return [g.mul(g.apply(swish, a, x), y!)];
    },
  },
};

/** Inputs x [N, C, L], weight [C, 1, K], bias [C] or null, the K − 1 samples before x or null. */
const causalConv: OpDef<{ silu: boolean }> = {
  name: "CausalConvWithState",
  onnx: [onnx("CausalConvWithState", 1, (r) => {
    const activation = r.string("activation", "none");
    if (!["none", "silu", "swish"].includes(activation)) {
      throw new OpError(`its activation is '${activation}'`, "use none, silu or swish");
    }
    return { silu: activation !== "none" };
  })],
  infer(_, ins) {
    const x = operand(ins, 0, "float"), w = dims(operand(ins, 1, "float")), shape = dims(x);
    const past = ins[3] ? dims(ins[3]) : null, state = [shape[0], shape[1], w[2] - 1];
    const fits = shape.length === 3 && `${w.slice(0, 2)}` === `${[shape[1], 1]}` &&
      (!past || `${past}` === `${state}`);
    if (!fits) {
      throw new OpError(
        `its weight [${w}] does not fit its input [${shape}]`,
        "use [N, C, L] and [C, 1, K]",
      );
    }
    return [x, { dtype: x.dtype, shape: state }];
  },
  body: {
    kind: "expand",
    rewrite({ silu }, [x, w, bias, past], _, b) {
      const g = building(b), [n, c, length] = dims(x!.type), before = dims(w!.type)[2] - 1;
      const zeros = past ?? (before > 0 ? g.fill(0, x!.type.dtype, [n, c, before]) : null);
      const padded = zeros && before > 0 ? g.concat([zeros, x!], 2) : x!;
      const attrs = {
        strides: [],
        dilations: [],
        pads: [],
        autoPad: "NOTSET" as const,
        group: c,
        xZero: 0,
        wZero: 0,
        acc: "int32" as const,
      };
      const y = g.apply(conv, attrs, padded, w, bias);
      const state = g.slice(padded, 2, length, length + before);
      return [silu ? g.apply(swish, { alpha: 1 }, y) : y, state];
    },
  },
};

const RULES = ["linear", "gated", "delta", "gated_delta"] as const;

interface LinearAttentionAttrs {
  readonly rule: typeof RULES[number];
  readonly heads: { readonly q: number; readonly kv: number };
  /** 0: 1/√size. */
  readonly scale: number;
}

/** Steps that are written out, one behind the other. */
const MAX_STEPS = 64;

function readLinear(r: AttrReader): LinearAttentionAttrs {
  const rule = RULES.find((x) => x === r.string("update_rule", "gated_delta"));
  if (!rule) throw new OpError(`its update_rule is '${r.string("update_rule")}'`, RULES.join(", "));
  r.int("chunk_size", 64); // how it is computed, not what
  return {
    rule,
    heads: { q: r.int("q_num_heads"), kv: r.int("kv_num_heads") },
    scale: r.float("scale", 0),
  };
}

function linearExtents(a: LinearAttentionAttrs, ins: Types) {
  const [q, k, v] = [0, 1, 2].map((i) => dims(operand(ins, i, "float")));
  const { q: qHeads, kv } = a.heads, size = q[2] / qHeads, vSize = v[2] / kv;
  const gated = a.rule.startsWith("gated"), delta = a.rule.endsWith("delta");
  const fits = [q, k, v].every((s) => s.length === 3 && s[1] === q[1] && s[0] === q[0]) &&
    qHeads % kv === 0 && k[2] === kv * size && Number.isInteger(vSize) &&
    gated === Boolean(ins[4]) && delta === Boolean(ins[5]);
  if (!fits) {
    throw new OpError(
      `its operands [${q}], [${k}], [${v}] do not fit '${a.rule}'`,
      "gated rules take a decay, delta rules a beta",
    );
  }
  if (q[1] > MAX_STEPS) {
    throw new OpError(
      `its sequence has ${q[1]} steps`,
      `at most ${MAX_STEPS} are written out: feed it in parts, the state from one to the next`,
    );
  }
  return { batch: q[0], steps: q[1], size, vSize, gated, delta };
}

/** Step t of [N, T, heads · size], as [N, heads, …]. */
function step(g: Building, x: Value, t: number, shape: readonly number[]): Value {
  return g.reshape(g.slice(x, 1, t, t + 1), shape);
}

/**
 * Inputs query, key, value [N, T, heads · size], state [N, heads, size, vSize], decay, beta: a state
 * that every step changes and reads.
 */
const linearAttention: OpDef<LinearAttentionAttrs> = {
  name: "LinearAttention",
  onnx: [onnx("LinearAttention", 27, readLinear)],
  infer(a, ins) {
    const e = linearExtents(a, ins), { dtype } = ins[0]!;
    return [
      { dtype, shape: [e.batch, e.steps, a.heads.q * e.vSize] },
      { dtype: (ins[3] ?? ins[0])!.dtype, shape: [e.batch, a.heads.kv, e.size, e.vSize] },
    ];
  },
  body: {
    kind: "expand",
    rewrite(a, ins, outs, b) {
      const g = building(b), e = linearExtents(a, ins.map((v) => v?.type ?? null));
      const { q: qHeads, kv } = a.heads, group = qHeads / kv, { batch, size, vSize } = e;
      const { dtype } = outs[0], wide = dtype === "float64" ? dtype : "float32";
      const [q, k, v, past, decay, beta] = ins.map((x) => x && g.cast(x, wide));
      const scale = g.scalar(a.scale || 1 / Math.sqrt(size), wide);
      let state = past ?? null;
      const results: Value[] = [];
      for (let t = 0; t < e.steps; t++) {
        const key = step(g, k!, t, [batch, kv, 1, size]);
        let value = step(g, v!, t, [batch, kv, 1, vSize]);
        if (e.gated && state) {
          const perHead = dims(decay!.type)[2] === kv;
          const gate = step(g, decay!, t, [batch, kv, perHead ? 1 : size, 1]);
          state = g.mul(state, g.apply(exponential, null, gate));
        }
        if (e.delta) {
          const rate = step(g, beta!, t, [batch, dims(beta!.type)[2], 1, 1]);
          value = g.mul(rate, state ? g.sub(value, g.matmul(key, state)) : value);
        }
        const outer = g.mul(g.reshape(key, [batch, kv, size, 1]), value);
        state = state ? g.add(state, outer) : outer;
        const query = step(g, q!, t, [batch, kv, group, size]);
        const read = g.mul(scale, g.matmul(query, state));
        results.push(g.reshape(read, [batch, 1, qHeads * vSize]));
      }
      return [g.cast(g.concat(results, 1), dtype), g.cast(state!, outs[1].dtype)];
    },
  },
};

export const ops = [
  rotaryEmbedding,
  rotaryMicrosoft,
  swiglu,
  causalConv,
  linearAttention,
] as OpDef<unknown>[];
