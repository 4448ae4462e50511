/** MMR (maximal marginal relevance): near to the question, far from what is chosen already.
 *  Takes    candidates of a vector search, with their vectors
 *  Does     again and again picks argmax λ · cos(question, c) − (1 − λ) · max over chosen d of cos(c, d)
 *  Cost     one vector search, then picks × candidates dot products
 *  Not      topk (λ = 1), hybrid (looks at words as well)
 *  Errors   `unsupported` where neither the source nor the context gives vectors */

import { z } from "zod";
import { QuireError } from "../../errors.js";
import { fillBudget, type Ranked, shownText } from "./fill-budget.js";
import { type Candidate, type SelectContext, selector } from "./selector.js";

export const mmr = selector({
  name: "mmr",
  title: "near to the question, far from each other",
  options: z.object({
    lambda: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe("Weight of nearness to the question, 0 to 1; the rest is variety."),
    from: z.int().min(1).max(2000).default(50).describe("Nearest passages to choose from, 1 to 2,000."),
  }),
  create:
    ({ lambda, from }, label) =>
    async (question, source, budget, context) => {
      const found = await source.search(question, { k: from, mode: "vector", signal: context.signal });
      const vectors = await vectorsOf(found, context);
      return fillBudget(marginalOrder(found, vectors, lambda), budget, label, context);
    },
});

/** All candidates in the order in which they are picked, lazily. */
export function* marginalOrder(
  candidates: readonly Candidate[],
  vectors: readonly Float32Array[],
  lambda: number,
): Generator<Ranked> {
  const open = new Set(candidates.keys());
  const nearestChosen = new Float64Array(candidates.length).fill(Number.NEGATIVE_INFINITY);
  while (open.size > 0) {
    let best = -1;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (const i of open) {
      const likeness = nearestChosen[i] === Number.NEGATIVE_INFINITY ? 0 : nearestChosen[i]!;
      const score = lambda * candidates[i]!.score - (1 - lambda) * likeness;
      if (best < 0 || score > bestScore) {
        best = i;
        bestScore = score;
      }
    }
    open.delete(best);
    const near = nearestChosen[best]!;
    const variety =
      near === Number.NEGATIVE_INFINITY ? "first chosen" : `at most ${near.toFixed(2)} like one chosen before`;
    const candidate = candidates[best]!;
    const reason = `Similarity to the question ${candidate.score.toFixed(2)}, ${variety}.`;
    yield { candidate, score: bestScore, reason };
    for (const i of open) nearestChosen[i] = Math.max(nearestChosen[i]!, dot(vectors[i]!, vectors[best]!));
  }
}

async function vectorsOf(candidates: readonly Candidate[], { embed, signal }: SelectContext): Promise<Float32Array[]> {
  const given = candidates.flatMap(({ vector }) => (vector === undefined ? [] : [vector]));
  if (given.length === candidates.length) return given;
  if (embed !== undefined)
    return embed(
      candidates.map(({ chunk }) => shownText(chunk)),
      signal,
    );
  throw new QuireError("unsupported", "mmr compares passages with each other and needs their vectors.", {
    got: "candidates without vectors, no embedder",
    expected: "an index with vectors, or an embedder",
    fix: "Choose hybrid, or index with an embedding model.",
  });
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
