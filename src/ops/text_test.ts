/** Values of onnx.reference 1.23.2; patterns are those of testing.ts. */
import { tensor } from "../util/tensor.ts";
import { ops } from "./text.ts";
import { agrees } from "./testing.ts";

Deno.test("n-grams of one and two elements, with and without others between", () => {
  agrees(ops, {
    type: "TfIdfVectorizer",
    opset: 9,
    attrs: {
      mode: "TF",
      min_gram_length: 1,
      max_gram_length: 2,
      max_skip_count: 0,
      ngram_counts: [0, 4],
      ngram_indexes: [0, 1, 2, 3, 4, 5, 6],
      pool_int64s: [2, 3, 5, 4, 5, 6, 7, 8, 6, 7],
      weights: [1, 2, 3, 4, 5, 6, 7],
    },
    ins: [tensor("int32", [2, 6], [1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8])],
    outs: [[[2, 7], [0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1]]],
  });
  agrees(ops, {
    type: "TfIdfVectorizer",
    opset: 9,
    attrs: {
      mode: "TF",
      min_gram_length: 1,
      max_gram_length: 2,
      max_skip_count: 5,
      ngram_counts: [0, 4],
      ngram_indexes: [0, 1, 2, 3, 4, 5, 6],
      pool_int64s: [2, 3, 5, 4, 5, 6, 7, 8, 6, 7],
      weights: [1, 2, 3, 4, 5, 6, 7],
    },
    ins: [tensor("int32", [2, 6], [1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8])],
    outs: [[[2, 7], [0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1]]],
  });
  agrees(ops, {
    type: "TfIdfVectorizer",
    opset: 9,
    attrs: {
      mode: "TF",
      min_gram_length: 2,
      max_gram_length: 2,
      max_skip_count: 3,
      ngram_counts: [0, 4],
      ngram_indexes: [0, 1, 2, 3, 4, 5, 6],
      pool_int64s: [2, 3, 5, 4, 5, 6, 7, 8, 6, 7],
      weights: [1, 2, 3, 4, 5, 6, 7],
    },
    ins: [tensor("int32", [2, 6], [1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8])],
    outs: [[[2, 7], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]]],
  });
});

Deno.test("weights", () => {
  agrees(ops, {
    type: "TfIdfVectorizer",
    opset: 9,
    attrs: {
      mode: "TFIDF",
      min_gram_length: 1,
      max_gram_length: 2,
      max_skip_count: 1,
      ngram_counts: [0, 4],
      ngram_indexes: [0, 1, 2, 3, 4, 5, 6],
      pool_int64s: [2, 3, 5, 4, 5, 6, 7, 8, 6, 7],
      weights: [1, 2, 3, 4, 5, 6, 7],
    },
    ins: [tensor("int32", [2, 6], [1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8])],
    outs: [[[2, 7], [0, 6, 0, 0, 0, 0, 0, 0, 0, 3, 0, 5, 0, 7]]],
  });
  agrees(ops, {
    type: "TfIdfVectorizer",
    opset: 9,
    attrs: {
      mode: "IDF",
      min_gram_length: 1,
      max_gram_length: 2,
      max_skip_count: 1,
      ngram_counts: [0, 4],
      ngram_indexes: [0, 1, 2, 3, 4, 5, 6],
      pool_int64s: [2, 3, 5, 4, 5, 6, 7, 8, 6, 7],
      weights: [1, 2, 3, 4, 5, 6, 7],
    },
    ins: [tensor("int32", [2, 6], [1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8])],
    outs: [[[2, 7], [0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 5, 0, 7]]],
  });
});
