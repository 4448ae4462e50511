/** Where each pair of neighbouring tokens, and each token, stood in a text that grows: newest first, found in constant time. */
export class Occurrences {
  readonly text: number[] = [];
  readonly #newestPair = new Map<number, number>();
  readonly #newestToken = new Map<number, number>();
  /** For each place the one before with the same pair, or the same token, that ends there; -1 where there is none. */
  readonly #earlierPair: number[] = [];
  readonly #earlierToken: number[] = [];

  push(token: number): void {
    const at = this.text.length;
    const before = this.text[at - 1];
    this.text.push(token);
    this.#earlierToken.push(this.#newestToken.get(token) ?? -1);
    this.#newestToken.set(token, at);
    const pair = before === undefined ? -1 : pairOf(before, token);
    this.#earlierPair.push(before === undefined ? -1 : (this.#newestPair.get(pair) ?? -1));
    if (before !== undefined) this.#newestPair.set(pair, at);
  }

  /** Places at which the pair ends. */
  *ofPair(before: number, token: number): Generator<number> {
    for (let at = this.#newestPair.get(pairOf(before, token)) ?? -1; at >= 0; at = this.#earlierPair[at] ?? -1)
      yield at;
  }

  *ofToken(token: number): Generator<number> {
    for (let at = this.#newestToken.get(token) ?? -1; at >= 0; at = this.#earlierToken[at] ?? -1) yield at;
  }
}

/** Two tokens in one number that is still exact. */
function pairOf(before: number, token: number): number {
  return before * 2 ** 26 + token;
}
