/** CORAG: values whole combinations of passages, in their order, and searches them with the token budget inside the value.
 *  Paper    "CORAG: A Cost-Constrained Retrieval Optimization System for Retrieval-Augmented Generation", arXiv 2411.00744
 *  Takes    candidates of a hybrid search; a model's likelihoods, or embeddings
 *  Does     Monte Carlo tree search over ordered lists of passages: a list's value is what it is worth as context, less a charge
 *           for its length; lists over the budget do not exist
 *  Gives    the passages of the best list, each with what it added; the search can be stopped at any time
 *  Cost     one search, then at most iterations × candidates values (one pass of the model each, or some products of vectors)
 *  Differs  values lie in (0, 1), so its constants are other than the paper's; the best-first lists are valued too, so that the
 *           answer is never worse than top-k by the same value; coverage looks at parts of a one-sentence question as well; the
 *           configuration agent runs from a file of weights (option agent); weights come from training, and none are delivered
 *  Not      rerank (values passages alone), mmr (variety by a formula), meteora (no budget inside the choice)
 *  Errors   `unsupported` where there are neither likelihoods nor embeddings; `bad-input` where no passage has a usable value */

import { z } from "zod";
import { isQuireError, QuireError } from "../../errors.js";
import { kindAtHand, passageValues } from "./combine/passage-values.js";
import { type CombinationResult, searchCombinations } from "./combine/search-combinations.js";
import { checkedBudget, fillBudget, shownText } from "./fill-budget.js";
import { type Candidate, type Evidence, type SelectContext, selector } from "./selector.js";

export const corag = selector({
  name: "corag",
  title: "the combination of passages that is worth most within the budget",
  options: z.object({
    iterations: z.int().min(1).max(1000).default(10).describe("Expansions of the search, 1 to 1,000."),
    candidates: z.int().min(1).max(200).default(16).describe("Passages combined, 1 to 200."),
    c: z.number().min(0).default(1).describe("Exploration: bonus for lists seldom looked at, from 0."),
    lambda: z.number().min(0).default(0.2).describe("Charge for a list that fills the budget, from 0."),
    reward: z
      .enum(["auto", "likelihood", "coverage"])
      .default("auto")
      .describe(
        "likelihood: how much likelier the list makes the question; coverage: by embeddings; auto: what is at hand.",
      ),
    final: z
      .enum(["reward", "utility"])
      .default("reward")
      .describe("What the answer has most of: reward, or utility, which is reward less the charge for length."),
    update: z.enum(["max", "all"]).default("max").describe("What an expansion reports upwards: its best list, or all."),
    order: z
      .enum(["any", "document"])
      .default("any")
      .describe("any: lists in every order; document: in the documents' order only, far fewer."),
    agent: z
      .string()
      .optional()
      .describe("File with the weights of a configuration agent, which then chooses reward, c, iterations and lambda."),
    seconds: z.number().positive().optional().describe("Most seconds; then the best list so far is taken."),
  }),
  create: (chosen, label) => async (question, source, budget, context) => {
    const most = checkedBudget(budget);
    const found = await source.search(question, { k: chosen.candidates, signal: context.signal });
    const candidates = distinct(found);
    if (candidates.length === 0) return [];
    const costs = candidates.map(({ chunk }) => context.countTokens(shownText(chunk)));
    if (costs.every((cost) => cost > most.tokens)) {
      const text = `Budget: none of the ${candidates.length} passages has less than ${most.tokens} tokens, so there is no evidence.`;
      context.onNote?.({ kind: "dropped", text });
      return [];
    }
    const options = chosen.agent === undefined ? chosen : await configured(chosen, question, candidates, context);
    const kind = kindAtHand(options.reward, context, "corag");
    const time = timeLimit(options.seconds, context.signal);
    let best: CombinationResult["best"];
    let result: CombinationResult | undefined;
    let empty = 0;
    try {
      const values = await passageValues(kind, question, candidates, { ...context, signal: time.signal });
      empty = values.empty;
      result = await searchCombinations(costs, (lists) => values.valuesOf(lists, time.over), {
        budget: most.tokens,
        longest: most.passages,
        iterations: options.iterations,
        exploration: options.c,
        costWeight: options.lambda,
        update: options.update,
        final: options.final,
        ranks: options.order === "document" ? documentRanks(candidates) : undefined,
        stop: time.over,
        onIteration: (one) => {
          best = one;
        },
      });
      best = result.best;
    } catch (error) {
      // Time that runs out within a call is no failure; being stopped is one, and what was found until then goes with it.
      if (!time.over() && !context.signal?.aborted) throw error;
      if (context.signal?.aborted) throw stopped(error, evidenceOf(best, candidates, kind, empty, undefined, label));
    } finally {
      time.clear();
    }
    report(context, result, options.iterations, time.over());
    if (best === undefined) {
      const text = "Time ran out before any passage had a value; they are taken in the order of the search.";
      context.onNote?.({ kind: "fallback", text });
      const reason = (rank: number) => `Rank ${rank} in the search; there was no time to value combinations.`;
      const ranked = candidates.map((candidate, i) => ({ candidate, score: candidate.score, reason: reason(i + 1) }));
      return fillBudget(ranked, budget, label, context);
    }
    return evidenceOf(best, candidates, kind, empty, result, label);
  },
});

