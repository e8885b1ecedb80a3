/** The C that unpacks constants does what its meaning says, on every kind of core. */
import assert from "node:assert/strict";
import { random } from "../../tests/properties/random.ts";
import { type Case, checkCases, drawn, TRIALS } from "../../tests/properties/intrinsic_cases.ts";
import { type Coding, codingWords, spreadOf, unpack, widenFloats } from "../tir/unpack.ts";
import { type DType, DTYPES } from "../util/dtype.ts";

function integers(to: DType, from: DType, c: Coding, words: number, seed: number): Case {
  const { bias, flip } = codingWords(c), lanes = 4 / DTYPES[from].bytes;
  const whole = to === "int32";
  const lo = whole ? -(2 ** 31) : 0, hi = whole ? 2 ** 31 - 1 : 2 ** c.lane - 1;
  return {
    intrinsic: unpack(to, from, c, words),
    scalars: [words, bias, flip],
    operands: [
      { shape: [words * spreadOf(c) * 4 / DTYPES[to].bytes], values: [] },
      { shape: [words * lanes], values: drawn(random(seed), TRIALS * words * lanes, lo, hi) },
    ],
  };
}

const cases: Case[] = [
  ...([2, 4] as const).flatMap((bits) => [
    integers("int8", "uint8", { lane: 8, bits, lo: -8, pairs: false }, 5, bits),
    integers("uint8", "uint8", { lane: 8, bits, lo: 0, pairs: false }, 6, 10 + bits),
    integers("uint8", "uint8", { lane: 8, bits, lo: 240, pairs: false }, 1, 20 + bits),
    integers("int16", "uint16", { lane: 16, bits, lo: -9, pairs: false }, 3, 30 + bits),
    integers("int32", "int32", { lane: 8, bits, lo: -8, pairs: true }, 7, 40 + bits),
    integers("int32", "int32", { lane: 16, bits, lo: -7, pairs: false }, 4, 50 + bits),
  ]),
];

/** All numbers of 16 bits, call by call. */
const floats: Case[] = (["float16", "bfloat16"] as const).map((from) => {
  const top = from === "float16" ? 0x7c00 : 0x7f80;
  const values = Array.from({ length: 0x10000 }, (_, i) => (i & top) === top ? 0 : i);
  const count = values.length / TRIALS;
  return {
    intrinsic: widenFloats(from, count),
    scalars: [count],
    operands: [{ shape: [count], values: [] }, { shape: [count], values }],
  };
});

for (const board of ["host", "mps2-an386", "qemu-rv32imc"]) {
  Deno.test(`the C that unpacks constants does what it means: ${board}`, async () => {
    const text = await checkCases([...cases, ...floats], board);
    assert.equal(/vcvtb/.test(text), board === "mps2-an386");
  });
}
