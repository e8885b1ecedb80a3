/**
 * Damages models until the time is over and prints what brings the compiler down:
 * `deno run --allow-read tests/fuzz/fuzz.ts SECONDS [SEED] MODEL.onnx …`
 */
import { checkFile } from "./check.ts";
import { KINDS, mutant } from "./mutate.ts";

const [seconds, ...rest] = Deno.args;
const first = /^\d+$/.test(rest[0] ?? "") ? Number(rest.shift()) : 1;
const models = rest.map((path) => ({ path, bytes: Deno.readFileSync(path) }));
const end = performance.now() + Number(seconds) * 1000;
const outcomes = new Map<string, number>();
const failures = new Set<string>();
let seed = first;
for (; performance.now() < end && models.length > 0; seed++) {
  const { path, bytes } = models[seed % models.length];
  const kind = KINDS[Math.floor(seed / models.length) % KINDS.length];
  const { what, bytes: damaged } = mutant(bytes, kind, seed);
  try {
    const { code } = await checkFile(damaged, `${path} (${what})`);
    outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
  } catch (e) {
    const { message, cause } = e as Error;
    const failure = message.replace(/^.*?\): /s, "").slice(0, 200);
    if (failures.has(failure)) continue;
    failures.add(failure);
    console.log(message, cause ?? "");
  }
}
console.log(`${seed - first} files from seed ${first}`, Object.fromEntries(outcomes));
console.log(`${failures.size} kinds of failures`);
Deno.exit(failures.size > 0 ? 1 : 0);
