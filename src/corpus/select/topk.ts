/** Top-k: the passages nearest in meaning.
 *  Takes    candidates of a vector search
 *  Gives    evidence in the order of cosine similarity, as much as the budget holds
 *  Cost     one embedding of the question and one vector search
 *  Not      hybrid (looks at words as well), mmr (avoids saying the same twice)
 *  Errors   `unsupported` from the source where it has no vectors */

import { z } from "zod";
import { fillBudget } from "./fill-budget.js";
import { selector } from "./selector.js";

export const topk = selector({
  name: "topk",
  title: "the passages nearest in meaning",
  options: z.object({
    from: z.int().min(1).max(10_000).default(50).describe("Nearest passages looked at, 1 to 10,000."),
  }),
  create:
    ({ from }, label) =>
    async (question, source, budget, context) => {
      const found = await source.search(question, { k: from, mode: "vector", signal: context.signal });
      const ranked = found.map((candidate, i) => ({
        candidate,
        score: candidate.score,
        reason: `Rank ${i + 1} by meaning (similarity ${candidate.score.toFixed(2)}).`,
      }));
      return fillBudget(ranked, budget, label, context);
    },
});