/** Settings as the agent sees fit for this question; what it would value by and cannot be had is replaced, and said. */
async function configured<Options extends { readonly agent?: string }>(
  options: Options,
  question: string,
  candidates: readonly Candidate[],
  context: SelectContext,
) {
  const { openConfigurationNetwork } = await import("./combine/configuration-network.js");
  const network = await openConfigurationNetwork(options.agent ?? "");
  if (context.embed === undefined) {
    throw new QuireError(
      "unsupported",
      "The configuration agent looks at embeddings, and there is no embedding model.",
      {
        expected: "a folder opened with an embedding model",
      },
    );
  }
  const texts = candidates.slice(0, 10).map(({ chunk }) => shownText(chunk));
  const [asked, ...rows] = await context.embed([question, ...texts], context.signal);
  const middle = asked!.map((_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);
  const { reward, exploration: c, iterations, costWeight: lambda } = network.configure(asked!, middle);
  const possible = reward === "likelihood" && context.logLikelihood === undefined ? "coverage" : reward;
  const instead = possible === reward ? "" : ` (${reward} cannot be had)`;
  const settings = `reward=${possible}${instead}, c=${c.toFixed(2)}, iterations=${iterations}, lambda=${lambda.toFixed(2)}`;
  context.onNote?.({ kind: "search", text: `The configuration agent chose ${settings}.` });
  return { ...options, reward: possible, c, iterations, lambda };
}

function evidenceOf(
  best: CombinationResult["best"],
  candidates: readonly Candidate[],
  kind: string,
  empty: number,
  result: CombinationResult | undefined,
  by: string,
): Evidence[] {
  if (best === undefined) return [];
  const { items, prefixRewards } = best;
  const looked = result === undefined ? "" : `, best of ${result.nodes + result.compared} lists`;
  return items.map((item, i) => {
    const score = prefixRewards[i]! - (prefixRewards[i - 1] ?? empty);
    const change = `${score < 0 ? "lowers" : "raises"} the value by ${Math.abs(score).toFixed(3)} to ${prefixRewards[i]!.toFixed(3)}`;
    const place = i === 0 ? "First of the list" : `After ${i === 1 ? "the passage" : `the ${i} passages`} before it`;
    const reason = `${place}, it ${change} (${kind}; ${items.length} together ${best.reward.toFixed(3)}${looked}).`;
    return { chunk: candidates[item]!.chunk, score, reason, by };
  });
}

function report(
  { onNote }: SelectContext,
  result: CombinationResult | undefined,
  wanted: number,
  timeOver: boolean,
): void {
  if (result === undefined) return;
  const { iterations, nodes, compared, exhausted, unusable } = result;
  const end = exhausted
    ? "all that fit"
    : timeOver
      ? `${iterations} of ${wanted} rounds, then time was up`
      : `${iterations} rounds`;
  onNote?.({ kind: "search", text: `Valued ${nodes + compared} lists of passages: ${end}.` });
  if (unusable > 0) {
    onNote?.({ kind: "fallback", text: `${unusable} lists got no usable value and count for nothing.` });
  }
}

/** One passage for each text: the same words twice would be valued as if they were two. */
function distinct(found: readonly Candidate[]): Candidate[] {
  const seen = new Set<string>();
  return found.filter(({ chunk }) => {
    const words = chunk.text.replace(/\s+/g, " ").trim();
    if (words === "" || seen.has(words) || seen.has(chunk.id)) return false;
    seen.add(words).add(chunk.id);
    return true;
  });
}

function documentRanks(candidates: readonly Candidate[]): number[] {
  const order = [...candidates.keys()].sort((a, b) => {
    const [one, other] = [candidates[a]!.chunk, candidates[b]!.chunk];
    return one.uri === other.uri ? one.startByte - other.startByte : one.uri < other.uri ? -1 : 1;
  });
  const ranks = new Array<number>(candidates.length).fill(0);
  for (const [rank, item] of order.entries()) ranks[item] = rank;
  return ranks;
}

/** A signal that ends with the caller's or when time is up, and whether time is up. */
function timeLimit(seconds: number | undefined, signal: AbortSignal | undefined) {
  if (seconds === undefined) return { signal, over: () => false, clear: () => {} };
  const ending = new AbortController();
  const end = performance.now() + seconds * 1000;
  const timer = setTimeout(
    () => ending.abort(new QuireError("cancelled", "The selector's time is up.")),
    Math.min(seconds * 1000, 2 ** 31 - 1),
  );
  return {
    signal: signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]),
    // Timers may fire a fraction of a millisecond early.
    over: () => ending.signal.aborted || performance.now() >= end,
    clear: () => clearTimeout(timer),
  };
}

function stopped(error: unknown, partial: Evidence[]): unknown {
  const message = isQuireError(error) ? error.message : "Stopped on request.";
  return new QuireError("cancelled", message, { cause: error, partial });
}
