import assert from "node:assert/strict";
import { boundStack, readFrames, readLinked } from "./stack.ts";

const FRAMES = `graph: { title: "net.c"
node: { title: "net_run_in" label: "net_run_in\\nnet.c:20:12\\n24 bytes (static)" }
node: { title: "net.c:helper" label: "helper\\nnet.c:2:12\\n40 bytes (static)" }
node: { title: "dynamic" label: "dynamic\\nnet.c:9:1\\n16 bytes (dynamic)" }
node: { title: "memcpy" label: "__builtin_memcpy\\n<built-in>" shape : ellipse }
edge: { sourcename: "net_run_in" targetname: "net.c:helper" label: "net.c:30:5" }
}`;

const ARM = `
00008000 <net_run_in>:
    8000:\tb510      \tpush\t{r4, lr}
    8002:\tf000 f805 \tbl\t8010 <helper>
    8006:\tf000 b803 \tb.w\t8030 <__aeabi_fadd>
    800a:\td0f9      \tbeq.n\t8000 <net_run_in+0x2>

00008010 <helper>:
    8010:\tb5f0      \tpush\t{r4, r5, r6, r7, lr}
    8012:\tb08a      \tsub\tsp, #40\t; 0x28
    8014:\ted2d 8b04 \tvpush\t{d8-d9}
    8018:\tf84d 4d08 \tstr.w\tr4, [sp, #-8]!
    801c:\te92d 0ff0 \tstmdb\tsp!, {r4, r5, r6, r7, r8, r9, sl, fp}
    8020:\tbdf0      \tpop\t{r4, r5, r6, r7, pc}

00008030 <__aeabi_fadd>:
    8030:\tb403      \tpush\t{r0, r1}
    8032:\tbf00      \tmovs\tr0, r0

00008034 <falls_into>:
    8034:\tb401      \tpush\t{r0}
    8036:\t4770      \tbx\tlr
`;

Deno.test("stack: frames that gcc wrote, a file's own functions by their names", () => {
  assert.deepEqual([...readFrames(FRAMES)], [["net_run_in", 24], ["helper", 40], [
    "dynamic",
    null,
  ]]);
});

Deno.test("stack: what Arm instructions take, whom they call, what they run into", () => {
  const linked = readLinked(ARM);
  assert.deepEqual([...linked].map(([n, f]) => [n, f.frame, [...f.callees]]), [
    ["net_run_in", 8, ["helper", "__aeabi_fadd"]],
    ["helper", 20 + 40 + 16 + 8 + 32, []],
    ["__aeabi_fadd", 8, ["falls_into"]],
    ["falls_into", 4, []],
  ]);
});

Deno.test("stack: what RISC-V instructions take", () => {
  const linked = readLinked(`
00000000 <a>:
   0:\t7139                \tadd\tsp,sp,-64
   2:\tfd010113          \taddi\tsp,sp,-48
   4:\tde06                \tsw\tra,60(sp)
   6:\t008000ef          \tjal\t8 <b>
   a:\t6121                \tadd\tsp,sp,64
   c:\t8082                \tret

00000010 <b>:
  10:\t9782                \tjalr\ta5
  12:\t8082                \tret
`);
  assert.deepEqual(linked.get("a"), { frame: 112, callees: new Set(["b"]), indirect: false });
  assert.equal(linked.get("b")!.indirect, true);
});

Deno.test("stack: the bound is the deepest path; gcc's frames go before what was counted", () => {
  const bound = boundStack("net_run_in", readFrames(FRAMES), readLinked(ARM));
  assert.deepEqual(bound.functions, [
    { name: "net_run_in", own: 24, total: 64 },
    { name: "helper", own: 40, total: 40 },
    { name: "__aeabi_fadd", own: 8, total: 12 },
    { name: "falls_into", own: 4, total: 4 },
  ]);
});

Deno.test("stack: no bound without a reason", () => {
  const f = (callees: string[], frame: number | null = 8, indirect = false) => ({
    frame,
    callees: new Set(callees),
    indirect,
  });
  const why = (linked: Record<string, ReturnType<typeof f>>) =>
    boundStack("a", new Map(), new Map(Object.entries(linked))).absent;
  assert.equal(why({ a: f(["b"]), b: f(["a"]) }), "a calls itself");
  assert.equal(why({ a: f(["b"]), b: f([], null) }), "the frame of b has no fixed size");
  assert.equal(why({ a: f(["b"]), b: f([], 8, true) }), "b calls through a pointer");
  assert.equal(why({ a: f(["b"]) }), "b is not in the linked library");
  assert.equal(why({ a: f(["memset"]), memset: f([], 8, true) }), null);
});
