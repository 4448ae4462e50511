import { QuireError } from "../../errors.js";

/** Choosing entries by score. Everything is an index into arrays that lie in the order of positions; of equal scores the later one
 *  stays, so that runs repeat exactly. */

/** Indices of the `count` highest scores, ascending. */
export function keepTop(scores: Float32Array, count: number): Int32Array {
  mustBeNumbers(scores);
  if (count >= scores.length) return Int32Array.from(scores, (_, index) => index);
  if (count <= 0) return new Int32Array(0);
  const threshold = scores.slice().sort()[scores.length - count] as number;
  let equal = count;
  for (const score of scores) if (score > threshold) equal--;
  const kept = new Int32Array(count);
  let left = count;
  for (let index = scores.length - 1; left > 0; index--) {
    const score = scores[index] as number;
    if (score < threshold || (score === threshold && equal-- <= 0)) continue;
    kept[--left] = index;
  }
  return kept;
}

/** Index of the lowest score; of equal ones the first. */
export function lowest(scores: Float32Array): number {
  mustBeNumbers(scores);
  let best = 0;
  for (let index = 1; index < scores.length; index++) {
    if ((scores[index] as number) < (scores[best] as number)) best = index;
  }
  return best;
}

/** Slots of the `top` best-scored of the first entries, and of all entries that have no score: the newest. */
export function keepTopAndRest(slots: Int32Array, scores: Float32Array, top: number): Int32Array {
  const rest = slots.length - scores.length;
  const kept = new Int32Array(Math.min(top, scores.length) + rest);
  if (top === scores.length - 1) {
    // One has to go, as in most steps: no need to sort.
    const gone = lowest(scores);
    kept.set(slots.subarray(0, gone));
    kept.set(slots.subarray(gone + 1), gone);
    return kept;
  }
  const chosen = keepTop(scores, top);
  for (let i = 0; i < chosen.length; i++) kept[i] = slots[chosen[i] as number] as number;
  kept.set(slots.subarray(scores.length), chosen.length);
  return kept;
}

export function mustBeNumbers(scores: Float32Array): void {
  for (const score of scores) {
    if (Number.isNaN(score))
      throw new QuireError("native", "A score of the cache policy is not a number.", {
        fix: "The attention of the model was not finite; try cacheType f32.",
      });
  }
}
