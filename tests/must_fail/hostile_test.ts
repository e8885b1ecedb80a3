/** Crafted files through the compiler: each ends in one of the codes that it may end in, soon. */
import assert from "node:assert/strict";
import { checkFile } from "../fuzz/check.ts";
import { crafted } from "./crafted.ts";

for (const { what, bytes, codes } of crafted()) {
  Deno.test(`hostile: ${what}`, async () => {
    const { code, message } = await checkFile(bytes, what);
    assert(codes.includes(code), `${code} where ${codes.join(" or ")} belongs: ${message}`);
    if (code === "compiled") return;
    assert(!/\n\s+at /.test(message), `a stack trace: ${message}`);
    assert(message.startsWith("Cannot "), message);
  });
}
