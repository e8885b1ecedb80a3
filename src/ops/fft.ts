/**
 * Fourier transforms of mixed radix (Singleton, Temperton): a pass for each factor of the length,
 * in Stockham's order, which needs no reversal of bits but a second buffer.
 */
import type { DType } from "../util/dtype.ts";
import { add, type Expr, imm, load, mul, sub, un, variable } from "../te/expr.ts";
import type { Buffer, Stmt } from "../tir/stmt.ts";
import { type OpDef, OpError } from "../ir/opdef.ts";
import { dims, type TensorType } from "../ir/graph.ts";
import { axisIndex, operand, type Types } from "./common.ts";
import { block, loop, loops, store } from "./loops.ts";

/** A transform along an axis. */
export interface DftAttrs {
  readonly axis: number;
  /** null: as many as there are samples. */
  readonly length: number | null;
  readonly inverse: boolean;
  readonly onesided: boolean;
}

/** The largest prime factor: a pass writes out as many sums as its radix, of as many terms. */
const LARGEST = 13;

/**
 * The radices of the passes for a length: fours, a two in front, odd ones from 3 on; null where a
 * prime factor is larger than 13.
 */
export function radicesOf(length: number): number[] | null {
  const found: number[] = [];
  let rest = length;
  const divide = (by: number): void => {
    for (; rest % by === 0; rest /= by) found.push(by);
  };
  divide(4);
  if (rest % 2 === 0) {
    rest /= 2;
    found.push(2);
    [found[0], found[found.length - 1]] = [found.at(-1)!, found[0]];
  }
  for (let odd = 3; odd <= LARGEST; odd += 2) divide(odd);
  return rest === 1 ? found : null;
}

/** Products of indices stay within int32 up to here. */
const MAX_LENGTH = 46340;

/** What a transform reads and writes. */
export function dftExtents(a: DftAttrs, ins: Types) {
  const x = operand(ins, 0, "float"), shape = dims(x), rank = shape.length;
  const axis = axisIndex(a.axis, rank), parts = shape[rank - 1];
  if (axis === rank - 1 || parts < 1 || parts > 2) {
    throw new OpError(`its input [${shape}] does not end in real and imaginary parts`);
  }
  if (a.onesided && (a.inverse ? parts !== 2 : parts !== 1)) {
    throw new OpError(
      `it is onesided on an input of ${parts} parts`,
      "forwards it takes real numbers, backwards complex ones",
    );
  }
  const back = a.inverse && a.onesided;
  const length = a.length ?? (back ? 2 * (shape[axis] - 1) : shape[axis]);
  if (!(length >= 1 && length <= MAX_LENGTH)) {
    throw new OpError(`its length is ${length}`, `it is at least 1 and at most ${MAX_LENGTH}`);
  }
  const out = a.onesided && !a.inverse ? Math.floor(length / 2) + 1 : length;
  const y: TensorType = {
    dtype: x.dtype,
    shape: shape.with(axis, out).with(rank - 1, back ? 1 : 2),
  };
  return { x, axis, parts, length, back, y };
}

interface Complex {
  readonly re: Expr;
  readonly im: Expr;
}
const plus = (a: Complex, b: Complex): Complex => ({ re: add(a.re, b.re), im: add(a.im, b.im) });
const minus = (a: Complex, b: Complex): Complex => ({ re: sub(a.re, b.re), im: sub(a.im, b.im) });
const neg = (e: Expr): Expr => un("neg", e);

/** Complex numbers as variables `${name}0_re`, `${name}0_im` … */
function held(name: string, zs: readonly Complex[], body: (zs: readonly Complex[]) => Stmt): Stmt {
  const parts = zs.flatMap((z, i) => [[`${name}${i}_re`, z.re], [`${name}${i}_im`, z.im]] as const);
  const vars = parts.map(([as, e]) => variable(as, e.dtype));
  const inner = body(zs.map((_, i) => ({ re: vars[2 * i], im: vars[2 * i + 1] })));
  return parts.reduceRight<Stmt>(
    (s, [, value], i) => ({ k: "let", v: vars[i], value, body: s }),
    inner,
  );
}

