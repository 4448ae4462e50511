import type { Pooling } from "./sentence-settings.js";

/** One vector of the hidden states of a text: `count` rows of `width` numbers from `states`, beginning with row `first`. */
export function pool(states: Float32Array, { first, count, width, pooling, normalise }: PoolOptions): Float32Array {
  const sums = new Float64Array(width);
  if (pooling === "mean") {
    for (let row = first; row < first + count; row++) {
      const start = row * width;
      for (let at = 0; at < width; at++) sums[at]! += states[start + at]!;
    }
  } else {
    const start = (pooling === "cls" ? first : first + count - 1) * width;
    for (let at = 0; at < width; at++) sums[at] = states[start + at]!;
  }
  let squares = 0;
  for (let at = 0; at < width; at++) squares += sums[at]! * sums[at]!;
  const mean = pooling === "mean" ? 1 / count : 1;
  const factor = normalise ? (squares > 0 ? 1 / Math.sqrt(squares) : 0) : mean;
  return Float32Array.from(sums, (sum) => sum * factor);
}

export interface PoolOptions {
  readonly first: number;
  readonly count: number;
  readonly width: number;
  readonly pooling: Pooling;
  readonly normalise: boolean;
}
