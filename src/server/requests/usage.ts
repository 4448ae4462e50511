import type { EngineResult } from "../engine/client.js";

/** What an answer cost, in OpenAI's shape, and how it was made, in Quire's. */

export interface Cost {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly droppedTokens: number;
  readonly completionTokens: number;
}

/** The prompt counts once, however many answers it got. */
export function usageOf(costs: readonly Cost[]) {
  const prompt = costs[0]?.promptTokens ?? 0;
  const completion = costs.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: costs[0]?.cachedTokens ?? 0 },
  };
}

export type MadeStats = EngineResult["stats"] & { readonly secondsToFirstToken: number; readonly seconds: number };

export function quireStats(cost: Cost, stats: MadeStats) {
  const { passes, tokensPerPass, decode, depth, cache, secondsToFirstToken, seconds } = stats;
  return {
    stats: {
      dropped_tokens: cost.droppedTokens,
      cached_tokens: cost.cachedTokens,
      seconds_to_first_token: secondsToFirstToken,
      seconds,
      passes,
      tokens_per_pass: tokensPerPass,
      decode,
      ...(depth === undefined ? {} : { depth }),
      cache,
    },
  };
}
