/** Which ONNX operators there are, and the one message that names every node that has none. */
import { BurinError } from "../util/errors.ts";
import type { OnnxBinding, OpDef } from "../ir/opdef.ts";
import type { NodeView } from "./reader.ts";

// deno-lint-ignore no-explicit-any
export type AnyOp = OpDef<any>;

/** An operator and the reading of it that fits the model's operator set. */
export interface Found {
  readonly op: AnyOp;
  // deno-lint-ignore no-explicit-any
  readonly binding: OnnxBinding<any>;
  /** The one for operands that are computed at run time. */
  readonly runtime?: Found;
}

/** A node that cannot be compiled, and why. */
export interface Problem {
  readonly node: string;
  /** Where its graph lies: "" or ` in 'loop'`. */
  readonly where: string;
  /** `Conv`, `com.microsoft:FusedConv`. */
  readonly type: string;
  /** A clause that goes on from "as": `its attribute 'axis' is missing`. */
  readonly reason: string;
  readonly hint: string | undefined;
}

/** Thrown with every node of the model that is not supported. */
export class UnsupportedNodes extends BurinError {
  constructor(readonly problems: readonly Problem[], total: number) {
    const n = problems.length;
    super(
      "model/unsupported-operators",
      `Cannot compile the model as ${n} of its ${total} nodes ${n === 1 ? "is" : "are"} ` +
        `not supported:\n${problems.map(line).join("\n")}`,
      "replace these nodes when exporting the model",
    );
  }
}

const line = (p: Problem): string =>
  `  '${p.node}'${p.where} (${p.type}): ${p.reason}${p.hint ? `; ${p.hint}` : ""}`;

/** The operator with its domain unless that is ai.onnx. */
export const typeName = (domain: string, opType: string): string =>
  domain === "" ? opType : `${domain}:${opType}`;

/** The operators by domain and ONNX type. */
export class OpTable {
  readonly #bindings = new Map<string, Found[]>();
  /** The newest version of each domain that an operator is read from. */
  readonly #newest = new Map<string, number>();

  constructor(ops: readonly AnyOp[]) {
    for (const op of ops) {
      for (const binding of op.onnx) {
        const key = typeName(binding.domain, binding.type);
        const list = this.#bindings.get(key);
        if (list) list.push({ op, binding });
        else this.#bindings.set(key, [{ op, binding }]);
        const { domain, since } = binding;
        this.#newest.set(domain, Math.max(since, this.#newest.get(domain) ?? 0));
      }
    }
    for (const list of this.#bindings.values()) {
      list.sort((a, b) => b.binding.since - a.binding.since);
    }
  }

  /**
   * The version by which a node is read, undefined where none is imported: of domains beside ONNX's
   * own the newest then, as onnxruntime takes them.
   */
  version(n: NodeView, opsets: ReadonlyMap<string, number>): number | undefined {
    return opsets.get(n.domain) ?? (n.domain === "" ? undefined : this.#newest.get(n.domain));
  }

  /** The newest reading that is not newer than the model's operator set, or why there is none. */
  find(
    n: NodeView,
    opsets: ReadonlyMap<string, number>,
  ): Found | { readonly reason: string; readonly hint?: string } {
    const list = this.#bindings.get(typeName(n.domain, n.opType));
    if (!list) return { reason: "Burin does not have this operator" };
    const version = this.version(n, opsets);
    if (version === undefined) {
      return { reason: `the model imports no operator set 'ai.onnx'` };
    }
    const fits = list.filter((f) => f.binding.since <= version);
    const found = fits.find((f) => !f.binding.runtime);
    const runtime = fits.find((f) => f.binding.runtime);
    if (found) return { ...found, ...runtime && { runtime } };
    return {
      reason: `operator set ${version} is older than ${list[list.length - 1].binding.since}, ` +
        "the first that Burin reads for this operator",
      hint: "convert the model with onnx.version_converter",
    };
  }
}
