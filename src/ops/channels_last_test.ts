import { tensor } from "../util/tensor.ts";
import { ops } from "./channels_last.ts";
import { agrees, named, refuses } from "./testing.ts";

const bytes = (...shape: number[]) =>
  tensor(
    "uint8",
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 37 + 11) % 256),
  );

Deno.test("NhwcMaxPool is MaxPool of channels that come last", () => {
  agrees(ops, {
    type: "NhwcMaxPool",
    attrs: { kernel_shape: [2, 2], strides: [2, 1] },
    ins: [bytes(1, 4, 3, 2)],
    outs: [[[1, 2, 2, 2], [233, 122, 159, 196, 239, 236, 239, 128]]],
  }, 1e-5);
  agrees(ops, {
    type: "NhwcMaxPool",
    attrs: { kernel_shape: [3], pads: [1, 1] },
    ins: [bytes(1, 5, 2)],
    outs: [[[1, 5, 2], [85, 122, 159, 196, 233, 196, 233, 196, 233, 88]]],
  }, 1e-5);
});

Deno.test("an input without spatial axes has no place for its channels", () => {
  const op = named(ops, "NhwcMaxPool");
  const attrs = { own: null, last: true };
  refuses(
    () => op.infer(attrs, [{ dtype: "uint8", shape: [2, 3] }], () => undefined),
    /has no spatial axes/,
  );
});
