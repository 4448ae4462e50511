import type { Decoder } from "./decode/decoder.js";
import { equalAnswers } from "./decode/rollout/paths.js";
import type { GenerateOptions } from "./generate-options.js";

/** What users say about a generation, made ready for the engine. */

/** A prompt that is too long loses its middle or its beginning, if that was asked for. */
export function fitPrompt(
  tokens: Int32Array,
  contextTokens: number,
  maxTokens: number,
  overflow: NonNullable<GenerateOptions["overflow"]>,
): { tokens: Int32Array; dropped: number } {
  if (overflow === "error" || tokens.length < contextTokens) return { tokens, dropped: 0 };
  const room = contextTokens - Math.min(maxTokens, Math.floor(contextTokens / 4));
  const head = overflow === "drop-middle" ? Math.floor(room / 2) : 0;
  const kept = new Int32Array(room);
  kept.set(tokens.subarray(0, head));
  kept.set(tokens.subarray(tokens.length - (room - head)), head);
  return { tokens: kept, dropped: tokens.length - room };
}

export function samplingOf(options: GenerateOptions) {
  const { temperature, topK, topP, minP, repetitionPenalty, frequencyPenalty, presencePenalty } = options;
  const { penaltyWindow, logitBias, seed, logprobs } = options;
  return {
    ...{ temperature, topK, topP, minP, repetitionPenalty, frequencyPenalty, presencePenalty },
    ...{ penaltyWindow, logitBias, seed, logprobs },
  };
}

/** Where several answers differ by chance alone, chance there must be. */
export function drawn<Sampling extends { temperature?: number }>(decoder: Decoder, sampling: Sampling): Sampling {
  if (decoder.draws !== true) return sampling;
  if (sampling.temperature === 0) throw equalAnswers(decoder.answers ?? 1);
  return { ...sampling, temperature: sampling.temperature ?? 1 };
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
