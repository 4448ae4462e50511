import { z } from "zod";
import { philox } from "../tensor/random.js";
import { entriesOf, leastBudget, mustHold, windowOf } from "./choose/budget.js";
import { keepPerHead } from "./choose/every-head.js";
import { keepTop } from "./choose/keep-top.js";
import { slideWindow } from "./choose/slide-window.js";
import { budget, recent, seed, sinks } from "./options.js";
import { type CacheShape, cachePolicy, type PolicyRun } from "./policy.js";

/** Random: keeps the first tokens, the newest ones, and a uniform choice of the rest. What any policy must beat.
 *  Takes    positions only
 *  Does     after the prompt, per layer and KV head: keep; in each step drop what leaves the window
 *  Cost     nothing in attention
 *  Not      window, which has no middle
 *  Errors   bad-option when the budget leaves no entry of choice besides sinks and window */
export const random = cachePolicy({
  name: "random",
  title: "Keeps the ends and a random choice between them",
  options: z.object({ budget: budget(0.2), sinks: sinks(), window: recent(32), seed }),
  create: (options, shape) => {
    const least = leastBudget(options.sinks, options.window);
    mustHold("random", options.budget, least, "the sinks, the window and one more");
    return randomRun({ ...options, least }, shape, { limit: 0, newest: 0 });
  },
});

function randomRun(
  options: { budget: number; sinks: number; window: number; seed: number; least: number },
  shape: CacheShape,
  state: { limit: number; newest: number },
): PolicyRun {
  return {
    afterPrefill: (view) => {
      state.limit = entriesOf(options.budget, view.promptTokens, options.least);
      state.newest = windowOf(state.limit, options.window);
      return keepPerHead(shape, view, ({ slots, positions }, layer, kvHead) => {
        if (slots.length <= state.limit) return undefined;
        const middle = positions.subarray(options.sinks, slots.length - state.newest);
        const lots = Float32Array.from(middle, (position) => lot(options.seed, layer, kvHead, position));
        const chosen = keepTop(lots, state.limit - state.newest - options.sinks);
        const kept = new Int32Array(state.limit);
        kept.set(slots.subarray(0, options.sinks));
        for (let i = 0; i < chosen.length; i++)
          kept[options.sinks + i] = slots[options.sinks + (chosen[i] as number)] as number;
        kept.set(slots.subarray(slots.length - state.newest), state.limit - state.newest);
        return kept;
      });
    },
    afterStep: (view) => slideWindow(shape, view, state),
    clone: () => randomRun(options, shape, { ...state }),
  };
}

/** The lot of an entry depends on nothing but the seed and where it stands, so runs repeat and clones agree. */
function lot(seed: number, layer: number, kvHead: number, position: number): number {
  return philox([position, kvHead, layer, 0], [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0])[0] as number;
}
