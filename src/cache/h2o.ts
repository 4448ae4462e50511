import { z } from "zod";
import { QuireError } from "../errors.js";
import { entriesOf, mustHold } from "./choose/budget.js";
import { keepPerHead } from "./choose/every-head.js";
import { keepTopAndRest } from "./choose/keep-top.js";
import { budget, every } from "./options.js";
import { type CacheShape, type CacheView, cachePolicy, type Edit, type EntryView, type PolicyRun } from "./policy.js";
import { DecayedSums } from "./record/decayed-sums.js";

/** H2O: keeps the entries that collected the most attention so far, and the newest ones.
 *  Paper    Zhang et al. 2023, "H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language Models", arXiv
 *           2306.14048. Page: docs/methods/h2o.md
 *  Takes    columnSums f32 [K, E]: attention received, mean over the query heads of a group
 *  Does     after the prompt and every `every` steps, per layer and KV head: keep; what is dropped never returns
 *  Cost     column sums over the whole prompt, O(T²·H) additions beside the attention itself; a step adds O(K·E) per layer
 *  Differs  positions stay those of the text (no renumbering beyond the trained length); `decay` counts from the end of the prompt
 *  Not      snapkv (looks at the last queries only), lazy-eviction (waits before it drops)
 *  Errors   bad-option when the budget holds fewer than two entries; native when attention rows do not sum to 1 */
export const h2o = cachePolicy({
  name: "h2o",
  title: "Keeps what collected the most attention, and the newest",
  arxiv: "2306.14048",
  options: z.object({
    budget: budget(0.2),
    heavy: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe("share of the budget for heavy hitters; the rest is the newest"),
    score: z.enum(["sum", "mean"]).default("sum").describe("attention received in all, or per query that could see it"),
    decay: z.number().gt(0).max(1).default(1).describe("what older attention counts for, per step"),
    every,
  }),
  needs: { columnSums: true },
  create: (options, shape) => {
    mustHold("h2o", options.budget, 2, "one heavy hitter and one newest");
    return h2oRun(options, shape, { limit: 0, drops: 0, firstHeld: 0, sums: new DecayedSums(options.decay) });
  },
});

interface Options {
  readonly budget: number;
  readonly heavy: number;
  readonly score: "sum" | "mean";
  readonly decay: number;
  readonly every: number;
}

interface State {
  limit: number;
  drops: number;
  /** How many of the text's first four tokens were held at the last look, over all heads. */
  firstHeld: number;
  readonly sums: DecayedSums;
}

function h2oRun(options: Options, shape: CacheShape, state: State): PolicyRun {
  const act = (view: CacheView, due: boolean): Edit[] => {
    const heavy = Math.floor(state.limit * options.heavy);
    const newest = state.limit - heavy;
    state.firstHeld = 0;
    return keepPerHead(shape, view, (entries, layer, kvHead) => {
      const { slots, positions } = entries;
      for (let i = 0; i < slots.length && (positions[i] as number) < 4; i++) state.firstHeld++;
      const excess = slots.length - state.limit;
      if (excess <= 0 && options.decay === 1) return undefined;
      const received = attentionReceived(entries, layer * shape.kvHeads + kvHead);
      if (excess <= 0 || !due) return undefined;
      const candidates = received.slice(0, slots.length - newest);
      if (options.score === "mean") perQuery(candidates, positions, view.tokens);
      state.drops += excess;
      return keepTopAndRest(slots, candidates, heavy);
    });
  };
  const attentionReceived = ({ positions, columnSums }: EntryView, head: number): Float32Array => {
    if (columnSums === undefined) throw new QuireError("unsupported", "h2o needs column sums, and was given none.");
    return options.decay < 1 ? state.sums.update(head, positions, columnSums) : columnSums;
  };
  return {
    afterPrefill: (view) => {
      state.limit = entriesOf(options.budget, view.promptTokens, 2);
      checkSums(shape, view);
      return act(view, true);
    },
    afterStep: (view, step) => {
      const due = step % options.every === 0;
      return due || options.decay < 1 ? act(view, due) : [];
    },
    clone: () => h2oRun(options, shape, { ...state, sums: state.sums.clone() }),
    stats: () => ({
      drops: state.drops,
      firstFourHeld: state.firstHeld / Math.max(1, shape.managedLayers.length * shape.kvHeads),
    }),
  };
}

/** Old entries have had more queries to collect from; per query that advantage is gone. In place. */
export function perQuery(sums: Float32Array, positions: Int32Array, tokens: number): void {
  for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) / (tokens - (positions[i] as number));
}

/** Every query gives away 1: while nothing was dropped, what was received adds up to the number of queries. */
function checkSums(shape: CacheShape, view: CacheView): void {
  for (const layer of shape.managedLayers) {
    const { slots, columnSums } = view.entries(layer, 0);
    if (columnSums === undefined || slots.length !== view.tokens) continue;
    let total = 0;
    for (const sum of columnSums) total += sum;
    if (!(Math.abs(total - view.tokens) <= 1e-3 * view.tokens)) {
      throw new QuireError("native", "The attention rows of a layer do not sum to 1.", {
        got: `layer ${layer}: ${total} over ${view.tokens} queries`,
        expected: "within 0.1%",
      });
    }
  }
}
