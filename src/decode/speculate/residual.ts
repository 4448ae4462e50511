import type { Candidates } from "../sample/candidates.js";
import { indexDrawn, indexIn } from "./law.js";

/** What is left of a law after proposals were rejected: r := (r - q)₊, normalised. Kept in f64 beside the law's own tokens and not
 *  normalised, so that a rejection costs one pass over the tokens that the proposal has; nothing is copied before the first. */
export class Residual {
  readonly #law: Candidates;
  #weights: Float64Array | undefined;
  #spare: Float64Array | undefined;
  #sum: number;

  constructor(law: Candidates) {
    this.#law = law;
    this.#sum = law.total;
  }

  probability(token: number): number {
    const index = indexIn(this.#law, token);
    return index < 0 ? 0 : (this.#weights ?? this.#law.weights)[index]! / this.#sum;
  }

  /** Takes off q's weights, each times `scale`, but not at `except`. Where nothing would be left, which only rounding brings about,
   *  everything stays as it is. */
  subtract(q: Candidates, scale: number, except: readonly number[] = []): void {
    this.#weights ??= new Float64Array(this.#law.weights);
    const before = this.#weights;
    const after = this.#spare ?? new Float64Array(before.length);
    const sum = this.#sum;
    let left =
      isWhole(this.#law) && isWhole(q) ? allOff(before, q, scale * sum, after) : this.#someOff(q, scale * sum, after);
    for (const token of except) {
      const at = indexIn(this.#law, token);
      if (at < 0) continue;
      left += before[at]! - after[at]!;
      after[at] = before[at]!;
    }
    // Differences of a sum lose digits.
    if (left < 0.5 * sum) left = sumOf(after);
    if (!(left > 1e-12 * sum && Number.isFinite(left))) {
      this.#spare = after;
      return;
    }
    this.#weights = after;
    this.#spare = before;
    this.#sum = left;
  }

  /** The token that `u` draws. */
  draw(u: number): number {
    return this.#law.tokens[indexDrawn(this.#weights ?? this.#law.weights, u, this.#sum)]!;
  }

  /** Where one of the two has only some tokens. Gives the sum of what is left. */
  #someOff(q: Candidates, factor: number, after: Float64Array): number {
    const { tokens } = this.#law;
    const before = this.#weights!;
    after.set(before);
    let left = this.#sum;
    const takeOff = (at: number, weight: number): void => {
      const taken = Math.min(before[at]!, factor * weight);
      after[at] = before[at]! - taken;
      left -= taken;
    };
    if (isWhole(q)) {
      for (let at = 0; at < tokens.length && tokens[at]! < q.tokens.length; at++) takeOff(at, q.weights[tokens[at]!]!);
    } else if (isWhole(this.#law)) {
      for (let inQ = 0; inQ < q.tokens.length && q.tokens[inQ]! < tokens.length; inQ++)
        takeOff(q.tokens[inQ]!, q.weights[inQ]!);
    } else {
      // Both ascend.
      for (let inQ = 0, at = 0; inQ < q.tokens.length; inQ++) {
        while (at < tokens.length && tokens[at]! < q.tokens[inQ]!) at++;
        if (at === tokens.length) break;
        if (tokens[at] === q.tokens[inQ]) takeOff(at, q.weights[inQ]!);
      }
    }
    return left;
  }
}

/** It leaves out no token up to its greatest. */
function isWhole({ tokens }: Candidates): boolean {
  return tokens[tokens.length - 1] === tokens.length - 1;
}

function allOff(before: Float64Array, q: Candidates, factor: number, after: Float64Array): number {
  const { weights } = q;
  const both = Math.min(before.length, weights.length);
  let left = 0;
  for (let at = 0; at < both; at++) {
    const rest = before[at]! - factor * weights[at]!;
    const kept = Math.max(rest, 0);
    after[at] = kept;
    left += kept;
  }
  for (let at = both; at < before.length; at++) {
    after[at] = before[at]!;
    left += before[at]!;
  }
  return left;
}

function sumOf(weights: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < weights.length; at++) sum += weights[at]!;
  return sum;
}
