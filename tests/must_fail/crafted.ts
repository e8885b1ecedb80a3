/** Models that were made to hurt: each is a valid file that says something no compiler can do. */
import type proto from "onnx-proto";
import {
  floatAttr,
  graph,
  graphAttr,
  model,
  type ModelParts,
  node,
  rawTensor,
  tensor,
  tensorAttr,
  value,
} from "../onnx_builder.ts";

/** A file and the codes that it may be answered with; `compiled` is one. */
export interface Crafted {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly codes: readonly string[];
}

type Attrs = Parameters<typeof node>[3];
type Values = readonly number[];
const MALFORMED = "model/malformed", UNSUPPORTED = "model/unsupported-operators";
const SCALE = "model/bad-scale",
  OPERATOR = "model/bad-operator",
  MISMATCH = "model/output-mismatch";
const TOO_LARGE = "model/too-large", TYPE = "model/unsupported-type";

const made = (what: string, codes: string | readonly string[], p: ModelParts): Crafted => ({
  what,
  bytes: model(p),
  codes: [codes].flat(),
});

const X = value("x", "float32", [1, 2, 8, 8]);
/** Anything may be declared of the output: only what cannot be declared is checked elsewhere. */
const Y = value("y", "float32", null);
const float = (name: string, dims: number[], fill = 0.5): proto.onnx.ITensorProto =>
  tensor(name, "float32", dims, new Array(dims.reduce((p, d) => p * d, 1)).fill(fill));

/** One node that reads x and constants. */
const one = (
  what: string,
  codes: string | readonly string[],
  type: string,
  constants: proto.onnx.ITensorProto[],
  attrs: Attrs = {},
  p: ModelParts = {},
): Crafted =>
  made(what, codes, {
    inputs: [X],
    outputs: [Y],
    nodes: [node(type, ["x", ...constants.map((t) => t.name!)], ["y"], attrs)],
    initializers: constants,
    ...p,
  });

const HUGE = [10 ** 9, 2 ** 31 - 1, 2 ** 40, 2 ** 53, Number.MAX_SAFE_INTEGER];

function windows(): Crafted[] {
  const conv = (what: string, attrs: Attrs, w = float("w", [3, 2, 3, 3])) =>
    one(`Conv with ${what}`, UNSUPPORTED, "Conv", [w], attrs);
  const pool = (type: string, what: string, attrs: Attrs) =>
    one(`${type} with ${what}`, UNSUPPORTED, type, [], attrs);
  const absurd: [string, Attrs][] = [
    ["a stride of 0", { kernel_shape: [3, 3], strides: [0, 1] }],
    ["a negative stride", { kernel_shape: [3, 3], strides: [1, -1] }],
    ["a dilation of 0", { kernel_shape: [3, 3], dilations: [0, 0] }],
    ["a negative dilation", { kernel_shape: [3, 3], dilations: [-1, 1] }],
    ["too few strides", { kernel_shape: [3, 3], strides: [1] }],
    ["too many pads", { kernel_shape: [3, 3], pads: [1, 1, 1, 1, 1, 1] }],
    ["too few pads", { kernel_shape: [3, 3], pads: [1, 1] }],
    ["an unknown auto_pad", { kernel_shape: [3, 3], auto_pad: "SOMETIMES" }],
    ["a huge dilation", { kernel_shape: [3, 3], dilations: [10 ** 9, 10 ** 9] }],
  ];
  const kernels: [string, Attrs][] = [
    ["a kernel of 0", { kernel_shape: [0, 0] }],
    ["a negative kernel", { kernel_shape: [-3, 3] }],
    ["a kernel of three axes", { kernel_shape: [3, 3, 3] }],
    ["no kernel", {}],
    ...HUGE.map((n): [string, Attrs] => [`a kernel of ${n}`, { kernel_shape: [n, n] }]),
  ];
  const pads = [...HUGE, -9, -(2 ** 40)];
  const codes = [UNSUPPORTED, TOO_LARGE];
  return [
    ...absurd.flatMap(([what, attrs]) => [
      conv(what, attrs),
      pool("MaxPool", what, attrs),
      pool("AveragePool", what, attrs),
    ]),
    ...kernels.slice(0, 3).map(([what, attrs]) => conv(what, attrs)),
    ...kernels.flatMap(([what, attrs]) => [
      pool("MaxPool", what, attrs),
      pool("AveragePool", what, attrs),
    ]),
    ...pads.flatMap((n) =>
      ["Conv", "MaxPool", "AveragePool"].map((type) =>
        one(
          `${type} with pads of ${n}`,
          codes,
          type,
          type === "Conv" ? [float("w", [3, 2, 3, 3])] : [],
          { kernel_shape: [3, 3], pads: [n, n, n, n] },
        )
      )
    ),
    ...[0, -1, 3, 10 ** 9].map((n) => conv(`${n} groups`, { group: n })),
    conv("weights of rank 3", {}, float("w", [3, 2, 3])),
    conv("weights of rank 0", {}, float("w", [])),
    conv("weights without channels", {}, float("w", [3, 0, 3, 3])),
    conv("integer weights", {}, tensor("w", "int32", [1, 2, 1, 1], [1, 1])),
    one("Conv with a bias of another length", UNSUPPORTED, "Conv", [
      float("w", [3, 2, 3, 3]),
      float("b", [4]),
    ]),
    one("Conv with a bias of rank 2", UNSUPPORTED, "Conv", [
      float("w", [3, 2, 3, 3]),
      float("b", [1, 3]),
    ]),
    // Compiling must not take as long as running would.
    made("windows of 10^16 sums", "model/does-not-fit", {
      inputs: [value("x", "float32", [1, 1, 20000, 20000])],
      outputs: [Y],
      nodes: [node("AveragePool", ["x"], ["y"], {
        kernel_shape: [10000, 10000],
        pads: [5000, 5000, 4999, 4999],
      })],
    }),
  ];
}

