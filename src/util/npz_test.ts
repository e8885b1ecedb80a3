import assert from "node:assert/strict";
import fc from "fast-check";
import { type DType, DTYPES, isStored } from "./dtype.ts";
import { BurinError } from "./errors.ts";
import { readNpy, writeNpy } from "./npy.ts";
import { readNpz, writeNpz } from "./npz.ts";
import { allocate, bytes, sizeOf, tensor } from "./tensor.ts";

const KINDS = (Object.keys(DTYPES) as DType[]).filter((d) => d === "float16" || !isStored(d));

/** A .npy file with a header of the test's own. */
function npy(header: string, data: number[]): Uint8Array {
  const text = new TextEncoder().encode(header + "\n");
  return new Uint8Array([0x93, 78, 85, 77, 80, 89, 1, 0, text.length, 0, ...text, ...data]);
}

Deno.test("npy: what is written is read back, every type and shape", () => {
  const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS),
      shapes,
      fc.infiniteStream(fc.nat(255)),
      (d, shape, b) => {
        const data = allocate(d, sizeOf(shape));
        const raw = new Uint8Array(data.buffer as ArrayBuffer);
        for (let i = 0; i < raw.length; i++) raw[i] = b.next().value as number;
        const back = readNpy(writeNpy({ dtype: d, shape, data }));
        assert.equal(back.dtype, d);
        assert.deepEqual(back.shape, shape);
        assert.deepEqual(bytes(back), raw);
      },
    ),
    { seed: 1, numRuns: 200 },
  );
});

Deno.test("npy: the header is padded as numpy does", () => {
  const file = writeNpy(tensor("float32", [3], [1, 2, 3]));
  assert.equal((file.length - 12) % 64, 0);
  assert.match(new TextDecoder().decode(file.subarray(10, 70)), /'<f4'.*\(3,\)/);
});

Deno.test("npy: column-major and big-endian", () => {
  const header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }";
  const t = readNpy(npy(header, [0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6]));
  assert.deepEqual([...t.data], [1, 2, 3, 4, 5, 6]);
});

Deno.test("npy: what cannot be read says why", () => {
  const bad: [Uint8Array, RegExp][] = [
    [new Uint8Array(3), /no \.npy file/],
    [npy("{}", []), /not numpy's/],
    [npy("{'descr': '<U3', 'fortran_order': False, 'shape': (1,), }", []), /'<U3'/],
    [npy("{'descr': '<i4', 'fortran_order': False, 'shape': (9,), }", [1]), /holds 1 bytes/],
    [npy("{'descr': '<i4', 'fortran_order': False, 'shape': (-1,), }", [1]), /shape is \(-1,\)/],
  ];
  for (const [file, why] of bad) {
    assert.throws(() => readNpy(file), (e) => {
      assert(e instanceof BurinError);
      assert.equal(e.code, "data/npy");
      assert.match(e.message, why);
      return true;
    });
  }
});

Deno.test("npz: round trip, same bytes each time, garbage refused", () => {
  const arrays = new Map([["in0", tensor("int8", [2, 1], [-1, 2])], [
    "out0",
    tensor("float32", [], [0.5]),
  ]]);
  const file = writeNpz(arrays);
  assert.deepEqual(file, writeNpz(arrays));
  assert.deepEqual(readNpz(file), arrays);
  assert.throws(() => readNpz(new Uint8Array(40), "x.npz"), /Cannot read x\.npz as it is no \.npz/);
});
