import { z } from "zod";
import { meanAndVariance } from "./choose/attention-rows.js";
import { averagePool } from "./choose/average-pool.js";
import { entriesOf, leastBudget, mustHold, windowOf } from "./choose/budget.js";
import { keepPerHead } from "./choose/every-head.js";
import { keepTopAndRest } from "./choose/keep-top.js";
import { slideWindow } from "./choose/slide-window.js";
import { budget, kernel, recent } from "./options.js";
import { type CacheShape, cachePolicy, type PolicyRun } from "./policy.js";

/** SnapKV: keeps what the end of the prompt looked at, chosen once; then the newest entries slide past it.
 *  Paper    Li et al. 2024, "SnapKV: LLM Knows What You are Looking for Before Generation", arXiv 2404.14469
 *  Takes    promptRows f32 [G, w, E]: attention of the last w queries of the prompt
 *  Does     after the prompt, per layer and KV head: keep the best-scored and the last w; in each step drop what leaves the window
 *  Cost     one explicit attention of w rows per layer, once
 *  Differs  generated entries do not pile up: those outside the window are dropped, so the budget holds during the whole text
 *  Not      h2o (sums over all queries, goes on choosing), cake (layers differ, variance counts)
 *  Errors   bad-option when the budget is under two entries or the kernel even */
export const snapkv = cachePolicy({
  name: "snapkv",
  title: "Keeps what the end of the prompt looked at",
  options: z.object({ budget: budget(0.2), window: recent(32), kernel }),
  needs: ({ window }) => ({ promptRows: window }),
  create: (options, shape) => {
    mustHold("snapkv", options.budget, leastBudget(0, options.window), "the window and one more");
    return snapkvRun(options, shape, { limit: 0, newest: 0 });
  },
});

function snapkvRun(
  options: { budget: number; window: number; kernel: number },
  shape: CacheShape,
  state: { limit: number; newest: number },
): PolicyRun {
  return {
    afterPrefill: (view) => {
      state.limit = entriesOf(options.budget, view.promptTokens, leastBudget(0, options.window));
      state.newest = windowOf(state.limit, options.window);
      return keepPerHead(shape, view, (entries) => {
        const { slots } = entries;
        if (slots.length <= state.limit) return undefined;
        const before = slots.length - state.newest;
        const scores = meanAndVariance(entries, { policy: "snapkv", newest: state.newest, entries: before, gamma: 0 });
        return keepTopAndRest(slots, averagePool(scores, options.kernel), state.limit - state.newest);
      });
    },
    afterStep: (view) => slideWindow(shape, view, state),
    clone: () => snapkvRun(options, shape, { ...state }),
  };
}
