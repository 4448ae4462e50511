import { z } from "zod";
import { QuireError } from "../errors.js";
import { meanAndVariance, rowsOf, stepWeights } from "./choose/attention-rows.js";
import { averagePool } from "./choose/average-pool.js";
import { entriesOf, leastBudget, mustHold, windowOf } from "./choose/budget.js";
import { keepPerHead } from "./choose/every-head.js";
import { keepTopAndRest } from "./choose/keep-top.js";
import { budget, kernel, recent } from "./options.js";
import { type CacheShape, type CacheView, cachePolicy, type PolicyRun } from "./policy.js";
import { allocate, cascade, liftPoorest } from "./record/layer-budgets.js";
import { preference, spreadOf } from "./record/layer-preference.js";

/** CAKE: gives each layer the cache its attention pattern deserves, within one total.
 *  Paper    Qin et al. 2025, "CAKE: Cascading and Adaptive KV Cache Eviction with Layer Preferences", arXiv 2503.12491.
 *           Page: docs/methods/cake.md
 *  Takes    promptRows f32 [G, w, E]: attention of the last w queries; stepRow f32 [G, 1, E]: of the query of each step
 *  Does     after the prompt: split the total over layers by entropy and shift of attention, keep by mean and variance; in each step
 *           keep what the newest query looks at
 *  Cost     w rows of explicit attention per layer, once; one row per layer and step
 *  Differs  layers are cut when the prompt is in, not between layers: the kept entries are the same, the peak is that of the full
 *           cache; kept entries stay in the order of the text, so pooling over neighbours means neighbours in the text
 *  Not      snapkv (same budget everywhere, no variance), spatten (fewer tokens with every layer)
 *  Errors   bad-option when the budget is under two entries, an exponent is not above 0 or the kernel is even; native when a
 *           layer's preference is not a number */
export const cake = cachePolicy({
  name: "cake",
  title: "Gives each layer the cache its attention pattern deserves",
  arxiv: "2503.12491",
  options: z.object({
    budget: budget(0.2),
    window: recent(32),
    gamma: z.number().min(0).default(200).describe("weight of the variance in an entry's score"),
    tauEntropy: z.number().gt(0).default(1).describe("a layer's entropy counts with the exponent 1/tauEntropy"),
    tauShift: z.number().gt(0).default(1).describe("a layer's shift counts with the exponent 1/tauShift"),
    kernel,
    cascading: z.boolean().default(true).describe("budgets as if layers were cut while later ones are being read"),
    minLayer: z.number().int().min(0).default(0).describe("entries besides the window that no layer goes below"),
    layers: z
      .enum(["adaptive", "uniform", "pyramid"])
      .default("adaptive")
      .describe("who decides over the layers' shares"),
  }),
  needs: ({ window }) => ({ promptRows: window, stepRow: true }),
  create: (options, shape) => {
    mustHold("cake", options.budget, leastBudget(0, options.window), "the window and one more");
    return cakeRun(options, shape, { newest: 0, budgets: [] });
  },
});

interface Options {
  readonly budget: number;
  readonly window: number;
  readonly gamma: number;
  readonly tauEntropy: number;
  readonly tauShift: number;
  readonly kernel: number;
  readonly cascading: boolean;
  readonly minLayer: number;
  readonly layers: "adaptive" | "uniform" | "pyramid";
}

interface State {
  newest: number;
  /** Entries besides the window, for each managed layer; empty as long as nothing is to be dropped. */
  budgets: number[];
}

function cakeRun(options: Options, shape: CacheShape, state: State): PolicyRun {
  const indexOf = new Map(shape.managedLayers.map((layer, index) => [layer, index]));
  const budgetOf = (layer: number) => state.budgets[indexOf.get(layer) as number] as number;
  return {
    afterPrefill: (view) => {
      const limit = entriesOf(options.budget, view.promptTokens, leastBudget(0, options.window));
      state.budgets = [];
      if (limit === Number.POSITIVE_INFINITY) return [];
      state.newest = windowOf(limit, options.window);
      const longest = Math.max(...shape.managedLayers.map((layer) => view.entries(layer, 0).slots.length));
      // Between the budget and the budget plus a window, the prompt is kept whole; the first step then cuts.
      if (longest <= limit + state.newest) {
        state.budgets = shape.managedLayers.map(() => limit - state.newest);
        return [];
      }
      state.budgets = layerBudgets(view, limit - state.newest, longest - state.newest);
      return keepPerHead(shape, view, (entries, layer) => {
        const before = entries.slots.length - state.newest;
        if (before <= budgetOf(layer)) return undefined;
        const { gamma } = options;
        const scores = meanAndVariance(entries, { policy: "cake", newest: state.newest, entries: before, gamma });
        return keepTopAndRest(entries.slots, averagePool(scores, options.kernel), budgetOf(layer));
      });
    },
    afterStep: (view) => {
      if (state.budgets.length === 0) return [];
      return keepPerHead(shape, view, (entries, layer) => {
        const before = entries.slots.length - state.newest;
        if (before <= budgetOf(layer)) return undefined;
        const weights = stepWeights(entries, { policy: "cake", entries: before, reduce: "mean" });
        return keepTopAndRest(entries.slots, averagePool(weights, options.kernel), budgetOf(layer));
      });
    },
    clone: () => cakeRun(options, shape, { ...state }),
    stats: () =>
      Object.fromEntries(state.budgets.map((_, index) => [`layer${shape.managedLayers[index]}`, perLayer(index)])),
  };

  function perLayer(index: number): number {
    return (state.budgets[index] as number) + state.newest;
  }

  function layerBudgets(view: CacheView, mean: number, cap: number): number[] {
    const count = shape.managedLayers.length;
    const total = count * mean;
    const preferences =
      options.layers === "adaptive"
        ? shape.managedLayers.map((layer) => layerPreference(view, layer))
        : Array.from({ length: count }, (_, index) => (options.layers === "uniform" ? 1 : pyramid(index, count)));
    const split = options.cascading && options.layers === "adaptive" ? cascade : allocate;
    const budgets = split(preferences, total, cap);
    liftPoorest(budgets, options.minLayer);
    return budgets;
  }

  function layerPreference(view: CacheView, layer: number): number {
    let entropy = 0;
    let shift = 0;
    for (let kvHead = 0; kvHead < shape.kvHeads; kvHead++) {
      const entries = view.entries(layer, kvHead);
      const { rows, rowCount } = rowsOf(entries, "cake");
      const held = entries.slots.length;
      const spread = spreadOf(rows, {
        rowCount,
        held,
        newest: state.newest,
        entries: Math.max(0, held - state.newest),
      });
      entropy += spread.entropy;
      shift += spread.shift;
    }
    const value = preference({ entropy, shift }, options.tauEntropy, options.tauShift);
    if (Number.isNaN(value))
      throw new QuireError("native", `cake: the preference of layer ${layer} is not a number.`, {
        got: { entropy, shift },
      });
    return value;
  }
}

/** Linear from twice the mean at the first layer to nothing at the last. */
function pyramid(index: number, count: number): number {
  return count === 1 ? 1 : 1 - index / (count - 1);
}
