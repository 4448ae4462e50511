import type { Candidates } from "../sample/candidates.js";

/** Draws tokens from a law one after the other without putting them back. The same law as the largest of log-probabilities with
 *  Gumbel noise, in descending order, at the cost of one number and one scan a draw instead of one number a token. */
export class Lottery {
  readonly #law: Candidates;
  /** Indices drawn, ascending. */
  readonly #drawn: number[] = [];
  #rest: number;
  /** The law's sum before the first draw, and when it was last added up. */
  #addedUp: number;

  constructor(law: Candidates) {
    this.#law = law;
    this.#rest = law.total;
    this.#addedUp = law.total;
  }

  /** Weight of all that is not drawn, to be compared with the law's total. */
  get rest(): number {
    return this.#rest;
  }

  /** Nothing that could be told from rounding is left. */
  get isEmpty(): boolean {
    return this.#drawn.length >= this.#law.tokens.length || !(this.#rest > 1e-12 * this.#law.total);
  }

  /** Index in the law of the token that `u` draws, -1 where nothing is left. */
  draw(u: number): number {
    if (this.isEmpty) return -1;
    const { weights } = this.#law;
    const target = u * this.#rest;
    let sum = 0;
    let last = -1;
    let from = 0;
    for (let part = 0; part <= this.#drawn.length; part++) {
      const to = this.#drawn[part] ?? weights.length;
      for (let index = from; index < to; index++) {
        const weight = weights[index]!;
        if (weight <= 0) continue;
        sum += weight;
        last = index;
        if (sum > target) return this.#take(index, part);
      }
      from = to + 1;
    }
    if (last < 0) return -1;
    const part = this.#drawn.findIndex((drawn) => drawn > last);
    return this.#take(last, part < 0 ? this.#drawn.length : part);
  }

  #take(index: number, part: number): number {
    this.#drawn.splice(part, 0, index);
    this.#rest -= this.#law.weights[index]!;
    // Differences of a sum lose digits: it is added up anew each time that half of it has gone.
    if (this.#rest < 0.5 * this.#addedUp) {
      this.#rest = this.#sumOfRest();
      this.#addedUp = this.#rest;
    }
    return index;
  }

  #sumOfRest(): number {
    const { weights } = this.#law;
    let sum = 0;
    let from = 0;
    for (const to of [...this.#drawn, weights.length]) {
      for (let index = from; index < to; index++) sum += weights[index]!;
      from = to + 1;
    }
    return sum;
  }
}
