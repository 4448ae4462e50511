/** The model's own opinion: log probabilities of its most likely tokens, before anything was done to its logits. */

import { notANumber } from "./greedy.js";
import { largest } from "./select.js";

export interface TokenLogProb {
  readonly token: number;
  readonly logProb: number;
}

/** The `count` most likely tokens, and behind them `chosen` if it is none of them. */
export function topLogProbs(logits: Float32Array, count: number, chosen: number): TokenLogProb[] {
  let greatest = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++) {
    if (Number.isNaN(logits[token])) throw notANumber(token);
    if (logits[token]! > greatest) greatest = logits[token]!;
  }
  let sum = 0;
  for (let token = 0; token < logits.length; token++) sum += Math.exp(logits[token]! - greatest);
  const logOfSum = greatest + Math.log(sum);
  const tokens = Array.from(largest(logits, count));
  if (!tokens.includes(chosen)) tokens.push(chosen);
  return tokens.map((token) => ({ token, logProb: logits[token]! - logOfSum }));
}
