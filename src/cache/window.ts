import { z } from "zod";
import { QuireError } from "../errors.js";
import { type CacheView, cachePolicy, type Edit, type PolicyRun } from "./policy.js";

/** Window: keeps the first tokens ("sinks") and the newest ones.
 *  Paper    Xiao et al. 2023, "Efficient Streaming Language Models with Attention Sinks", arXiv 2309.17453
 *  Takes    positions only
 *  Does     after each slice of the prompt and each step, all layers and heads alike: keep
 *  Cost     nothing in attention; bytes held = (sinks + recent) entries
 *  Differs  positions stay those of the text, so it does not carry a model beyond its trained length
 *  Not      snapkv and h2o, which keep what was attended to
 *  Errors   bad-option when the budget leaves no room for a recent token besides the sinks */
export const window = cachePolicy({
  name: "window",
  title: "Keeps the first tokens and the newest",
  options: z.object({
    sinks: z.number().int().min(0).default(4).describe("first tokens that always stay"),
    budget: z.number().int().min(1).default(1024).describe("entries kept in all, sinks included"),
  }),
  create: ({ sinks, budget }) => {
    if (budget <= sinks) {
      throw new QuireError("bad-option", "window: the budget leaves no room for recent tokens.", {
        got: `budget ${budget}, sinks ${sinks}`,
        expected: "a budget above the number of sinks",
      });
    }
    const keepEnds = (view: CacheView): Edit[] => {
      const { slots } = view.entries(0, 0);
      if (slots.length <= budget) return [];
      const kept = new Int32Array(budget);
      kept.set(slots.subarray(0, sinks));
      kept.set(slots.subarray(slots.length - (budget - sinks)), sinks);
      return [{ kind: "keep", slots: kept }];
    };
    const run: PolicyRun = {
      afterPrefillSlice: keepEnds,
      afterPrefill: keepEnds,
      afterStep: keepEnds,
      clone: () => run,
    };
    return run;
  },
});
