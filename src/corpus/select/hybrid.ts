/** Hybrid: by meaning and by words, fused by rank: Σ 1 / (60 + rank).
 *  Takes    candidates of a vector search and of a full-text search
 *  Gives    evidence in the order of the fused score, whole chunks, as much as the budget holds
 *  Cost     one embedding of the question, one vector search, one full-text search
 *  Differs  where the source has no vectors, it goes by words alone
 *  Not      topk (meaning alone), mmr (avoids saying the same twice)
 *  Errors   those of the source */

import { z } from "zod";
import { isQuireError } from "../../errors.js";
import { fuseRankings } from "../index/fuse.js";
import { fillBudget } from "./fill-budget.js";
import { type Candidate, type CandidateSource, type SelectContext, selector } from "./selector.js";
import { inQuotes, sharedWords } from "./shared-words.js";

export const hybrid = selector({
  name: "hybrid",
  title: "the passages that meaning and words together rank highest",
  options: z.object({
    from: z.int().min(1).max(10_000).default(100).describe("Passages looked at by each of both searches, 1 to 10,000."),
  }),
  create:
    ({ from }, label) =>
    async (question, source, budget, context) => {
      const byWords = source.search(question, { k: from, mode: "text", signal: context.signal });
      const rankings = await Promise.all([byMeaning(source, question, from, context), byWords]);
      const fused = fuseRankings(rankings, ({ chunk }) => `${chunk.uri}\0${chunk.order}\0${chunk.id}`);
      const ranked = fused.map(({ item, score, ranks: [meaning, words] }) => ({
        candidate: item,
        score,
        reason: reason(meaning, words, () => sharedWords(question, `${item.chunk.header} ${item.chunk.text}`)),
      }));
      return fillBudget(ranked, budget, label, context);
    },
});

async function byMeaning(
  source: CandidateSource,
  question: string,
  k: number,
  { signal }: SelectContext,
): Promise<Candidate[]> {
  try {
    return await source.search(question, { k, mode: "vector", signal });
  } catch (error) {
    if (isQuireError(error) && error.code === "unsupported") return [];
    throw error;
  }
}

function reason(meaning: number | undefined, words: number | undefined, shared: () => string[]): string {
  const places = [
    ...(meaning === undefined ? [] : [`${meaning} by meaning`]),
    ...(words === undefined ? [] : [`${words} by words`]),
  ];
  const named = words === undefined ? [] : shared();
  return `Rank ${places.join(" and ")}${named.length > 0 ? `: ${inQuotes(named)}` : ""}.`;
}