/** The transform of 4 numbers: turning by a quarter exchanges the parts. */
function four([t0, t1, t2, t3]: readonly Complex[], inverse: boolean, body: Then): Stmt {
  const pairs = [plus(t0, t2), minus(t0, t2), plus(t1, t3), minus(t1, t3)];
  return held("s", pairs, ([even, odd, sum, d]) => {
    const turned = inverse ? { re: neg(d.im), im: d.re } : { re: d.im, im: neg(d.re) };
    return body([plus(even, sum), plus(odd, turned), minus(even, sum), minus(odd, turned)]);
  });
}

type Then = (outs: readonly Complex[]) => Stmt;

/** The transform of an odd number of numbers, from sums and differences of those that mirror. */
function odd(ts: readonly Complex[], inverse: boolean, body: Then): Stmt {
  const r = ts.length, half = (r - 1) / 2, { dtype } = ts[0].re;
  const mirrored = Array.from({ length: half }, (_, m) => [ts[m + 1], ts[r - 1 - m]] as const);
  const sums = mirrored.map(([a, b]) => plus(a, b)), spans = mirrored.map(([a, b]) => minus(a, b));
  return held("s", [...sums, ...spans], (held_) => {
    const s = held_.slice(0, half), d = held_.slice(half);
    const weighted = (f: (x: number) => number, u: number, xs: readonly Expr[]): Expr[] =>
      xs.map((x, m) => mul(number(f(2 * Math.PI * ((m + 1) * u % r) / r), dtype), x));
    const sine = (x: number): number => inverse ? Math.sin(x) : -Math.sin(x);
    const total = (xs: readonly Expr[]): Expr => xs.reduce((a, b) => add(a, b));
    const couples = Array.from({ length: half }, (_, i): [Complex, Complex] => {
      const re = (zs: readonly Complex[]) => zs.map((z) => z.re);
      const im = (zs: readonly Complex[]) => zs.map((z) => z.im);
      return [
        {
          re: total([ts[0].re, ...weighted(Math.cos, i + 1, re(s))]),
          im: total([ts[0].im, ...weighted(Math.cos, i + 1, im(s))]),
        },
        {
          re: neg(total(weighted(sine, i + 1, im(d)))),
          im: total(weighted(sine, i + 1, re(d))),
        },
      ];
    });
    return held("c", couples.flat(), (cs) => {
      const of = (i: number): readonly Complex[] => cs.slice(2 * i, 2 * i + 2);
      const first = couples.map((_, i) => plus(of(i)[0], of(i)[1]));
      const mirror = couples.map((_, i) => minus(of(i)[0], of(i)[1])).reverse();
      return body([s.reduce(plus, ts[0]), ...first, ...mirror]);
    });
  });
}

const number = (value: number, dtype: DType): Expr =>
  imm(dtype === "float32" ? Math.fround(value) : value, dtype);

function butterfly(ts: readonly Complex[], inverse: boolean, body: Then): Stmt {
  if (ts.length === 2) return body([plus(ts[0], ts[1]), minus(ts[0], ts[1])]);
  return ts.length === 4 ? four(ts, inverse, body) : odd(ts, inverse, body);
}

/** Rows of two elements, the real and the imaginary part. */
const at = (buf: Buffer, i: Expr): Complex => ({
  re: load(buf, [i, imm(0)]),
  im: load(buf, [i, imm(1)]),
});
const put = (buf: Buffer, i: Expr, z: Complex): Stmt =>
  block(store(buf, [i, 0], z.re), store(buf, [i, 1], z.im));

interface Pass {
  readonly radix: number;
  /** Transforms that are finished: the product of the radices before. */
  readonly done: number;
  readonly length: number;
  readonly inverse: boolean;
  readonly from: Buffer;
  readonly to: Buffer;
  readonly cosines: Buffer;
  readonly sines: Buffer;
}

/** One pass: butterflies over elements that lie `run` apart, then the turns of the next one. */
function passOf(p: Pass): Stmt {
  const { radix, done, inverse } = p, run = p.length / (radix * done);
  return loop("k", done, (k) =>
    loop("i", run, (i) => {
      const ts = Array.from(
        { length: radix },
        (_, j) => at(p.from, add(i, mul(add(mul(k, radix), j), run))),
      );
      return held("t", ts, (zs) =>
        butterfly(zs, inverse, (outs) =>
          held("o", outs, (os) =>
            block(...os.map((z, j) => {
              const place = add(i, mul(add(k, j * done), run));
              if (j === 0 || run === 1) {
                return put(p.to, place, z);
              }
              const turn = mul(i, j * done);
              const c = load(p.cosines, [turn]), s = load(p.sines, [turn]);
              return put(
                p.to,
                place,
                inverse
                  ? { re: sub(mul(z.re, c), mul(z.im, s)), im: add(mul(z.re, s), mul(z.im, c)) }
                  : { re: add(mul(z.re, c), mul(z.im, s)), im: sub(mul(z.im, c), mul(z.re, s)) },
              );
            })))));
    }));
}

