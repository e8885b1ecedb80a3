/** Zeros in one of several interleaved rows of int16, as tile.ts says. */
import { add, type Expr, imm, variable } from "../te/expr.ts";
import { simplify } from "../te/linear.ts";
import type { TensorIntrin } from "./intrinsics.ts";
import { GROUP, placeOf } from "./tile.ts";

/** The intrinsic of zeros. */
export interface BlankIntrin extends TensorIntrin {
  readonly blanks: number;
}

/** dst = 0 for `count` elements, a multiple of four, of one of `rows` rows. */
export function blank(rows: number, count: number): BlankIntrin {
  const name = `blank_p${rows}`;
  const body = `/* dst = 0 for count elements: ${
    rows > 1 ? `one of ${rows} interleaved rows` : "a row"
  } */
__attribute__((noinline)) static void ${name}(int16_t *dst, int32_t count)
{
    for (; count > 0; count -= ${GROUP}) {
        store32(dst, 0);
        store32(dst + ${2 * rows}, 0);
        dst += ${GROUP * rows};
    }
}`;
  return {
    name,
    blanks: count,
    args: [{ name: "dst", dtype: "int16", count, mode: "write" }],
    scalars: ["count"],
    byValue: false,
    meaning: ([dst]) => {
      const i = variable("i", "int32", [0, count - 1]);
      const [row, ...place] = dst.idx;
      const at = placeOf(i).map((e, d): Expr => simplify(add(place[d], simplify(e))));
      return {
        k: "for",
        v: i,
        lo: imm(0),
        hi: imm(count),
        body: { k: "store", buf: dst.buf, idx: [row, ...at], value: imm(0, "int16") },
      };
    },
    c: [{
      feature: null,
      needs: ["store32"],
      instructions: 6 + 5 * count / GROUP,
      length: 9,
      shared: true,
      text: body,
    }],
  };
}
