/** Everything that the template of a quantisation's report fills in. */
import type { OutputQuality } from "../../quantize/evaluate.ts";
import type { QuantizeResult } from "../../quantize/quantize.ts";
import { bar, rangeBar } from "./bars.ts";
import { lastName, real, shortened } from "./text.ts";

const NAME = 60;

const decibels = (x: number | null): string =>
  x === null ? "float" : x === Infinity ? "equal" : `${x.toFixed(1)}\u00a0dB`;
const share = (x: number): string => `${(100 * x).toFixed(2)}\u00a0%`;
const finite = (x: number): number => Math.min(x, 150);

const named = (name: string) => ({
  name: shortened(lastName(name), NAME),
  full_name: shortened(name, 2000),
});

/** What is known of an output beside its signal to noise. */
function quality(o: OutputQuality): string {
  const both = (what: string, x: { float: number; quantised: number } | null, text: typeof share) =>
    x === null ? [] : [`${what} ${text(x.quantised)}, in float ${text(x.float)}`];
  return [
    ...(o.agreement === null ? [] : [`same class in ${share(o.agreement)}`]),
    ...both("accuracy", o.accuracy, share),
    ...both("AUC", o.auc, (x) => x.toFixed(4)),
    ...both("mean square error", o.mse, (x) => real(x)),
  ].join("; ");
}

/** A bar of decibels, the worse the fuller: what is wrong is what is to be seen. */
const noiseBar = (snr: number, best: number): string =>
  bar(Math.max(0, best - finite(snr)), Math.max(best, 1), "s-range");

/**
 * The context of `templates/report/quantize.html.hbs`.
 * @param samples how many the outputs were compared on; @param setting what was taken, in words
 */
export function quantizeContext(
  r: Omit<QuantizeResult, "file">,
  texts: {
    readonly model: string;
    readonly version: string;
    readonly setting: string;
    readonly settings: readonly string[];
    readonly samples: number;
  },
): Record<string, unknown> {
  const best = (values: readonly (number | null | undefined)[]) =>
    Math.max(0, ...values.map((v) => finite(v ?? 0)));
  const tensors = best(r.tensors.map((t) => t.snr));
  const layers = best(r.layers.map((l) => l.snr));
  const alone = best(r.layers.map((l) => l.alone?.snr));
  const sources = best(r.sources.map((s) => s.snr));
  const trials = best(r.trials.map((t) => t.snr));
  const widest = Math.max(...r.tensors.map((t) => Math.max(-t.low, t.high)));
  return {
    model: shortened(texts.model, NAME),
    version: texts.version,
    setting: texts.setting,
    samples: texts.samples,
    outputs: r.outputs.map((o) => ({
      ...named(o.name),
      snr: decibels(o.snr),
      quality: quality(o),
    })),
    trials: r.trials.map((t, i) => ({
      name: texts.settings[i],
      snr: decibels(t.snr),
      snr_value: finite(t.snr),
      bar: noiseBar(t.snr, trials),
      agreement: share(t.agreement),
    })),
    tensors: r.tensors.map((t) => ({
      ...named(t.tensor),
      node: shortened(lastName(t.node), NAME),
      dtype: t.dtype,
      snr: decibels(t.snr),
      snr_value: finite(t.snr),
      bar: noiseBar(t.snr, tensors),
      scale: real(t.scale),
      zero: t.zero,
      range: `${real(t.low, 3)} … ${real(t.high, 3)}`,
      range_bar: rangeBar([t.low, t.high], widest),
    })),
    alone: r.layers.some((l) => l.alone !== null),
    layers: r.layers.map((l) => ({
      ...named(l.node),
      snr: decibels(l.snr),
      snr_value: finite(l.snr ?? 150),
      bar: l.snr === null ? "" : noiseBar(l.snr, layers),
      alone_snr: l.alone ? decibels(l.alone.snr) : "",
      alone_value: l.alone ? finite(l.alone.snr) : "",
      alone_bar: l.alone ? noiseBar(l.alone.snr, alone) : "",
      agreement: l.alone ? share(l.alone.agreement) : "",
    })),
    sources: r.sources.map((s) => ({
      ...named(s.name),
      kind: s.kind,
      snr: decibels(s.snr),
      snr_value: finite(s.snr),
      bar: noiseBar(s.snr, sources),
      agreement: share(s.agreement),
    })),
    costs: r.cost === null ? [] : ([
      ["bytes of arena", "ram"],
      ["bytes of constants", "flash"],
      ["instructions of a run, as predicted", "instructions"],
    ] as const).map(([what, key]) => ({
      what,
      plain: r.cost!.plain[key].toLocaleString("en"),
      taken: r.cost!.taken[key].toLocaleString("en"),
    })),
    notes: r.notes.map((text) => shortened(text, 2000)),
  };
}