const BAD_SCALES: readonly [string, number][] = [
  ["NaN", NaN],
  ["infinite", Infinity],
  ["minus infinite", -Infinity],
  ["zero", 0],
  ["minus zero", -0],
  ["negative", -0.5],
];

function quantised(): Crafted[] {
  const q = value("x", "int8", [1, 2, 8, 8]), out = value("y", "int8", null);
  const scale = (name: string, s: number, dims: number[] = []) =>
    tensor(name, "float32", dims, new Array(dims[0] ?? 1).fill(s));
  const zero = (name: string, z = 0, dtype = "int8") => tensor(name, dtype, [], [z]);
  const w = (dims = [3, 2, 3, 3]) =>
    tensor("w", "int8", dims, new Array(dims.reduce((p, d) => p * d, 1)).fill(1));
  const qlinear = (
    what: string,
    codes: string | readonly string[],
    [sx, sw, sy]: proto.onnx.ITensorProto[],
    [zx, zw, zy]: proto.onnx.ITensorProto[],
    more: proto.onnx.ITensorProto[] = [],
  ) =>
    made(`QLinearConv with ${what}`, codes, {
      inputs: [q],
      outputs: [out],
      nodes: [node(
        "QLinearConv",
        ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", ...more.map((t) => t.name!)],
        ["y"],
      )],
      initializers: [sx, zx, w(), sw, zw, sy, zy, ...more],
    });
  const fine = [scale("sx", 0.5), scale("sw", 0.5), scale("sy", 0.5)];
  const zeros = [zero("zx"), zero("zw"), zero("zy")];
  const qdq = (
    what: string,
    codes: string | readonly string[],
    s: proto.onnx.ITensorProto,
    z: proto.onnx.ITensorProto,
    attrs: Attrs = {},
  ) =>
    made(`Quantize/DequantizeLinear with ${what}`, codes, {
      inputs: [X],
      outputs: [Y],
      nodes: [
        node("QuantizeLinear", ["x", "s", "z"], ["q"], attrs),
        node("DequantizeLinear", ["q", "s", "z"], ["y"], attrs),
      ],
      initializers: [s, z],
    });
  const bad = [SCALE, UNSUPPORTED, OPERATOR];
  return [
    ...BAD_SCALES.flatMap(([what, s]) => [
      ...fine.map((t, i) =>
        qlinear(`a ${what} ${t.name}`, bad, fine.with(i, scale(t.name!, s)), zeros)
      ),
      qdq(`a ${what} scale`, bad, scale("s", s), zero("z")),
      qdq(`a ${what} scale in a channel`, bad, {
        ...scale("s", 1, [2]),
        floatData: [1, s],
      }, tensor("z", "int8", [2], [0, 0])),
      made(`QLinearAdd with a ${what} scale`, bad, {
        opsets: { "": 17, "com.microsoft": 1 },
        inputs: [q],
        outputs: [out],
        nodes: [node("com.microsoft:QLinearAdd", ["x", "s", "z", "x", "t", "z", "t", "z"], ["y"])],
        initializers: [scale("s", s), scale("t", 1), zero("z")],
      }),
    ]),
    // The smallest and largest that a file can hold, and products that leave float32.
    ...[1e-45, 1e-38, 3e38].flatMap((s) => [
      qdq(`a scale of ${s}`, ["compiled", ...bad], scale("s", s), zero("z")),
      ...fine.map((t, i) =>
        qlinear(
          `a ${t.name} of ${s}`,
          ["compiled", ...bad],
          fine.with(i, scale(t.name!, s)),
          zeros,
        )
      ),
    ]),
    qlinear(
      "scales whose product underflows",
      ["compiled", ...bad],
      [scale("sx", 1e-30), scale("sw", 1e-30), scale("sy", 1)],
      zeros,
    ),
    qlinear(
      "scales whose product overflows",
      ["compiled", ...bad],
      [scale("sx", 1e30), scale("sw", 1e30), scale("sy", 1e-30)],
      zeros,
    ),
    qlinear("a zero point of another type", UNSUPPORTED, fine, [
      zero("zx", 0, "uint8"),
      zeros[1],
      zeros[2],
    ]),
    qlinear("a zero point past its type", ["compiled", UNSUPPORTED, MALFORMED], fine, [
      zero("zx", 1000),
      zeros[1],
      zeros[2],
    ]),
    qlinear("a float zero point", UNSUPPORTED, fine, [
      scale("zx", 0),
      zeros[1],
      zeros[2],
    ]),
    qlinear("a scale of rank 2", UNSUPPORTED, [
      fine[0],
      tensor("sw", "float32", [3, 1], [1, 1, 1]),
      fine[2],
    ], zeros),
    qlinear("a scale of the wrong length", UNSUPPORTED, [
      fine[0],
      scale("sw", 1, [4]),
      fine[2],
    ], zeros),
    qlinear("an empty scale", UNSUPPORTED, [
      fine[0],
      tensor("sw", "float32", [0], []),
      fine[2],
    ], zeros),
    qlinear("an input scale per channel", ["compiled", UNSUPPORTED], [
      scale("sx", 1, [2]),
      fine[1],
      fine[2],
    ], zeros),
    qlinear("a float bias", UNSUPPORTED, fine, zeros, [float("b", [3])]),
    qlinear("a bias of the wrong length", UNSUPPORTED, fine, zeros, [
      tensor("b", "int32", [2], [1, 1]),
    ]),
    qlinear("integers as a scale", UNSUPPORTED, [
      tensor("sx", "int32", [], [1]),
      fine[1],
      fine[2],
    ], zeros),
    qdq("an axis out of range", UNSUPPORTED, scale("s", 1, [2]), tensor("z", "int8", [2], [0, 0]), {
      axis: 9,
    }),
    qdq("an axis below range", UNSUPPORTED, scale("s", 1, [2]), tensor("z", "int8", [2], [0, 0]), {
      axis: -9,
    }),
    qdq("an axis of 2^40", UNSUPPORTED, scale("s", 1, [2]), tensor("z", "int8", [2], [0, 0]), {
      axis: 2 ** 40,
    }),
    qdq(
      "a zero point of another length",
      UNSUPPORTED,
      scale("s", 1, [2]),
      tensor("z", "int8", [3], [0, 0, 0]),
    ),
    qdq("a zero point of int32", ["compiled", UNSUPPORTED], scale("s", 1), zero("z", 5, "int32")),
    qdq("a float zero point", UNSUPPORTED, scale("s", 1), float("z", [])),
    qdq("blocks", UNSUPPORTED, scale("s", 1), zero("z"), { block_size: 2 }),
  ];
}

