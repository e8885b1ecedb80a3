import { tensor } from "../util/tensor.ts";
import { ops } from "./transformer.ts";
import { agrees, pattern } from "./testing.ts";

Deno.test("activations of a sum", () => {
  agrees(ops, {
    type: "FastGelu",
    ins: [pattern([2, 3]), pattern([3])],
    outs: [[[2, 3], [-0.0150843, 0.841192, -0.158808, 0, 0.5799606, -0.1322858]]],
  }, 1e-5);
  agrees(ops, {
    type: "FastGelu",
    ins: [pattern([2, 3])],
    outs: [[[2, 3], [-0.1322858, 0.345714, -0.154286, 1.117714, 0.1496754, -0.1700394]]],
  }, 1e-5);
  agrees(ops, {
    type: "BiasGelu",
    ins: [pattern([2, 3]), pattern([3])],
    outs: [[[2, 3], [-0.0155241, 0.8413447, -0.1586553, 0, 0.5800295, -0.1320622]]],
  }, 1e-5);
  agrees(ops, {
    type: "QuickGelu",
    attrs: { alpha: 1.5 },
    ins: [pattern([2, 3])],
    outs: [[[2, 3], [-0.1662053, 0.3395894, -0.1604107, 1.083795, 0.1481667, -0.1838138]]],
  }, 1e-5);
});

Deno.test("normalisation of a sum, which is an output too", () => {
  agrees(ops, {
    type: "SkipLayerNormalization",
    attrs: { epsilon: 0.25 },
    ins: [pattern([1, 2, 4]), pattern([2, 4]), pattern([4]), pattern([4]), pattern([4])],
    outs: [[[1, 2, 4], [
      0.36674,
      0.7586784,
      -0.2413216,
      2.86674,
      -0.2398474,
      -0.005076289,
      -1.005076,
      2.260153,
    ]]],
  }, 1e-5);
  agrees(ops, {
    type: "SkipLayerNormalization",
    ins: [pattern([1, 2, 4]), pattern([1, 2, 4]), pattern([4])],
    outs: [[[1, 2, 4], [1.64133, 0.2626128, 0.2626128, 1.64133, -0.25, -0.7, -0.7, -0.25]]],
  }, 1e-5);
  agrees(ops, {
    type: "SkipSimplifiedLayerNormalization",
    attrs: { epsilon: 0.5 },
    ins: [pattern([1, 2, 4]), pattern([1, 2, 4]), pattern([4]), pattern([4])],
    outs: [[[1, 2, 4], [
      1.593222,
      0.2549156,
      0.2549156,
      1.593222,
      0.6904309,
      -0.3682298,
      -0.5523447,
      1.150718,
    ]]],
  }, 1e-5);
});

Deno.test("the simplified normalisation gives the inverse root of the mean square", () => {
  // Rows 3, 4 and 0, 2 of x and skip: mean squares 50 and 8.
  agrees(ops, {
    type: "SkipSimplifiedLayerNormalization",
    attrs: { epsilon: 0 },
    ins: [[2, 6, 0, 0], [4, 2, 0, 4]].map((x) => tensor("float32", [1, 2, 2], x))
      .concat(tensor("float32", [2], [1, 1])),
    outs: [
      [[1, 2, 2], [6 / Math.sqrt(50), 8 / Math.sqrt(50), 0, Math.SQRT2]],
      [[1, 2, 1], [0, 0]],
      [[1, 2, 1], [1 / Math.sqrt(50), 1 / Math.sqrt(8)]],
      [[1, 2, 2], [6, 8, 0, 4]],
    ],
  }, 1e-6);
});

Deno.test("words, places and segments are added and normalised, words counted", () => {
  agrees(ops, {
    type: "EmbedLayerNormalization",
    attrs: { epsilon: 0.5 },
    ins: [
      tensor("int32", [2, 3], [0, 2, 1, 3, 1, 0]),
      tensor("int32", [2, 3], [0, 1, 1, 0, 0, 1]),
      pattern([4, 4]),
      pattern([5, 4]),
      pattern([2, 4]),
      pattern([4]),
      pattern([4]),
      tensor("int32", [2, 3], [1, 1, 0, 1, 1, 1]),
    ],
    outs: [[[2, 3, 4], [
      0.3432224,
      0.7549156,
      -0.2450844,
      2.843222,
      -0.9607845,
      0.2917649,
      -1.217254,
      0.2666673,
      -0.9607845,
      0.2917649,
      -1.217254,
      0.2666673,
      0.3773232,
      0.5342594,
      -0.4657406,
      2.877323,
      -0.3134142,
      0.03170711,
      -0.9682929,
      2.186586,
      0.4836211,
      0.8338826,
      -0.7311495,
      1.571041,
    ]], [[2], [2, 3]]],
  }, 1e-5);
  agrees(ops, {
    type: "EmbedLayerNormalization",
    attrs: { epsilon: 0.5 },
    ins: [
      tensor("int32", [2, 3], [0, 2, 1, 3, 1, 0]),
      null,
      pattern([4, 4]),
      pattern([5, 4]),
      null,
      pattern([4]),
      pattern([4]),
    ],
    outs: [
      [[2, 3, 4], [
        0.2886436,
        0.746183,
        -0.253817,
        2.788644,
        -0.7223552,
        0.6507556,
        -1.012569,
        0.1193324,
        -0.7223552,
        0.6507556,
        -1.012569,
        0.1193324,
        0.03205645,
        0.3290591,
        -0.6709409,
        2.532056,
        -1.467597,
        -0.1092718,
        -1.109272,
        1.032403,
        0.311398,
        1.081486,
        -0.3923174,
        1.626889,
      ]],
      [[2], [0, 0]],
      [[2, 3, 4], [
        -2.5,
        1,
        -1,
        2.5,
        -0.75,
        0,
        0.75,
        -1.25,
        -0.75,
        0,
        0.75,
        -1.25,
        -0.75,
        0,
        0.75,
        1.5,
        0.5,
        -1.5,
        2,
        0,
        -2.25,
        1.25,
        -0.75,
        0,
      ]],
    ],
  }, 1e-5);
});
