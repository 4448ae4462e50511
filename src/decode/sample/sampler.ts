import { z } from "zod";
import { QuireError } from "../../errors.js";
import type { TokenMask } from "../../text/tokenizer.js";
import type { Choice, Sampler } from "../decoder.js";
import { argmax, candidates, logSumExp } from "./candidates.js";
import { Penalties } from "./penalties.js";
import { uniform } from "./random.js";

/** Draws tokens. Transforms run in one order, the same for every decoder: penalties, bias, mask, temperature, top-k, top-p, min-p,
 *  renormalisation. Temperature 0 takes the likeliest token, the lowest id of several. */

export const samplingOptions = z.object({
  temperature: z
    .number()
    .min(0)
    .max(100)
    .default(0)
    .describe("0 takes the likeliest token; 1 draws from the model's own distribution"),
  topK: z.number().int().min(0).default(0).describe("tokens that stay in play; 0 = all"),
  topP: z.number().gt(0).max(1).default(1).describe("share of probability that stays in play"),
  minP: z.number().min(0).max(1).default(0).describe("least probability, as a share of the likeliest token's"),
  repetitionPenalty: z
    .number()
    .gt(0)
    .max(100)
    .default(1)
    .describe("divides positive and multiplies negative logits of seen tokens"),
  frequencyPenalty: z.number().min(-100).max(100).default(0).describe("taken off for every occurrence of a token"),
  presencePenalty: z.number().min(-100).max(100).default(0).describe("taken off once for a token that occurred"),
  penaltyWindow: z.number().int().min(1).default(64).describe("newest tokens that penalties look at"),
  logitBias: z
    .record(z.string().regex(/^\d+$/), z.number().min(-100).max(100))
    .default({})
    .describe("token id to an amount that is added"),
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0).describe("the same seed gives the same text"),
  topLogProbs: z
    .number()
    .int()
    .min(0)
    .max(100)
    .default(0)
    .describe("likeliest alternatives that are reported with each token"),
});

export type SamplingOptions = z.input<typeof samplingOptions>;

export function createSampler(options: SamplingOptions = {}, mask?: TokenMask): Sampler {
  const parsed = samplingOptions.safeParse(options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new QuireError("bad-option", `Sampling: ${issue?.path.join(".")}: ${issue?.message}.`, {
      got: (options as Record<string, unknown>)[String(issue?.path[0])],
      expected: (samplingOptions.shape as Record<string, z.ZodType>)[String(issue?.path[0])]?.description,
    });
  }
  const { temperature, seed, topLogProbs } = parsed.data;
  const penalties = new Penalties(parsed.data);
  const bias = Object.entries(parsed.data.logitBias).map(([id, amount]) => [Number(id), amount] as const);

  const accept = (token: number): void => {
    penalties.accept(token);
    mask?.accept(token);
  };
  const transform = (logits: Float32Array): void => {
    penalties.apply(logits);
    for (const [id, amount] of bias) if (id < logits.length) logits[id] = (logits[id] as number) + amount;
    mask?.apply(logits);
  };
  const best = (logits: Float32Array): number => {
    const token = argmax(logits);
    const highest = logits[token];
    if (highest !== undefined && highest > Number.NEGATIVE_INFINITY) return token;
    throw new QuireError(
      "bad-input",
      "There is no token to choose: the model's output is not a number, or everything was forbidden.",
      {
        fix: "Check the model file with `quire models check`, or loosen the schema.",
      },
    );
  };
  return {
    next: (logits, position): Choice => {
      const alternatives = topLogProbs > 0 ? mostLikely(logits, topLogProbs) : undefined;
      transform(logits);
      let token = best(logits);
      let logProb = 0;
      if (temperature > 0) {
        const { ids, probabilities } = candidates(logits, temperature, parsed.data);
        const drawn = draw(probabilities, uniform(seed, position, "sample"));
        token = ids[drawn] as number;
        logProb = Math.log(probabilities[drawn] as number);
      } else if (alternatives !== undefined) {
        logProb = (logits[token] as number) - logSumExp(logits);
      }
      accept(token);
      return alternatives === undefined ? { token, logProb } : { token, logProb, top: alternatives };
    },
    distribution: (logits) => {
      transform(logits);
      const result = new Float32Array(logits.length);
      const token = best(logits);
      if (temperature === 0) {
        result[token] = 1;
        return result;
      }
      const { ids, probabilities } = candidates(logits, temperature, parsed.data);
      for (const [i, id] of ids.entries()) result[id] = probabilities[i] as number;
      return result;
    },
    accept,
    uniform: (position, purpose, index) => uniform(seed, position, purpose, index),
  };
}

/** Inverse of the cumulative distribution. */
function draw(probabilities: Float64Array, u: number): number {
  let mass = 0;
  for (let i = 0; i < probabilities.length; i++) {
    mass += probabilities[i] as number;
    if (u < mass) return i;
  }
  return probabilities.length - 1;
}

function mostLikely(logits: Float32Array, count: number): { token: number; logProb: number }[] {
  const total = logSumExp(logits);
  const { ids } = candidates(logits, 1, { topK: count, topP: 1, minP: 0 });
  return Array.from(ids, (token) => ({ token, logProb: (logits[token] as number) - total }));
}