/** Sizes that no memory has, and work that no afternoon has. */
function large(): Crafted[] {
  const chain = (n: number): proto.onnx.INodeProto[] =>
    Array.from({ length: n }, (_, i) => node("Relu", [i ? `v${i}` : "x"], [`v${i + 1}`]));
  const sizes = [2 ** 20, 2 ** 31 - 1, 2 ** 31, 2 ** 40, 2 ** 53, -1, -(2 ** 40)];
  return [
    ...sizes.map((n) =>
      made(`an input of [${n}, ${n}]`, [MALFORMED, TOO_LARGE, "model/unbound-dimension"], {
        inputs: [value("x", "float32", [n, n])],
        outputs: [Y],
        nodes: [node("Relu", ["x"], ["y"])],
      })
    ),
    made("an input without elements", "compiled", {
      inputs: [value("x", "float32", [1, 0, 4])],
      outputs: [Y],
      nodes: [node("Relu", ["x"], ["y"])],
    }),
    made("dimensions whose product is 0 times 2^80", MALFORMED, {
      inputs: [value("x", "float32", [1, 2 ** 40, 0, 2 ** 40])],
      outputs: [Y],
      nodes: [node("Relu", ["x"], ["y"])],
    }),
    made("gigabytes of arena", TOO_LARGE, {
      inputs: [value("x", "float32", [1, 2 ** 29])],
      outputs: [Y],
      nodes: [node("Softmax", ["x"], ["t"]), node("Softmax", ["t"], ["y"])],
    }),
    made("more arena than the board has RAM", "model/does-not-fit", {
      inputs: [value("x", "float32", [1, 2 ** 24])],
      outputs: [Y],
      nodes: [node("Softmax", ["x"], ["t"]), node("Softmax", ["t"], ["y"])],
    }),
    made("more constants than the board has flash", "model/does-not-fit", {
      inputs: [value("x", "float32", [1, 1024])],
      outputs: [Y],
      nodes: [node("MatMul", ["x", "w"], ["y"])],
      initializers: [rawTensor("w", "float32", [1024, 1100], new Uint8Array(1024 * 1100 * 4))],
    }),
    made("gigabytes from bytes by MatMul", TOO_LARGE, {
      inputs: [value("x", "float32", [2 ** 15, 1])],
      outputs: [Y],
      nodes: [node("MatMul", ["x", "w"], ["t"]), node("Softmax", ["t"], ["y"])],
      initializers: [float("w", [1, 2 ** 14])],
    }),
    ...[2 ** 20, 2 ** 31 - 1, 2 ** 40].flatMap((n) => [
      made(`ConstantOfShape of ${n}`, [UNSUPPORTED, TOO_LARGE, MALFORMED, "compiled"], {
        inputs: [value("x", "float32", [1])],
        outputs: [Y],
        nodes: [node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])],
        initializers: [tensor("s", "int64", [1], [n])],
      }),
      made(`Expand to ${n}`, [UNSUPPORTED, TOO_LARGE, "model/does-not-fit", "compiled"], {
        inputs: [value("x", "float32", [1])],
        outputs: [Y],
        nodes: [node("Expand", ["x", "s"], ["y"])],
        initializers: [tensor("s", "int64", [1], [n])],
      }),
      made(`Tile by ${n}`, [UNSUPPORTED, TOO_LARGE, "model/does-not-fit", "compiled"], {
        inputs: [value("x", "float32", [1, 4])],
        outputs: [Y],
        nodes: [node("Tile", ["x", "s"], ["y"])],
        initializers: [tensor("s", "int64", [2], [n, 1])],
      }),
      made(`Range to ${n}`, [UNSUPPORTED, TOO_LARGE, "compiled"], {
        inputs: [value("x", "float32", [1])],
        outputs: [Y],
        nodes: [node("Range", ["a", "n", "d"], ["r"]), node("Cast", ["r"], ["y"], { to: 1 })],
        initializers: [
          tensor("a", "int64", [], [0]),
          tensor("n", "int64", [], [n]),
          tensor("d", "int64", [], [1]),
        ],
      }),
      made(`Pad by ${n}`, [UNSUPPORTED, TOO_LARGE, "model/does-not-fit", "compiled"], {
        inputs: [value("x", "float32", [1, 4])],
        outputs: [Y],
        nodes: [node("Pad", ["x", "p"], ["y"])],
        initializers: [tensor("p", "int64", [4], [0, n, 0, n])],
      }),
    ]),
    made("constants that double fifty times", [UNSUPPORTED, TOO_LARGE], {
      inputs: [value("x", "float32", [1])],
      outputs: [Y],
      nodes: [
        ...Array.from(
          { length: 50 },
          (_, i) => node("Concat", [`c${i}`, `c${i}`], [`c${i + 1}`], { axis: 0 }),
        ),
        node("Add", ["x", "c50"], ["y"]),
      ],
      initializers: [float("c0", [1])],
    }),
    made("values that double fifty times", [UNSUPPORTED, TOO_LARGE], {
      inputs: [value("c0", "float32", [1])],
      outputs: [Y],
      nodes: Array.from(
        { length: 50 },
        (_, i) => node("Concat", [`c${i}`, `c${i}`], [i === 49 ? "y" : `c${i + 1}`], { axis: 0 }),
      ),
    }),
    // Every value is the sum of the one before with itself: 2^100 paths from input to output.
    made("2^100 paths", "compiled", {
      inputs: [value("c0", "float32", [4])],
      outputs: [value("c100", "float32", [4])],
      nodes: Array.from({ length: 100 }, (_, i) => node("Add", [`c${i}`, `c${i}`], [`c${i + 1}`])),
    }),
    made("a chain of 2000 nodes", "compiled", {
      inputs: [X],
      outputs: [value("v2000", "float32", [1, 2, 8, 8])],
      nodes: chain(2000),
    }),
    made("a chain of 2000 nodes back to front", "compiled", {
      inputs: [X],
      outputs: [value("v2000", "float32", [1, 2, 8, 8])],
      nodes: chain(2000).reverse(),
    }),
    made("a fan of 1500 outputs", "compiled", {
      inputs: [value("x", "float32", [4])],
      outputs: Array.from({ length: 1500 }, (_, i) => value(`y${i}`, "float32", [4])),
      nodes: Array.from({ length: 1500 }, (_, i) => node("Exp", ["x"], [`y${i}`])),
    }),
    made("a Concat of 3000 inputs", ["compiled", TOO_LARGE, UNSUPPORTED], {
      inputs: [value("x", "float32", [1])],
      outputs: [Y],
      nodes: [node("Concat", new Array(3000).fill("x"), ["y"], { axis: 0 })],
    }),
    made("a tensor of 100 axes", ["compiled", UNSUPPORTED, MALFORMED], {
      inputs: [value("x", "float32", new Array(100).fill(1))],
      outputs: [Y],
      nodes: [node("Softmax", ["x"], ["y"])],
    }),
    made("a Transpose of 64 axes of 1", ["compiled", UNSUPPORTED, MALFORMED], {
      inputs: [value("x", "float32", new Array(64).fill(1))],
      outputs: [Y],
      nodes: [node("Transpose", ["x"], ["y"])],
    }),
    made("a sum of 2^40 terms", ["compiled", TOO_LARGE], {
      inputs: [value("x", "float32", [2 ** 10, 2 ** 10])],
      outputs: [Y],
      nodes: [
        node("MatMul", ["x", "x"], ["a"]),
        node("Einsum", ["x", "x"], ["y"], { equation: "ab,cd->" }),
      ],
    }),
  ];
}

