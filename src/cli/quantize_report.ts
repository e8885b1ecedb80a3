/** The page that `quantize --report` writes. */
import pageTemplate from "../../templates/report/quantize.html.hbs" with { type: "text" };
import type { QuantizeResult } from "../quantize/quantize.ts";
import { settingText } from "../quantize/trial.ts";
import { quantizeContext } from "../report/html/quantize.ts";
import { VERSION } from "../util/version.ts";
import { renderPage } from "./page.ts";

/** @param model file name of the float model; @param samples how many it was compared on */
export const quantizePage = (
  result: Omit<QuantizeResult, "file">,
  model: string,
  samples: number,
): string =>
  renderPage(
    pageTemplate,
    quantizeContext(result, {
      model,
      version: VERSION,
      setting: settingText(result.setting),
      settings: result.trials.map(settingText),
      samples,
    }),
    "report/quantize.html.hbs",
  );
