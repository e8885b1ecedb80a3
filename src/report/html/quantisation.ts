/** The table of quantised tensors: scales, zero points, and the real values that they stand for. */
import type { QuantTensor } from "../../compile/report_facts.ts";
import { rangeBar, spreadChart } from "./bars.ts";
import { lastName, real, shortened } from "./text.ts";

const TITLES: Readonly<Record<QuantTensor["role"], string>> = {
  input: "Inputs",
  output: "Outputs",
  activation: "Activations",
  weights: "Weights",
  bias: "Biases",
};

function zeroText(zeros: readonly number[]): string {
  const low = Math.min(...zeros), high = Math.max(...zeros);
  return low === high ? String(low) : `${low} to ${high}`;
}

function scaleText(scales: readonly number[]): string {
  const low = Math.min(...scales), high = Math.max(...scales);
  if (scales.length === 1 || low === high) return real(scales[0]);
  return `${real(low, 3)} to ${real(high, 3)}`;
}

/** How far the channels of a tensor are apart; empty where there is one scale. */
function spreadText(scales: readonly number[]): string {
  if (scales.length === 1) return "";
  const low = Math.min(...scales), high = Math.max(...scales);
  return `${scales.length} channels, largest ${low > 0 ? real(high / low, 3) : "∞"} × smallest`;
}

/** What the template shows of quantisation. */
export function quantisationContext(tensors: readonly QuantTensor[]): Record<string, unknown> {
  const roles = (Object.keys(TITLES) as QuantTensor["role"][]).filter((role) =>
    tensors.some((t) => t.role === role)
  );
  return {
    is_quantised: tensors.length > 0,
    roles: roles.map((role) => {
      const own = tensors.filter((t) => t.role === role);
      const shown = own.map((t) => t.used ?? t.range);
      const widest = Math.max(0, ...shown.flatMap((r) => r ? r.map(Math.abs) : []));
      return {
        title: TITLES[role],
        constant: role === "weights" || role === "bias",
        tensors: own.map((t, i) => ({
          name: shortened(lastName(t.name), 60),
          full_name: shortened(t.name, 200),
          type: `${t.dtype} ${t.shape.length === 0 ? "scalar" : t.shape.join(" × ")}`,
          scale: scaleText(t.scales),
          scale_value: t.scales[0],
          spread: spreadText(t.scales),
          chart: t.scales.length > 1 ? spreadChart(t.scales) : "",
          zero: zeroText(t.zeroPoints),
          range: t.range ? `${real(t.range[0])} to ${real(t.range[1])}` : "–",
          used: t.used ? `${real(t.used[0])} to ${real(t.used[1])}` : "–",
          bar: shown[i] ? rangeBar(shown[i]!, widest) : "",
        })),
      };
    }),
  };
}
