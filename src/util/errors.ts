/**
 * Every failure that a user can cause is a {@link BurinError}. Its code is stable and asserted in
 * tests; the part before the slash decides the exit code of the command line.
 */

/** What is at fault: the model or its data (exit 1), the command (2), a tool (3), Burin itself (4). */
export type Fault = "model" | "data" | "board" | "usage" | "tool" | "internal";

const EXIT: Record<Fault, number> = { model: 1, data: 1, board: 1, usage: 2, tool: 3, internal: 4 };

/** `model/unsupported-operator`, `usage/unknown-flag`, … */
export type ErrorCode = `${Fault}/${string}`;

/** A failure with a stable code. The message reads `Cannot <do what> <where> as <why>`. */
export class BurinError extends Error {
  /** What the user can do about it, one sentence. */
  readonly hint: string | undefined;
  /** Stable name of the kind of failure. */
  readonly code: ErrorCode;

  /** The message has the form of the class; the hint is one sentence. */
  constructor(code: ErrorCode, message: string, hint?: string) {
    super(message);
    this.name = "BurinError";
    this.code = code;
    this.hint = hint;
  }

  /** Exit code of the command line for this failure. */
  get exitCode(): number {
    return EXIT[this.code.split("/")[0] as Fault];
  }
}

/** Throws an internal error when an invariant of the compiler does not hold. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) {
    throw new BurinError("internal/invariant", message, "please report this with the model");
  }
}
