/** The model's schedule: pointers are checked, then the kernels run in order on planned memory. */
import template from "../../templates/c/entry.c.hbs" with { type: "text" };
import { bytesOf, DTYPES } from "../util/dtype.ts";
import { invariant } from "../util/errors.ts";
import { render } from "../util/template.ts";
import { bufferBytes } from "../tir/stmt.ts";
import {
  comment,
  commentText,
  kernelOrigin,
  kernelParameters,
  kernelSymbol,
  macroPrefix,
  namedPorts,
  paramSymbol,
  regionsOf,
  WIDTH,
} from "./names.ts";
import type { NamedPort, Parameter } from "./names.ts";
import type { Argument, Call, Program } from "./program.ts";

/** The local variable that points to a region. */
const baseOf = (region: string): string => `${region}_base`;

interface Pointer {
  readonly text: string;
  /** Element type in C, null where the text already has the type that is wanted. */
  readonly cType: string | null;
  readonly constant: boolean;
  readonly note: string;
}

function pointer(p: Program, a: Argument, bytes: number): Pointer {
  switch (a.k) {
    case "input": {
      const port = p.inputs[a.index];
      const note = `input ${port.name}`;
      return { text: `in->${port.cName}`, cType: port.cType, constant: true, note };
    }
    case "output": {
      const port = p.outputs[a.index];
      const note = `output ${port.name}`;
      return { text: `out->${port.cName}`, cType: port.cType, constant: false, note };
    }
    case "param": {
      const param = p.params.find((q) => q.name === a.name);
      invariant(param, `Cannot call a kernel as constant ${a.name} does not exist`);
      const { cType } = DTYPES[param.data.dtype];
      return { text: paramSymbol(p, a.name), cType, constant: true, note: `constant ${a.name}` };
    }
    case "arena": {
      const last = a.offset + Math.max(0, bytes - 1);
      const note = `${a.region} ${a.offset} to ${last}`;
      return { text: `(${baseOf(a.region)} + ${a.offset})`, cType: null, constant: false, note };
    }
  }
}

/** One argument: a cast through `void *` tells the compiler that the plan provides the alignment. */
function argument(p: Program, call: Call, q: Parameter, last: boolean): string {
  const wanted = DTYPES[q.buffer.dtype].cType;
  const bytes = bufferBytes(q.buffer, bytesOf(q.buffer.dtype));
  const at = pointer(p, call.args[q.index], bytes);
  const writes = q.buffer.scope !== "input";
  invariant(
    !(writes && at.constant),
    `Cannot call ${call.kernel.name} as it would write its ${q.buffer.name} to ${at.note}`,
  );
  const constant = at.constant ? "const " : "";
  const text = at.cType === wanted
    ? at.text
    : `(${constant}${wanted} *)(${constant}void *)${at.text}`;
  return `${text}${last ? ");" : ","} /* ${q.buffer.name}: ${commentText(at.note)} */`;
}

/** The bool that a check wrote. */
function checked(p: Program, call: Call, index: number): string {
  const at = pointer(p, call.args[index], 1).text;
  return `*(const uint8_t *)${at}`;
}

function callContext(p: Program, index: number): Record<string, unknown> {
  const call = p.calls[index];
  const parameters = kernelParameters(call.kernel);
  return {
    macro: macroPrefix(p),
    step: index,
    comment: comment(kernelOrigin(call.kernel), "    "),
    symbol: kernelSymbol(p, index),
    check: call.check === undefined ? "" : checked(p, call, call.check),
    args: parameters.length === 0
      ? [");"]
      : parameters.map((q, i) => argument(p, call, q, i === parameters.length - 1)),
  };
}

/** Pointers that a run follows, with the alignment that each needs. */
function neededPointers(p: Program, ports: readonly NamedPort[]) {
  const regions = regionsOf(p).filter((r) => r.bytes > 0);
  const callers = ports.filter((q) => q.port.placement.where === "caller" && q.port.bytes > 0);
  return [
    ...regions.map((r) => ({ struct: "m", text: `m->${r.name}`, align: r.align })),
    ...callers.map((q) => ({
      struct: q.direction as string,
      text: `${q.direction}->${q.port.cName}`,
      align: q.align,
    })),
  ];
}

function checks(p: Program, ports: readonly NamedPort[]): Record<string, unknown>[] {
  const needed = neededPointers(p, ports);
  const structs = ["m", "in", "out"].filter((s) => needed.some((n) => n.struct === s));
  const isNull = (s: string) => `${s} == NULL`;
  const isOff = (n: { text: string; align: number }) =>
    `((uintptr_t)${n.text} & ${n.align - 1}u) != 0u`;
  const macro = macroPrefix(p);
  const check = (conditions: readonly string[], status: string) => {
    if (conditions.length === 0) return [];
    const line = conditions.join(" || ");
    const condition = line.length < WIDTH - 10 ? line : conditions.join(" ||\n        ");
    return [{ condition, status: `${macro}_${status}` }];
  };
  return [
    ...check(structs.map(isNull), "ERR_NULL"),
    ...check(needed.map((n) => isNull(n.text)), "ERR_NULL"),
    ...check(needed.filter((n) => n.align > 1).map(isOff), "ERR_ALIGN"),
  ];
}

/** Lines of the memory plan, columns aligned. */
function planLines(p: Program): string[] {
  const rows = p.buffers.map((b) => [
    `${b.region} ${b.offset}`,
    `${b.bytes} bytes`,
    `steps ${b.firstStep} to ${b.lastStep}`,
    commentText(b.owner === b.region || b.owner === "arena" ? b.name : `${b.name} (${b.owner})`),
  ]);
  if (rows.length === 0) return ["nothing is stored between kernels"];
  const width = (column: number) => Math.max(...rows.map((r) => r[column].length));
  const widths = [width(0), width(1), width(2)];
  return rows.map((r) => r.map((cell, i) => i < 3 ? cell.padEnd(widths[i]) : cell).join("  "));
}

/** src/NAME.c */
export function entrySource(p: Program): string {
  const ports = namedPorts(p);
  const used = new Set(
    p.calls.flatMap((c) => c.args.flatMap((a) => a.k === "arena" ? [a.region] : [])),
  );
  for (const region of used) {
    invariant(
      p.regions.some((r) => r.name === region),
      `Cannot call a kernel as region ${region} does not exist`,
    );
  }
  const follows = (struct: string, k: Argument["k"]) =>
    neededPointers(p, ports).some((n) => n.struct === struct) ||
    p.calls.some((c) => c.args.some((a) => a.k === k));
  const followed = {
    m: follows("m", "arena"),
    in: follows("in", "input"),
    out: follows("out", "output"),
  };
  return render(template, {
    title: comment(p.title),
    name: p.name,
    macro: macroPrefix(p),
    steps: p.calls.length,
    plan: planLines(p),
    unused: Object.entries(followed).flatMap(([s, isUsed]) => isUsed ? [] : [s]),
    checks: checks(p, ports),
    bases: [...used].map((region) => ({ region, base: baseOf(region) })),
    calls: p.calls.map((_, i) => callContext(p, i)),
  }, "c/entry.c.hbs");
}
