import assert from "node:assert/strict";
import { loadBoard } from "../target/boards.ts";
import { overflowOf, tooLarge } from "./overflow.ts";

/** What ld of binutils 2.40 prints. */
const STDOUT = `Memory region         Used Size  Region Size  %age Used
           FLASH:      140000 B       128 KB    106.81%
             RAM:         24 KB        20 KB    120.00%
             CCM:          0 GB        64 KB      0.00%
`;
const STDERR =
  "ld: region `RAM' overflowed by 4096 bytes\nld: region `FLASH' overflowed by 8928 bytes";

Deno.test("overflow: what the linker says is read in bytes", () => {
  assert.deepEqual(overflowOf(STDOUT, STDERR), { ram: 24_576, flash: 140_000 });
  assert.deepEqual(
    overflowOf(STDOUT.toLowerCase().replaceAll(" b ", " B ").replaceAll("kb", "KB"), STDERR),
    { ram: 24_576, flash: 140_000 },
  );
  assert.equal(overflowOf(STDOUT, "ld: undefined reference to `x'"), null);
});

Deno.test("overflow: the message has both numbers, and what would do", () => {
  const ports = [
    { bytes: 4000, placement: { where: "caller" } as const },
    { bytes: 9000, placement: { where: "arena", region: "arena", offset: 0 } as const },
    { bytes: 96, placement: { where: "caller" } as const },
  ];
  const board = loadBoard("nucleo_f103rb");
  const e = tooLarge(board, { ram: 24_576, flash: 140_000 }, "the firmware", ports);
  assert.equal(
    e.message,
    "Cannot link for nucleo_f103rb as the firmware takes 140,000 bytes of flash where there are " +
      "131,072 bytes and takes 24,576 bytes of RAM where there are 20,480 bytes",
  );
  assert.match(e.hint!, /^--io arena lets the 4,096 bytes of inputs and outputs share memory/);
  assert.match(e.hint!, /boards with room, the smallest first: arduino_uno_r4_minima \(32 KB/);
  // Sharing cannot save more than there is to share.
  const more = tooLarge(board, { ram: 24_577, flash: 1000 }, "the firmware", ports);
  assert.match(more.hint!, /^boards with room, the smallest first: nucleo_g431rb/);
  assert.doesNotMatch(more.message, /flash/);
});
