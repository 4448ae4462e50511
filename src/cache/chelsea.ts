import { z } from "zod";
import { QuireError } from "../errors.js";
import { entriesOf, leastBudget, mustHold, windowOf } from "./choose/budget.js";
import { budget, recent, sinks } from "./options.js";
import { type CacheShape, type CacheView, cachePolicy, type Edit, type EntryView, type PolicyRun } from "./policy.js";
import { type Clusters, matchDown } from "./record/soft-matching.js";

/** Chelsea: merges near-duplicate keys, chunk by chunk, into weighted centroids.
 *  Paper    Hu et al. 2025, "Efficient Long-Context LLM Inference via KV Cache Clustering", arXiv 2506.11418. Page:
 *           docs/methods/chelsea.md
 *  Takes    keys f32 [E, D], rotated, and how many tokens each entry stands for
 *  Does     after the prompt, then whenever a chunk more than the budget is held, per layer and KV head: merge
 *  Cost     no attention is observed; a cut takes E·chunk·D/4 multiplications per KV head and round; attention reads merged entries
 *           with the logarithm of their count added
 *  Differs  protected ends, the common choice over all chunks and further rounds are ours, where the paper's text leaves them open
 *  Not      the policies that drop: nothing is thrown away here, but entries blur
 *  Errors   bad-option when the chunk is odd or under 2, the budget does not hold the protected ends, or the threshold is no cosine */
export const chelsea = cachePolicy({
  name: "chelsea",
  title: "Merges near-duplicate keys into weighted centroids",
  arxiv: "2506.11418",
  options: z.object({
    budget: budget(0.5),
    chunk: z
      .number()
      .int()
      .min(2)
      .refine((value) => value % 2 === 0, { error: "must be even" })
      .default(64)
      .describe("entries compared with each other; even"),
    sinks: sinks(),
    window: recent(64),
    threshold: z.number().min(-1).max(1).default(-1).describe("least cosine of two keys that may merge; -1 is off"),
    overflow: z
      .enum(["keep", "evict"])
      .default("keep")
      .describe("what a threshold leaves over the budget: kept, or dropped, oldest first"),
    scope: z
      .enum(["global", "perChunk"])
      .default("global")
      .describe("merge the most similar of all, or equally per chunk"),
    onMatch: z
      .enum(["merge", "drop"])
      .default("merge")
      .describe("drop: the matched entry goes and leaves nothing, for comparison"),
  }),
  needs: { keys: true },
  create: (options, shape) => {
    const least = leastBudget(options.sinks, options.window);
    mustHold("chelsea", options.budget, least, "the sinks, the window and one more");
    return chelseaRun({ ...options, least }, shape, { limit: 0, cuts: 0, joins: 0, largest: 1, similarity: 0 });
  },
});

interface Options {
  readonly budget: number;
  readonly chunk: number;
  readonly sinks: number;
  readonly window: number;
  readonly threshold: number;
  readonly overflow: "keep" | "evict";
  readonly scope: "global" | "perChunk";
  readonly onMatch: "merge" | "drop";
  readonly least: number;
}

interface State {
  limit: number;
  cuts: number;
  joins: number;
  largest: number;
  /** Sum over joins. */
  similarity: number;
}

function chelseaRun(options: Options, shape: CacheShape, state: State): PolicyRun {
  const cut = (view: CacheView, slack: number): Edit[] => {
    const newest = windowOf(state.limit, options.window);
    return shape.managedLayers.flatMap((layer) => {
      if (view.entries(layer, 0).slots.length <= state.limit + slack) return [];
      const heads = Array.from({ length: shape.kvHeads }, (_, kvHead) => view.entries(layer, kvHead));
      const match = (entries: EntryView, target: number) =>
        matchDown(keysOf(entries), entries.mass, shape.headDim, { ...options, target, recent: newest });
      let clusters = heads.map((entries) => match(entries, state.limit));
      // With a threshold the heads may stop at different counts; those of a layer must be equal, so the longest decides.
      const most = Math.max(...clusters.map(({ living }) => living.length));
      if (options.overflow === "keep")
        clusters = clusters.map((one, head) =>
          one.living.length < most ? match(heads[head] as EntryView, most) : one,
        );
      state.cuts++;
      return clusters.flatMap((one, kvHead) => editsOf(one, heads[kvHead] as EntryView, layer, kvHead));
    });
  };

  const editsOf = (
    { groups, living, similarities }: Clusters,
    { slots, mass }: EntryView,
    layer: number,
    kvHead: number,
  ) => {
    const edits: Edit[] = [];
    const excess = options.overflow === "evict" ? Math.max(0, living.length - state.limit) : 0;
    const left = [...living.slice(0, options.sinks), ...living.slice(options.sinks + excess)];
    const stays = new Set(left);
    const merged = groups.filter((group) => stays.has(group[0] as number));
    if (options.onMatch === "merge") for (const group of merged) for (const member of group) stays.add(member);
    if (stays.size < slots.length)
      edits.push({ kind: "keep", layer, kvHead, slots: slots.filter((_, index) => stays.has(index)) });
    if (options.onMatch === "merge" && merged.length > 0) {
      const named = merged.map((group) => group.map((index) => slots[index] as number));
      edits.push({ kind: "merge", layer, kvHead, groups: named });
    }
    for (const group of merged) {
      const tokens = group.reduce((sum, index) => sum + (mass[index] as number), 0);
      state.largest = Math.max(state.largest, tokens);
    }
    state.joins += similarities.length;
    state.similarity += similarities.reduce((sum, value) => sum + value, 0);
    return edits;
  };

  return {
    afterPrefill: (view) => {
      state.limit = entriesOf(options.budget, view.promptTokens, options.least);
      return cut(view, 0);
    },
    afterStep: (view) => cut(view, options.chunk),
    clone: () => chelseaRun(options, shape, { ...state }),
    stats: () => ({
      cuts: state.cuts,
      joins: state.joins,
      largestCluster: state.largest,
      meanSimilarity: state.joins === 0 ? 0 : state.similarity / state.joins,
    }),
  };
}

function keysOf({ keys }: EntryView): Float32Array {
  if (keys === undefined) throw new QuireError("unsupported", "chelsea needs keys, and was given none.");
  return keys;
}
