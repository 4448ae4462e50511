import { z } from "zod";
import { QuireError } from "../errors.js";
import { stepWeights } from "./choose/attention-rows.js";
import { entriesOf, mustHold } from "./choose/budget.js";
import { keepPerHead } from "./choose/every-head.js";
import { keepTop, mustBeNumbers } from "./choose/keep-top.js";
import { budget } from "./options.js";
import { type CacheShape, type CacheView, cachePolicy, type PolicyRun } from "./policy.js";
import { RecurrenceRecord } from "./record/recurrence.js";

/** LazyEviction: evicts only now and then, and spares entries whose next use is due by their own rhythm.
 *  Paper    Zhang et al. 2025, "LazyEviction: Lagged KV Eviction with Attention Pattern Observation for Efficient Long Reasoning",
 *           arXiv 2506.15969. Page: docs/methods/lazy-eviction.md
 *  Takes    stepRow f32 [G, 1, E]: attention of the query of each step
 *  Does     every `window` steps, when more than the budget is held, per layer and KV head: keep; nothing in between, nothing at the
 *           end of the prompt
 *  Cost     one row of explicit attention per layer and step, 8 bytes an entry; memory swings between budget and budget + window
 *  Differs  decides per KV head (use = the most any of its query heads gave), not per query head with keys repeated; `alpha=auto`
 *           counts an entry as used from its fair share 1/E on
 *  Not      h2o (sums, acts at once), cake (decides by the newest query alone)
 *  Errors   bad-option when the budget is not above the window, or alpha negative */
export const lazyEviction = cachePolicy({
  name: "lazy-eviction",
  title: "Evicts late, and spares what is due to return",
  arxiv: "2506.15969",
  options: z.object({
    budget: budget(0.5).describe(
      "entries kept after each cut, per layer and KV head: a share of prompt and answer together (1 keeps all), or a number above 1",
    ),
    window: z
      .number()
      .int()
      .min(1)
      .default(64)
      .describe("steps from one cut to the next, and newest entries that stay"),
    alpha: z
      .union([z.literal("auto"), z.number().min(0)])
      .default("auto")
      .describe("attention from which on an entry counts as used; auto: its fair share"),
    h1: z
      .enum(["code", "paper"])
      .default("code")
      .describe("form of the silence score: of the released code, or of the paper"),
    heads: z.enum(["max", "mean"]).default("max").describe("how the query heads of a group are put together"),
  }),
  needs: { stepRow: true },
  create: (options, shape) => {
    mustHold("lazy-eviction", options.budget, options.window + 1, "more than the window");
    const records = Array.from({ length: shape.layers * shape.kvHeads }, () => new RecurrenceRecord());
    return lazyRun(options, shape, { limit: 0, step: 0, evictions: 0, most: 0, records });
  },
});

interface Options {
  readonly budget: number;
  readonly window: number;
  readonly alpha: number | "auto";
  readonly h1: "code" | "paper";
  readonly heads: "max" | "mean";
}

interface State {
  limit: number;
  step: number;
  evictions: number;
  most: number;
  records: RecurrenceRecord[];
}

function lazyRun(options: Options, shape: CacheShape, state: State): PolicyRun {
  const { managedLayers, kvHeads } = shape;
  const recordOf = (layer: number, kvHead: number) => state.records[layer * kvHeads + kvHead] as RecurrenceRecord;

  const trackStep = (view: CacheView): void => {
    for (const layer of managedLayers) {
      for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
        const entries = view.entries(layer, kvHead);
        const held = entries.slots.length;
        const record = recordOf(layer, kvHead);
        if (held < record.length)
          throw new QuireError("unsupported", "lazy-eviction: entries were taken out of the memory by somebody else.");
        // Born in the step before, so that an entry used at once has an interval of 1.
        record.extend(held, state.step - 1);
        const weights = stepWeights(entries, { policy: "lazy-eviction", entries: held, reduce: options.heads });
        mustBeNumbers(weights);
        record.track(weights, options.alpha === "auto" ? 1 / held : options.alpha, state.step);
        state.most = Math.max(state.most, held);
      }
    }
  };

  return {
    afterPrefill: (view) => {
      state.limit = entriesOf(options.budget, view.promptTokens + view.maxNewTokens, options.window + 1);
      for (const layer of managedLayers) {
        for (let kvHead = 0; kvHead < kvHeads; kvHead++)
          recordOf(layer, kvHead).extend(view.entries(layer, kvHead).slots.length, state.step);
      }
      return [];
    },
    afterStep: (view) => {
      state.step++;
      trackStep(view);
      if (state.step % options.window !== 0) return [];
      return keepPerHead(shape, view, ({ slots }, layer, kvHead) => {
        if (slots.length <= state.limit) return undefined;
        const record = recordOf(layer, kvHead);
        const old = slots.length - options.window;
        const chosen = keepTop(record.scores(old, state.step, options.h1), state.limit - options.window);
        const kept = new Int32Array(state.limit);
        kept.set(chosen);
        for (let i = 0; i < options.window; i++) kept[chosen.length + i] = old + i;
        record.keep(kept);
        state.evictions++;
        return kept.map((index) => slots[index] as number);
      });
    },
    clone: () => lazyRun(options, shape, { ...state, records: state.records.map((record) => record.clone()) }),
    stats: () => ({ evictions: state.evictions, mostEntries: state.most, meanInterval: meanInterval(state.records) }),
  };
}

function meanInterval(records: readonly RecurrenceRecord[]): number {
  let sum = 0;
  let count = 0;
  for (const { longest, length } of records) {
    for (let entry = 0; entry < length; entry++) sum += longest[entry] as number;
    count += length;
  }
  return count === 0 ? 0 : sum / count;
}
