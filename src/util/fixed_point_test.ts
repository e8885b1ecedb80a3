/** Where fixed point is taken, it gives what the float formula gives. */
import assert from "node:assert/strict";
import { random } from "../../tests/properties/random.ts";
import { fixedPoint, largestShift, type Requantization } from "./fixed_point.ts";

const float = ({ scale, zero, lo, hi }: Requantization, acc: number): number => {
  const x = Math.fround(Math.fround(acc) * scale), down = Math.floor(x), rest = x - down;
  const n = rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
  return Math.min(hi, Math.max(lo, n + zero));
};

const fixed = (
  r: Requantization,
  acc: number,
  m: number,
  offset: number,
  shift: number,
): number => {
  const sum = (BigInt(offset) * 2n ** 32n + BigInt(acc) * BigInt(m)) >> 32n;
  return Math.min(r.hi, Math.max(r.lo, Number(sum >> BigInt(shift))));
};

Deno.test("fixed point: every accumulator gives the byte of the float formula", () => {
  const r = random(5);
  let found = 0;
  for (let n = 0; n < 60; n++) {
    const [lo, hi] = r.pick([[-128, 127], [0, 255]]);
    const scale = Math.fround(r.int(1, 1 << 24) * 2 ** -r.int(26, 36));
    const q = { scale, zero: r.int(lo, hi), lo, hi };
    const shift = largestShift(scale, 8);
    const f = shift && fixedPoint(q, shift);
    if (!f) continue;
    found++;
    const check = (acc: number) =>
      assert.equal(
        fixed(q, acc, f.multiplier, f.offset, f.shift),
        float(q, acc),
        `${scale} ${acc}`,
      );
    const reach = Math.ceil(300 / scale);
    if (reach < 20_000) { for (let acc = -reach; acc <= reach; acc++) check(acc); }
    else for (let i = 0; i < 5000; i++) check(r.int(-reach, reach));
    // Around every step of the result.
    for (let v = lo; v <= hi; v++) {
      const acc = Math.floor((v - q.zero - 0.5) / scale);
      for (let d = -3; d <= 3; d++) check(acc + d);
    }
    [-(2 ** 31), -(2 ** 24) - 1, 0, 2 ** 24 + 1, 2 ** 31 - 1].forEach(check);
  }
  assert(found > 20, `${found}`);
});

Deno.test("fixed point: ties to even have no multiplier, nor have scales past its bits", () => {
  assert.equal(fixedPoint({ scale: 0.0625, zero: 0, lo: -128, hi: 127 }, 3), null);
  assert.equal(fixedPoint({ scale: 1e-8, zero: 0, lo: -128, hi: 127 }, 8), null);
  assert.equal(largestShift(0.5, 8), null);
  assert.equal(largestShift(0.2, 8), 1);
});
