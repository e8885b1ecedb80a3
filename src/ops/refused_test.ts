import { ops } from "./refused.ts";
import { read, refuses } from "./testing.ts";

Deno.test("what cannot be static C says why", () => {
  for (const op of ops) {
    for (const { type } of op.onnx) {
      refuses(() => read(op, type, {}), /random numbers|texts|decodes|differentiates/);
    }
  }
});
