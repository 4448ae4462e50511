import { z } from "zod";
import { entriesOf, mustHold } from "./choose/budget.js";
import { budget, sinks } from "./options.js";
import { type CacheShape, type CacheView, cachePolicy, type Edit, type PolicyRun } from "./policy.js";

/** Window: keeps the first tokens ("sinks") and the newest ones.
 *  Paper    Xiao et al. 2023, "Efficient Streaming Language Models with Attention Sinks", arXiv 2309.17453
 *  Takes    positions only
 *  Does     after each slice of the prompt and each step, all layers and heads alike: keep
 *  Cost     nothing in attention; bytes held = budget entries and one slice
 *  Differs  positions stay those of the text, so it does not carry a model beyond its trained length
 *  Not      snapkv and h2o, which keep what was attended to
 *  Errors   bad-option when the budget leaves no room for a recent token besides the sinks */
export const window = cachePolicy({
  name: "window",
  title: "Keeps the first tokens and the newest",
  options: z.object({
    sinks: sinks(),
    budget: budget(1024),
    slices: z
      .boolean()
      .default(true)
      .describe("cut between slices of a long prompt, which bounds memory; false reads the prompt whole first"),
  }),
  create: (options, shape) => {
    mustHold("window", options.budget, options.sinks + 1, "the sinks and one newest");
    return windowRun(options, shape, { limit: 0 });
  },
});

function windowRun(
  options: { budget: number; sinks: number; slices: boolean },
  shape: CacheShape,
  state: { limit: number },
): PolicyRun {
  const [anyLayer = 0] = shape.managedLayers;
  const keepEnds = (view: CacheView): Edit[] => {
    const { slots } = view.entries(anyLayer, 0);
    const { limit } = state;
    if (slots.length <= limit) return [];
    const kept = new Int32Array(limit);
    kept.set(slots.subarray(0, options.sinks));
    kept.set(slots.subarray(slots.length - (limit - options.sinks)), options.sinks);
    return [{ kind: "keep", slots: kept }];
  };
  const inPrompt = (view: CacheView): Edit[] => {
    state.limit = entriesOf(options.budget, view.promptTokens, options.sinks + 1);
    return keepEnds(view);
  };
  return {
    ...(options.slices ? { afterPrefillSlice: inPrompt } : {}),
    afterPrefill: inPrompt,
    afterStep: keepEnds,
    clone: () => windowRun(options, shape, { ...state }),
  };
}
