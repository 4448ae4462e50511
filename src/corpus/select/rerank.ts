/** Rerank: the candidates of a hybrid search in the order of what each of them, alone, is worth.
 *  Takes    candidates of a hybrid search; a model's likelihoods, or embeddings
 *  Does     values each by how much likelier it makes the question (mean log-probability of the question's tokens after the passage
 *           less the same after none); where the model gives no likelihoods, by embeddings
 *  Cost     one search and one pass over each candidate
 *  Not      topk (no second look), corag (values passages together)
 *  Errors   `unsupported` where there are neither likelihoods nor embeddings; `bad-input` where no candidate has a usable value */

import { z } from "zod";
import { QuireError } from "../../errors.js";
import { kindAtHand, passageValues } from "./combine/passage-values.js";
import { checkedBudget, fillBudget } from "./fill-budget.js";
import { selector } from "./selector.js";

export const rerank = selector({
  name: "rerank",
  title: "the passages that a second, closer look ranks highest",
  options: z.object({
    from: z.int().min(1).max(1000).default(50).describe("Passages looked at again, 1 to 1,000."),
    by: z
      .enum(["auto", "likelihood", "coverage"])
      .default("auto")
      .describe(
        "likelihood: how much likelier they make the question; coverage: by embeddings; auto: what is at hand.",
      ),
  }),
  create:
    ({ from, by }, label) =>
    async (question, source, budget, context) => {
      checkedBudget(budget);
      const found = await source.search(question, { k: from, signal: context.signal });
      if (found.length === 0) return [];
      const kind = kindAtHand(by, context, "rerank");
      const values = await passageValues(kind, question, found, context);
      const scores = await values.valuesOf(found.map((_, i) => [i]));
      const scored = found.flatMap((candidate, i) => {
        const score = scores[i]!;
        return Number.isFinite(score) ? [{ candidate, score, was: i + 1 }] : [];
      });
      if (scored.length === 0) {
        throw new QuireError("bad-input", "The model gave no usable value to any passage.", {
          got: scores[0],
          expected: "finite log-probabilities",
        });
      }
      if (scored.length < found.length) {
        const text = `${found.length - scored.length} of ${found.length} passages got no usable value and were left out.`;
        context.onNote?.({ kind: "fallback", text });
      }
      scored.sort((a, b) => b.score - a.score || a.was - b.was);
      const what = kind === "likelihood" ? "makes the question likelier" : "covers the question";
      const ranked = scored.map(({ candidate, score, was }, i) => ({
        candidate,
        score,
        reason: `Rank ${i + 1} by how it ${what} (value ${score.toFixed(2)}); rank ${was} in the search.`,
      }));
      return fillBudget(ranked, budget, label, context);
    },
});
