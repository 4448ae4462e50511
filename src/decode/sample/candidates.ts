/** The few tokens that stay in play after top-k, top-p and min-p, likeliest first, ties by lower id. */

export interface Candidates {
  readonly ids: Int32Array;
  /** Sums to 1. */
  readonly probabilities: Float64Array;
}

export interface Cuts {
  /** 0 = all. */
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
}

/** Index of the largest value, the lowest of several. -1 when the first is NaN; a NaN elsewhere is passed over, as it never wins. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  let highest = logits[0] ?? Number.NaN;
  for (let i = 1; i < logits.length; i++) {
    const value = logits[i] as number;
    if (value > highest) {
      highest = value;
      best = i;
    }
  }
  return Number.isNaN(highest) ? -1 : best;
}

/** ln Σ exp(x), sums in f64. */
export function logSumExp(logits: Float32Array): number {
  const highest = logits[argmax(logits)] ?? Number.NEGATIVE_INFINITY;
  if (highest === Number.NEGATIVE_INFINITY) return highest;
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - highest);
  return highest + Math.log(sum);
}

/** Applies temperature, then top-k, top-p, min-p, and renormalises. */
export function candidates(logits: Float32Array, temperature: number, { topK, topP, minP }: Cuts): Candidates {
  const highest = logits[argmax(logits)] ?? 0;
  // No token below this can survive min-p, nor matter in f64; sorting the rest is cheap.
  const floor = highest + temperature * Math.max(Math.log(Math.max(minP, 1e-12)), -60);
  let ids: number[] = [];
  for (let i = 0; i < logits.length; i++) if ((logits[i] as number) >= floor) ids.push(i);
  const better = (a: number, b: number): number => (logits[b] as number) - (logits[a] as number) || a - b;
  if (topK > 0 && topK < ids.length && ids.length > 4 * topK) ids = ids.filter(aboveRank(logits, ids, topK));
  ids.sort(better);
  if (topK > 0) ids.length = Math.min(ids.length, topK);
  const weights = ids.map((id) => Math.exp(((logits[id] as number) - highest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let kept = weights.length;
  if (topP < 1) {
    let mass = 0;
    kept = 0;
    while (kept < weights.length && mass < topP * total) mass += weights[kept++] as number;
  }
  while (kept > 1 && (weights[kept - 1] as number) < minP * (weights[0] as number)) kept--;
  const sum = weights.slice(0, kept).reduce((partial, weight) => partial + weight, 0);
  return {
    ids: Int32Array.from(ids.slice(0, kept)),
    probabilities: Float64Array.from(weights.slice(0, kept), (weight) => weight / sum),
  };
}

/** A filter that lets at least the best `count` pass, and few more: the threshold is the count-th of a sample's order. */
function aboveRank(logits: Float32Array, ids: readonly number[], count: number): (id: number) => boolean {
  const values = Float32Array.from(ids, (id) => logits[id] as number).sort();
  const threshold = values[values.length - count] as number;
  return (id) => (logits[id] as number) >= threshold;
}
