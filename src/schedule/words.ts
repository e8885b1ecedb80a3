/** Requantisation by words: fixed point where it is proved to give the same bytes, floats elsewhere. */
import { fixedPoint } from "../util/fixed_point.ts";
import { tensor } from "../util/tensor.ts";
import { placeholder } from "../te/compute.ts";
import { call, cast, type Expr, imm, type Indexable, load } from "../te/expr.ts";
import { REQUANTIZE, REQUANTIZE_WORD, WORD_SHIFT } from "../te/rounding.ts";
import { saturationOf } from "../tir/scalar_c.ts";
import { refuse, replaceStage, type Stage, stageOf, type State } from "./state.ts";

/**
 *     y = cast(requantize(acc, scale[c], zero, lo, hi))
 *   →
 *     y = cast(requantize_word(acc, words[c], zero, lo, hi))
 */
export interface WordsStep {
  readonly do: "words";
  readonly stage: string;
}

/** The bits of a scale as a word. */
export const bitsOf = (x: number): number => new Int32Array(Float32Array.of(x).buffer)[0];

/** A scale's word: minus its multiplier, or its bits where no multiplier gives the same. */
export function wordOf(scale: number, zero: number, lo: number, hi: number): number {
  const fixed = fixedPoint({ scale, zero, lo, hi }, WORD_SHIFT);
  return fixed ? -fixed.multiplier : bitsOf(scale);
}

/** The stage's requantisation, where it takes words for its scales; a text says why it does not. */
function partsOf(s: State, { compute: { body, out } }: Stage) {
  if (body.k !== "cast" || body.a.k !== "call" || body.a.fn !== REQUANTIZE) {
    return "it is no requantisation";
  }
  const [acc, scale, ...rest] = body.a.args;
  if (out.dtype !== "int8" && out.dtype !== "uint8") return "its results are no bytes";
  const [zero, lo, hi] = rest.map((e) => e.k === "imm" ? Number(e.value) : NaN);
  if (Number.isNaN(zero) || saturationOf(lo, hi) === null) return "no instruction has its bounds";
  const values: readonly number[] | null = scale.k === "imm"
    ? [Number(scale.value)]
    : scale.k === "load" && s.consts.has(scale.src)
    ? Array.from(s.consts.get(scale.src)!.data as Float32Array)
    : null;
  if (!values) return "its scale is no constant";
  const words = values.map((x) => wordOf(x, zero, lo, hi));
  if (words.every((x) => x >= 0)) return "no scale has a multiplier";
  return { acc, scale, bounds: rest, words };
}

/** Whether {@link words} has something to do. */
export const canTakeWords = (s: State, st: Stage): boolean => typeof partsOf(s, st) !== "string";

export function words(s: State, step: WordsStep): State {
  const st = stageOf(s, step.stage), p = partsOf(s, st);
  if (typeof p === "string") refuse(`requantize ${step.stage} by words`, p, "keep its scales");
  const { scale } = p;
  const made: readonly [Expr, readonly [Indexable, ReturnType<typeof tensor>][]] =
    scale.k === "load"
      ? (() => {
        const t = placeholder(`${scale.src.name}_words`, "int32", scale.src.shape);
        return [load(t, scale.idx), [[t, tensor("int32", t.shape, p.words)]]] as const;
      })()
      : [imm(p.words[0]), []];
  const [word, consts] = made;
  const body = cast(st.compute.out.dtype, call(REQUANTIZE_WORD, p.acc, word, ...p.bounds));
  return {
    ...replaceStage(s, st.name, { ...st, compute: { ...st.compute, body } }),
    consts: new Map([...s.consts, ...consts]),
  };
}
