/** Operators that no static C without state can be made of, each with the reason. */
import { type OpDef, OpError } from "../ir/opdef.ts";

/** What a kind of operators lacks, and what a user can do instead. */
interface Refusal {
  readonly why: string;
  readonly hint: string;
  readonly domain?: string;
  readonly types: readonly string[];
}

const REFUSALS: readonly Refusal[] = [
  {
    why: "it draws random numbers, which would be other ones than those of the model's author",
    hint: "make it an input of the model, or remove it for inference",
    types: [
      "Bernoulli",
      "Multinomial",
      "RandomNormal",
      "RandomNormalLike",
      "RandomUniform",
      "RandomUniformLike",
    ],
  },
  {
    why: "it works on texts, which have no fixed size",
    hint: "map texts to numbers before the model",
    types: ["RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"],
  },
  {
    why: "it decodes a file, which has no fixed size",
    hint: "decode images before the model",
    types: ["ImageDecoder"],
  },
  {
    why: "it differentiates a graph",
    hint: "export the gradient's operators instead",
    domain: "ai.onnx.preview.training",
    types: ["Gradient"],
  },
];

function refused({ why, hint, domain = "" }: Refusal, type: string): OpDef<null> {
  const refuse = (): never => {
    throw new OpError(why, hint);
  };
  return {
    name: type,
    onnx: [{ domain, type, since: 1, attrs: refuse }],
    infer: refuse,
    body: { kind: "expand", rewrite: refuse },
    refused: why,
  };
}

export const ops = REFUSALS.flatMap((r) => r.types.map((t) => refused(r, t))) as OpDef<unknown>[];
