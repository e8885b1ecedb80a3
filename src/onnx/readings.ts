/**
 * Nodes whose operands (shapes, axes) are known when the model runs: what they can be follows from
 * the declared types of the outputs. The generated code checks them and, where several values fit,
 * chooses by them.
 */
import type { Builder } from "../ir/build.ts";
import { dims, type TensorType, type Value } from "../ir/graph.ts";
import type { Candidate } from "../ir/opdef.ts";
import { check, operandIs, where } from "../ops/mod.ts";
import { notConstant, type Undecided } from "./attributes.ts";

/** A node's attributes and types, and the operands that they rest on. */
export interface Reading {
  readonly attrs: unknown;
  readonly ins: readonly (Value | null)[];
  readonly types: readonly TensorType[];
  readonly assumed: ReadonlyMap<number, Candidate>;
  /** The node's graphs where the operator did not ask for them by their inputs. */
  readonly bodies: boolean;
  /** Attributes that nobody asked for. */
  readonly unread: readonly string[];
}

export const sameShape = (a: TensorType, b: TensorType): boolean =>
  dims(a).join() === dims(b).join();

/**
 * The readings for every value that an operand may have; those that the operator refuses are none.
 *
 * @throws what the operator says where it takes no value; `model/operand-not-constant` where no
 * value gives the declared types, or where these are not there to tell values apart
 */
export function decide(
  { input, candidates }: Undecided,
  inputs: readonly (Value | null)[],
  read: (c: Candidate) => Reading[],
): Reading[] {
  let refused: unknown;
  const readings = candidates.flatMap((c) => {
    try {
      return read(c);
    } catch (e) {
      refused = e;
      return [];
    }
  });
  const [first] = readings;
  const agree = readings.every((r) =>
    r.types.length === first.types.length && r.types.every((t, i) => sameShape(t, first.types[i]))
  );
  if (first && agree) return readings;
  throw first || refused === undefined ? notConstant(input, inputs[input]!) : refused;
}

/** Whether the operands of a reading are as assumed, as bools without axes. */
function conditions({ assumed }: Reading, inputs: readonly (Value | null)[], b: Builder): Value[] {
  return [...assumed].map(([i, c]) =>
    b.node(operandIs, { same: c.same ?? c.values.map((v) => [v]) }, [inputs[i]])[0]
  );
}

/** The outputs of the reading whose operands hold; a run with none of them ends. */
export function chosen(
  readings: readonly Reading[],
  inputs: readonly (Value | null)[],
  b: Builder,
  emit: (r: Reading, index: number) => Value[],
): Value[] {
  const all = readings.map((r) =>
    // Several operands at once: each bool selects, so that all have to hold.
    conditions(r, inputs, b).reduce((x, y) => b.node(where, null, [x, y, x])[0])
  );
  b.node(check, null, all);
  const outs = readings.map(emit);
  return outs.reduceRight((later, mine, i) =>
    mine.map((v, j) => b.node(where, null, [all[i], v, later[j]])[0])
  );
}