function operators(): Crafted[] {
  const unsupported = (
    what: string,
    type: string,
    constants: proto.onnx.ITensorProto[],
    attrs: Attrs = {},
    p: ModelParts = {},
  ) => one(what, UNSUPPORTED, type, constants, attrs, p);
  const ints = (name: string, values: Values) => tensor(name, "int64", [values.length], values);
  const I = value("x", "int32", [4]);
  const J = value("y", "int32", null);
  return [
    unsupported("Gather past the end", "Gather", [ints("i", [2])], { axis: 1 }),
    unsupported("Gather before the start", "Gather", [ints("i", [-3])], { axis: 1 }),
    unsupported("Gather of 2^40", "Gather", [ints("i", [2 ** 40])], { axis: 1 }),
    unsupported("Gather along axis 4", "Gather", [ints("i", [0])], { axis: 4 }),
    unsupported("Gather by floats", "Gather", [float("i", [1], 0)], {}),
    one("Gather past the end of a constant", UNSUPPORTED, "Add", [], {}, {
      nodes: [node("Gather", ["c", "i"], ["g"]), node("Add", ["x", "g"], ["y"])],
      initializers: [float("c", [3]), ints("i", [7])],
    }),
    one(
      "Div of integers by 0",
      ["compiled", UNSUPPORTED],
      "Div",
      [
        tensor("z", "int32", [], [0]),
      ],
      {},
      { inputs: [I], outputs: [J] },
    ),
    one("Div of a constant by 0", [UNSUPPORTED], "Add", [], {}, {
      inputs: [I],
      outputs: [J],
      nodes: [node("Div", ["a", "z"], ["d"]), node("Add", ["x", "d"], ["y"])],
      initializers: [tensor("a", "int32", [], [7]), tensor("z", "int32", [], [0])],
    }),
    one("Div of the lowest integer by -1", ["compiled", UNSUPPORTED], "Add", [], {}, {
      inputs: [I],
      outputs: [J],
      nodes: [node("Div", ["a", "z"], ["d"]), node("Add", ["x", "d"], ["y"])],
      initializers: [tensor("a", "int32", [], [-(2 ** 31)]), tensor("z", "int32", [], [-1])],
    }),
    one("Mod by 0", [UNSUPPORTED], "Mod", [tensor("z", "int32", [], [0])], {}, {
      inputs: [I],
      outputs: [J],
    }),
    one("Div of floats by 0", "compiled", "Div", [float("z", [], 0)]),
    one(
      "Clip of integers to floats",
      [UNSUPPORTED],
      "Clip",
      [
        float("lo", [], -0.8),
        float("hi", [], 0.8),
      ],
      {},
      { inputs: [I], outputs: [J] },
    ),
    one("Clip of integers to float attributes", [UNSUPPORTED], "Clip", [], {
      min: floatAttr(-0.8),
      max: floatAttr(0.8),
    }, { inputs: [I], outputs: [J], opsets: { "": 7 } }),
    one("Clip to NaN", ["compiled", UNSUPPORTED], "Clip", [float("lo", [], NaN)]),
    one("Clip to bounds that cross", ["compiled", UNSUPPORTED], "Clip", [
      float("lo", [], 1),
      float("hi", [], -1),
    ]),
    unsupported("Clip to vectors", "Clip", [float("lo", [2]), float("hi", [2])]),
    unsupported("Reshape to less", "Reshape", [ints("s", [3, 5])]),
    unsupported("Reshape with two -1", "Reshape", [ints("s", [-1, -1])]),
    unsupported("Reshape to -2", "Reshape", [ints("s", [-2, 64])]),
    unsupported("Reshape to 2^40", "Reshape", [ints("s", [2 ** 40, 2 ** 40])]),
    unsupported("Reshape by floats", "Reshape", [float("s", [2], 8)]),
    unsupported("Reshape with a 0 past the end", "Reshape", [ints("s", [1, 2, 8, 8, 0])]),
    unsupported("Transpose by no permutation", "Transpose", [], { perm: [0, 0, 1, 2] }),
    unsupported("Transpose of too few axes", "Transpose", [], { perm: [1, 0] }),
    unsupported("Transpose of negative axes", "Transpose", [], { perm: [-1, 0, 1, 2] }),
    unsupported("Concat along axis 7", "Concat", [float("c", [1, 2, 8, 8])], { axis: 7 }),
    unsupported("Concat without axis", "Concat", [float("c", [1, 2, 8, 8])]),
    unsupported("Concat of other shapes", "Concat", [float("c", [1, 2, 8, 7])], { axis: 1 }),
    unsupported("Concat of other types", "Concat", [tensor("c", "int32", [1, 1, 1, 1], [1])], {
      axis: 0,
    }),
    unsupported("Softmax along axis 2^40", "Softmax", [], { axis: 2 ** 40 }),
    unsupported("Flatten at axis 9", "Flatten", [], { axis: 9 }),
    unsupported("Squeeze of an axis of 8", "Squeeze", [ints("a", [2])]),
    unsupported("Squeeze of axis 2^53", "Squeeze", [ints("a", [2 ** 53])]),
    unsupported("Unsqueeze twice at one place", "Unsqueeze", [ints("a", [0, 0])]),
    unsupported("Unsqueeze at 99", "Unsqueeze", [ints("a", [99])]),
    unsupported("Slice by 0", "Slice", [
      ints("s", [0]),
      ints("e", [1]),
      ints("a", [2]),
      ints("p", [0]),
    ]),
    one(
      "Slice from 2^62 to -2^62",
      ["compiled", UNSUPPORTED],
      "Slice",
      [ints("s", [2 ** 53]), ints("e", [-(2 ** 53)]), ints("a", [2])],
    ),
    unsupported("Slice of one axis twice", "Slice", [
      ints("s", [0, 0]),
      ints("e", [1, 2]),
      ints("a", [2, 2]),
    ]),
    unsupported("Slice with lists of other lengths", "Slice", [ints("s", [0, 0]), ints("e", [1])]),
    unsupported("Split into more than there is", "Split", [ints("s", [1, 5])], { axis: 1 }, {
      nodes: [node("Split", ["x", "s"], ["y", "z"], { axis: 1 })],
    }),
    unsupported("Split into negative parts", "Split", [ints("s", [-1, 3])], { axis: 1 }, {
      nodes: [node("Split", ["x", "s"], ["y", "z"], { axis: 1 })],
    }),
    unsupported("Pad below nothing", "Pad", [ints("p", [0, 0, -9, 0, 0, 0, -9, 0])]),
    unsupported("Pad with too few numbers", "Pad", [ints("p", [1, 1])]),
    unsupported("Pad in an unknown mode", "Pad", [ints("p", [0, 0, 1, 1, 0, 0, 1, 1])], {
      mode: "dream",
    }),
    unsupported(
      "Pad that reflects more than there is",
      "Pad",
      [ints("p", [0, 0, 99, 0, 0, 0, 99, 0])],
      { mode: "reflect" },
    ),
    unsupported("MatMul of other lengths", "MatMul", [float("w", [7, 3])]),
    unsupported("MatMul with a scalar", "MatMul", [float("w", [])]),
    unsupported("MatMul of texts", "MatMul", [rawTensor("w", "string", [8, 1], new Uint8Array())]),
    unsupported("Gemm of rank 4", "Gemm", [float("w", [8, 3])]),
    unsupported("Add of shapes that do not broadcast", "Add", [float("c", [3])]),
    unsupported("Add of two types", "Add", [tensor("c", "int32", [1], [1])]),
    unsupported("BatchNormalization of other channels", "BatchNormalization", [
      float("a", [3]),
      float("b", [3]),
      float("m", [3]),
      float("v", [3]),
    ]),
    one(
      "BatchNormalization of negative variance",
      ["compiled", UNSUPPORTED],
      "BatchNormalization",
      [
        float("a", [2]),
        float("b", [2]),
        float("m", [2]),
        float("v", [2], -1),
      ],
    ),
    one("BatchNormalization of NaN", ["compiled", UNSUPPORTED], "BatchNormalization", [
      float("a", [2], NaN),
      float("b", [2], Infinity),
      float("m", [2]),
      float("v", [2], 0),
    ]),
    one("weights of NaN and infinity", "compiled", "Conv", [
      tensor("w", "float32", [1, 2, 1, 1], [NaN, -Infinity]),
    ]),
    unsupported("ReduceMean over axis 9", "ReduceMean", [], { axes: [9] }),
    one("ReduceMean over one axis twice", ["compiled", UNSUPPORTED], "ReduceMean", [], {
      axes: [1, 1],
    }),
    unsupported("Cast to nothing", "Cast", [], { to: 0 }),
    unsupported("Cast to type 99", "Cast", [], { to: 99 }),
    unsupported("Cast to a text", "Cast", [], { to: 8 }),
    unsupported("an attribute of the wrong kind", "Softmax", [], { axis: floatAttr(1) }),
    unsupported("a tensor where an integer belongs", "Softmax", [], {
      axis: tensorAttr(float("t", [])),
    }),
    unsupported("Relu of nothing", "Relu", [], {}, { nodes: [node("Relu", [], ["y"])] }),
    unsupported("Relu of two", "Relu", [], {}, { nodes: [node("Relu", ["x", "x"], ["y"])] }),
    unsupported("Relu of texts", "Relu", [], {}, {
      nodes: [node("Relu", ["t"], ["y"])],
      initializers: [rawTensor("t", "string", [1], new Uint8Array())],
    }),
    unsupported("a Constant without value", "Constant", [], {}, {
      nodes: [node("Constant", [], ["c"]), node("Add", ["x", "c"], ["y"])],
    }),
    unsupported("a reshape computed from data", "Reshape", [], {}, {
      nodes: [
        node("Cast", ["x"], ["i"], { to: 7 }),
        node("Reshape", ["x", "i"], ["y"]),
      ],
    }),
  ];
}

