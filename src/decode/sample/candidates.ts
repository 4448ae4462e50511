/** What is left to draw from after temperature, top-k, top-p and min-p. Weights are f32, relative to the most likely token's, sums
 *  f64. */

import { QuireError } from "../../errors.js";
import { greatest } from "./greedy.js";
import { largest, largestFew, nucleus } from "./select.js";

export interface Candidates {
  /** Ascending. */
  readonly tokens: Int32Array;
  /** Of each of `tokens`; not normalised. */
  readonly weights: Float32Array;
  readonly total: number;
}

export interface Shaping {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
}

/** Above this, keeping a heap costs more than partitioning. */
const heapLimit = 512;

export function candidates(logits: Float32Array, { temperature, topK, topP, minP }: Shaping): Candidates {
  const most = logits[greatest(logits)]!;
  if (most === Number.POSITIVE_INFINITY) {
    throw new QuireError("native", "The model gave an infinite logit.", { got: most, expected: "finite numbers" });
  }
  // By token, so that ties can be told apart; where top-k has chosen before, only those places are filled.
  const weights = new Float32Array(logits.length);
  const cuts = topK > 0 || topP < 1;
  let tokens: Int32Array;
  if (topK > 0 && topK <= heapLimit) {
    tokens = largest(logits, topK);
    for (const token of tokens) weights[token] = Math.exp((logits[token]! - most) / temperature);
  } else {
    for (let token = 0; token < logits.length; token++)
      weights[token] = Math.exp((logits[token]! - most) / temperature);
    tokens = atLeast(positive, weights);
    if (topK > 0) tokens = tokens.subarray(0, largestFew(tokens, weights, topK));
  }
  if (topP < 1) {
    const total = sum(tokens, weights);
    // All tokens below this weight together have less than the share that is left out, so none of them is in.
    tokens = tokens.filter((token) => weights[token]! >= ((1 - topP) * total) / logits.length);
    tokens = tokens.subarray(0, nucleus(tokens, weights, topP, total));
  }
  if (minP > 0) tokens = cuts ? tokens.filter((token) => weights[token]! >= minP) : atLeast(minP, weights);
  if (cuts) tokens = tokens.slice().sort();
  const kept = new Float32Array(tokens.length);
  for (let i = 0; i < kept.length; i++) kept[i] = weights[tokens[i]!]!;
  return { tokens, weights: kept, total: sum(tokens, weights) };
}

const positive = Number.MIN_VALUE;

function atLeast(least: number, weights: Float32Array): Int32Array {
  const tokens = new Int32Array(weights.length);
  let count = 0;
  for (let token = 0; token < weights.length; token++) if (weights[token]! >= least) tokens[count++] = token;
  return tokens.subarray(0, count);
}

function sum(tokens: Int32Array, weights: Float32Array): number {
  let total = 0;
  for (let i = 0; i < tokens.length; i++) total += weights[tokens[i]!]!;
  return total;
}
