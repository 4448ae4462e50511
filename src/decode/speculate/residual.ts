import type { Candidates } from "../sample/candidates.js";
import { indexDrawn, indexIn } from "./law.js";

/** What is left of a law after proposals were rejected: r := (r - q)₊, normalised. Kept in f64 beside the law's own tokens and not
 *  normalised, so that a rejection touches only tokens that the proposal has, and one sum. */
export class Residual {
  readonly #law: Candidates;
  #weights: Float64Array;
  #sum = 0;

  constructor(law: Candidates) {
    this.#law = law;
    this.#weights = new Float64Array(law.weights);
    this.#addUp();
  }

  probability(token: number): number {
    const index = indexIn(this.#law, token);
    return index < 0 ? 0 : this.#weights[index]! / this.#sum;
  }

  /** Takes off q's weights, each times `scale`, but not at `except`. Where nothing would be left, which only rounding brings about,
   *  everything stays as it is. */
  subtract(q: Candidates, scale: number, except: readonly number[] = []): void {
    const before = this.#weights;
    const after = before.slice();
    const factor = scale * this.#sum;
    const r = this.#law;
    const isWhole = (law: Candidates) => law.tokens[law.tokens.length - 1] === law.tokens.length - 1;
    if (q.tokens.length <= r.tokens.length || !isWhole(q)) {
      for (let inQ = 0, at = 0; inQ < q.tokens.length; inQ++) {
        const token = q.tokens[inQ]!;
        // Both ascend: the next one is found by going on, or by index.
        if (isWhole(r)) at = token;
        else while (at < r.tokens.length && r.tokens[at]! < token) at++;
        if (at >= r.tokens.length) break;
        if (r.tokens[at] === token) after[at] = Math.max(0, before[at]! - factor * q.weights[inQ]!);
      }
    } else {
      for (let at = 0; at < r.tokens.length; at++) {
        const token = r.tokens[at]!;
        if (token < q.tokens.length) after[at] = Math.max(0, before[at]! - factor * q.weights[token]!);
      }
    }
    for (const token of except) {
      const at = indexIn(r, token);
      if (at >= 0) after[at] = before[at]!;
    }
    const sum = this.#sum;
    this.#weights = after;
    this.#addUp();
    if (this.#sum > 1e-12 * sum && Number.isFinite(this.#sum)) return;
    this.#weights = before;
    this.#sum = sum;
  }

  /** The token that `u` draws. */
  draw(u: number): number {
    return this.#law.tokens[indexDrawn(this.#weights, u, this.#sum)]!;
  }

  #addUp(): void {
    let sum = 0;
    const weights = this.#weights;
    for (let at = 0; at < weights.length; at++) sum += weights[at]!;
    this.#sum = sum;
  }
}