/** Names, types and structure. */
function structure(): Crafted[] {
  const relu = node("Relu", ["x"], ["y"]);
  const basic: ModelParts = { inputs: [X], outputs: [Y], nodes: [relu] };
  const names = [
    "../../etc/passwd",
    "/etc/passwd",
    "a\0b",
    "*/ int main(void) { /*",
    '"; system("id"); //',
    "\\u000a",
    "line\nbreak",
    "%s%n",
    "é漢字🙂",
    "\u202eright to left",
    "int",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "x".repeat(100000),
    " ",
    "??/",
  ];
  let nested = graph({ nodes: [relu], outputs: [Y] });
  for (let i = 0; i < 18; i++) {
    nested = graph({
      nodes: [node("If", ["x"], ["y"], {
        then_branch: graphAttr(nested),
        else_branch: graphAttr(graph({ nodes: [relu] })),
      })],
      outputs: [Y],
    });
  }
  return [
    ...names.map((name) =>
      made(`values and nodes called ${JSON.stringify(name.slice(0, 30))}`, "compiled", {
        inputs: [value(name, "float32", [1, 4])],
        outputs: [value(`${name}!`, "float32", [1, 4])],
        nodes: [
          node("Add", [name, `${name}c`], [`${name}t`], {}, name),
          node("Softmax", [`${name}t`], [`${name}!`], {}, name),
        ],
        initializers: [float(`${name}c`, [1, 4])],
      })
    ),
    ...names.slice(0, 16).map((name) =>
      made(`an operator called ${JSON.stringify(name.slice(0, 30))}`, UNSUPPORTED, {
        ...basic,
        nodes: [{ ...relu, opType: name }],
      })
    ),
    ...["__proto__", "constructor", "toString"].map((name) =>
      made(`a domain, an attribute and a dimension called ${name}`, [UNSUPPORTED, "compiled"], {
        ...basic,
        inputs: [value("x", "float32", [name, 4])],
        opsets: { "": 17, [`${name}x`]: 1 },
        nodes: [node(`Relu`, ["x"], ["y"], { [`${name}`]: 3 })],
      })
    ),
    made("a graph of graphs, wide and deep", [UNSUPPORTED, MALFORMED], {
      ...basic,
      nodes: nested.node!,
    }),
    made("operator set 10^9", "compiled", { ...basic, opsets: { "": 10 ** 9 } }),
    made("operator set 0", MALFORMED, { ...basic, opsets: { "": 0 } }),
    made("operator set -1", MALFORMED, { ...basic, opsets: { "": -1 } }),
    made("operator set 1", ["compiled", UNSUPPORTED], { ...basic, opsets: { "": 1 } }),
    made("the first IR version", "compiled", { ...basic, irVersion: 1 }),
    made("an output that is an input", ["compiled", UNSUPPORTED], {
      ...basic,
      nodes: [],
      outputs: [X],
    }),
    made("an output that is a constant", ["compiled", UNSUPPORTED], {
      ...basic,
      nodes: [],
      outputs: [value("c", "float32", [4])],
      initializers: [float("c", [4])],
    }),
    made("one output twice", MALFORMED, { ...basic, outputs: [Y, Y] }),
    made("an output of another type", MISMATCH, { ...basic, outputs: [value("y", "int8", null)] }),
    made("an output of complex numbers", TYPE, {
      ...basic,
      outputs: [{ name: "y", type: { tensorType: { elemType: 14 } } }],
    }),
    made("an output of a sequence", ["compiled", TYPE, MISMATCH], {
      ...basic,
      outputs: [{ name: "y", type: { sequenceType: {} } }],
    }),
    made("an input without a name", ["compiled", MALFORMED], {
      ...basic,
      inputs: [X, value("", "float32", [1])],
    }),
    made("an input nobody reads", "compiled", {
      ...basic,
      inputs: [X, value("unused", "float32", [3])],
    }),
    made("an input of float64", ["compiled", UNSUPPORTED], {
      ...basic,
      inputs: [value("x", "float64", [4])],
      outputs: [value("y", "float64", [4])],
    }),
    made("an input of float16", ["compiled", UNSUPPORTED, TYPE], {
      ...basic,
      inputs: [value("x", "float16", [4])],
      outputs: [value("y", "float16", [4])],
    }),
  ];
}

/** All crafted files, the same on every machine. */
export const crafted = (): Crafted[] => [
  ...windows(),
  ...quantised(),
  ...large(),
  ...operators(),
  ...structure(),
];
