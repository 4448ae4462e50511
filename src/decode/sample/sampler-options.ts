/** What can be asked of a sampler, with ranges. */

import { z } from "zod";
import { nearest, QuireError } from "../../errors.js";
import { suggestion } from "../../method.js";

const finite = z.number().refine(Number.isFinite, "must be a finite number");

export const samplerOptions = z.object({
  temperature: finite
    .min(0)
    .max(100)
    .default(0)
    .describe("0 takes the most likely token; above, logits are divided by it"),
  topK: z.int().min(0).default(0).describe("most likely tokens to draw from; 0 for all"),
  topP: finite.gt(0).max(1).default(1).describe("the fewest most likely tokens that have this share of probability"),
  minP: finite.min(0).max(1).default(0).describe("least probability, as a share of the most likely token's"),
  repetitionPenalty: finite.gt(0).max(100).default(1).describe("divides the logits of tokens said before; 1 for none"),
  frequencyPenalty: finite.min(-100).max(100).default(0).describe("taken off for each time a token was said"),
  presencePenalty: finite.min(-100).max(100).default(0).describe("taken off once for a token that was said"),
  penaltyWindow: z.int().min(0).optional().describe("newest tokens that penalties look at; default all"),
  logitBias: z
    .record(
      z.string().regex(/^\d+$/, "must be token numbers"),
      z.number().lt(Number.POSITIVE_INFINITY).or(z.literal(-Infinity)),
    )
    .default({})
    .describe("added to the logits of tokens by number; -Infinity forbids one"),
  seed: z.int().optional().describe("makes draws repeatable; default a random one"),
  logprobs: z.int().min(0).max(100).default(0).describe("most likely tokens to report with each choice"),
});

export type SamplerOptions = z.input<typeof samplerOptions>;
export type ParsedSamplerOptions = z.output<typeof samplerOptions>;

export function parseSamplerOptions(options: SamplerOptions): ParsedSamplerOptions {
  const known = Object.keys(samplerOptions.shape);
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new QuireError("bad-option", `Sampling has no option "${name}".`, {
      got: name,
      expected: known.join(", "),
      fix: suggestion(nearest(name, known)),
    });
  }
  const result = samplerOptions.safeParse(options);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const name = String(issue.path[0] ?? "options");
  throw new QuireError("bad-option", `Sampling option "${issue.path.join(".") || name}": ${issue.message}.`, {
    got: (options as Record<string, unknown>)[name],
    expected: (samplerOptions.shape as Record<string, z.ZodType>)[name]?.description,
  });
}