/** Inputs x, and the cosines and sines of 2π·i/length. */
export const fft: OpDef<DftAttrs> = {
  name: "Fft",
  onnx: [],
  infer: (a, ins) => [dftExtents(a, ins).y],
  body: {
    kind: "kernel",
    scratch(a, { ins, outs: [{ dtype }] }) {
      const { length } = dftExtents(a, ins), buffer = { dtype, shape: [length, 2] };
      return length > 1 ? [buffer, buffer] : [buffer];
    },
    program(a, { ins: [x, cosines, sines], outs: [y], scratch }) {
      const { inverse } = a, { axis, length: n, parts, back } = dftExtents(a, [x]);
      const { dtype } = y, zero = imm(0, dtype), last = x!.shape.length - 1;
      const outer = x!.shape.map((size, i) => i === axis || i === last ? 1 : size);
      const radices = radicesOf(n)!, middle = Math.ceil(n / 2);
      return loops([], outer, (line) => {
        const input = (k: Expr): Complex => {
          const part = (i: number): Expr => load(x!, line.with(axis, k).with(last, imm(i)));
          return { re: part(0), im: parts === 2 ? part(1) : zero };
        };
        const [a0] = scratch, result = scratch[radices.length % 2];
        const passes = radices.map((radix, i): Stmt =>
          passOf({
            radix,
            done: radices.slice(0, i).reduce((p, r) => p * r, 1),
            length: n,
            inverse,
            from: scratch[i % 2],
            to: scratch[(i + 1) % 2],
            cosines: cosines!,
            sines: sines!,
          })
        );
        const scale = number(1 / n, dtype);
        const scaled = (e: Expr): Expr => inverse ? mul(e, scale) : e;
        const output = (k: Expr, z: Complex): Stmt => {
          const to = (part: number): Expr[] => line.with(axis, k).with(last, imm(part));
          const re = store(y, to(0), scaled(z.re));
          return back ? re : block(re, store(y, to(1), scaled(z.im)));
        };
        return block(
          back ? mirroredIn(a0, input, n, x!.shape[axis]) : copyIn(a0, input, n, x!.shape[axis]),
          ...passes,
          // The transform of real numbers mirrors: what is one another's conjugate is so in every bit.
          parts === 2 ? loop("k", n, (k) => output(k, at(result, k))) : block(
            output(imm(0), { re: at(result, imm(0)).re, im: zero }),
            loop("k", middle, (k) => {
              const z = at(result, k);
              const mirror = output(sub(imm(n), k), { re: z.re, im: neg(z.im) });
              return a.onesided ? output(k, z) : block(output(k, z), mirror);
            }, 1),
            ...(n % 2 === 0
              ? [output(imm(n / 2), { re: at(result, imm(n / 2)).re, im: zero })]
              : []),
          ),
        );
      });
    },
  },
};

/** A line of the input, with zeros behind it where the transform is longer. */
function copyIn(to: Buffer, input: (k: Expr) => Complex, n: number, size: number): Stmt {
  const zero = imm(0, to.dtype), there = Math.min(n, size);
  return block(
    loop("k", there, (k) => put(to, k, input(k))),
    ...(there < n ? [loop("k", n, (k) => put(to, k, { re: zero, im: zero }), there)] : []),
  );
}

/** Half of a spectrum, and the conjugates that the half which is left out has. */
function mirroredIn(to: Buffer, input: (k: Expr) => Complex, n: number, size: number): Stmt {
  const zero = imm(0, to.dtype), end = Math.min(Math.ceil(n / 2), size);
  const single = (k: number): Stmt => put(to, imm(k), { re: input(imm(k)).re, im: zero });
  return block(
    ...(size <= n / 2 ? [loop("k", n, (k) => put(to, k, { re: zero, im: zero }))] : []),
    single(0),
    loop("k", end, (k) => {
      const z = input(k);
      return block(put(to, k, z), put(to, sub(imm(n), k), { re: z.re, im: neg(z.im) }));
    }, 1),
    ...(n % 2 === 0 && size > n / 2 ? [single(n / 2)] : []),
  );
}
