/** Chooses tokens: penalties, logit bias, mask, temperature, top-k, top-p, min-p, in this order, and a draw from what is left. */

import { randomInt } from "node:crypto";
import { QuireError } from "../../errors.js";
import type { TokenMask } from "../../text/tokenizer.js";
import type { Choice, Sampler } from "../decoder.js";
import { type Candidates, candidates } from "./candidates.js";
import { greatest, nothingAllowed } from "./greedy.js";
import { topLogProbs } from "./log-probs.js";
import { Penalties } from "./penalties.js";
import { streamSeed, uniform } from "./random.js";
import { type ParsedSamplerOptions, parseSamplerOptions, type SamplerOptions } from "./sampler-options.js";
import { largest } from "./select.js";

export interface SamplerParts {
  /** Grammar of the sequence; the sampler keeps it up to date. */
  readonly mask?: TokenMask;
  /** Tokens that penalties count as said already, such as the prompt's. */
  readonly history?: ArrayLike<number>;
}

/** A sampler for one sequence. It never changes the logits it is given. */
export function createSampler(options: SamplerOptions = {}, { mask, history = [] }: SamplerParts = {}): Sampler {
  const parsed = parseSamplerOptions(options);
  const penalties = new Penalties({ ...parsed, penaltyWindow: parsed.penaltyWindow ?? Number.POSITIVE_INFINITY });
  for (let i = 0; i < history.length; i++) penalties.accept(history[i]!);
  return samplerOf(parsed, { seed: parsed.seed ?? randomInt(2 ** 47), penalties, mask });
}

interface SamplerState {
  readonly seed: number;
  readonly penalties: Penalties;
  readonly mask: TokenMask | undefined;
}

function samplerOf(parsed: ParsedSamplerOptions, { seed, penalties, mask }: SamplerState): Sampler {
  const { temperature, topK, topP, minP, logprobs } = parsed;
  const bias = Object.entries(parsed.logitBias).map(([token, value]) => ({ token: Number(token), value }));
  const changes = penalties.isActive || bias.length > 0 || mask !== undefined;
  let scratch = new Float32Array(0);

  const prepared = (logits: Float32Array): Float32Array => {
    if (!changes) return logits;
    if (scratch.length !== logits.length) scratch = new Float32Array(logits.length);
    scratch.set(logits);
    if (penalties.isActive) penalties.apply(scratch);
    for (const { token, value } of bias) {
      if (token >= scratch.length) {
        throw new QuireError("bad-option", "The logit bias names a token that the model does not have.", {
          got: token,
          expected: `0 to ${scratch.length - 1}`,
        });
      }
      scratch[token]! += value;
    }
    mask?.apply(scratch);
    return scratch;
  };

  const accept = (token: number): void => {
    mask?.accept(token);
    penalties.accept(token);
  };

  const take = (logits: Float32Array, token: number, logProb: number): Choice => {
    accept(token);
    return logprobs > 0 ? { token, logProb, top: topLogProbs(logits, logprobs, token) } : { token, logProb };
  };

  const choose = (logits: Float32Array, position: number): { token: number; logProb: number } => {
    const ready = prepared(logits);
    if (temperature === 0) return { token: greatest(ready), logProb: -0 };
    const { tokens, weights, total } = candidates(ready, { temperature, topK, topP, minP });
    const at = drawn(weights, uniform(seed, position, "draw") * total);
    return { token: tokens[at]!, logProb: Math.log(weights[at]! / total) };
  };

  return {
    greedy: temperature === 0,
    next(logits, position) {
      const { token, logProb } = choose(logits, position);
      return take(logits, token, logProb);
    },
    take,
    law(logits) {
      const ready = prepared(logits);
      if (temperature > 0) return candidates(ready, { temperature, topK, topP, minP });
      return { tokens: Int32Array.of(greatest(ready)), weights: Float32Array.of(1), total: 1 };
    },
    likeliest: (logits, count) => largest(prepared(logits), count),
    distribution(logits) {
      const ready = prepared(logits);
      const probabilities = new Float32Array(logits.length);
      if (temperature === 0) {
        probabilities[greatest(ready)] = 1;
        return probabilities;
      }
      const { tokens, weights, total } = candidates(ready, { temperature, topK, topP, minP });
      for (let i = 0; i < tokens.length; i++) probabilities[tokens[i]!] = weights[i]! / total;
      return probabilities;
    },
    accept,
    uniform: (position, purpose, index = 0) => uniform(seed, position, purpose, index),
    fork: (stream) =>
      samplerOf(parsed, {
        seed: stream === undefined ? seed : streamSeed(seed, stream),
        penalties: penalties.clone(),
        mask: mask?.clone(),
      }),
    close: () => mask?.close(),
  };
}

/** Index at which the running sum of the weights passes `target`. */
function drawn(weights: Candidates["weights"], target: number): number {
  let sum = 0;
  let last = -1;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i]! === 0) continue;
    sum += weights[i]!;
    last = i;
    if (sum > target) return i;
  }
  // Only rounding of the sum can bring us here.
  if (last < 0) throw nothingAllowed(weights.length);
  return last;
}
