/** How much text fits into a number of tokens, with few counts: the tokens per character seen so far say where to try, an exact
 *  count decides, and no count sees much more text than one chunk. Which counts are made depends on the text alone. */

export interface Cuts {
  /** The last place to cut in (after, upTo]. */
  last(after: number, upTo: number): number | undefined;
  /** The first place to cut in (after, before). */
  first(after: number, before: number): number | undefined;
}

export interface Fitted {
  readonly end: number;
  readonly tokens: number;
}

/** A token rarely stands for more characters than this; it bounds what is counted where a text's beginning misleads. */
const mostCharactersPerToken = 50;
const sampleLength = 2000;
const mostCounts = 8;

export class TokenFit {
  readonly limit: number;
  readonly #text: string;
  readonly #countTokens: (text: string) => number;
  #tokensPerCharacter: number;

  constructor(text: string, limit: number, countTokens: (text: string) => number) {
    this.limit = limit;
    this.#text = text;
    this.#countTokens = countTokens;
    this.#tokensPerCharacter = 0.25;
    if (text.length > 0) this.count(0, Math.min(text.length, sampleLength));
  }

  count(start: number, end: number): number {
    const tokens = this.#countTokens(this.#text.slice(start, end));
    if (end - start >= 40) {
      const seen = Math.max(tokens / (end - start), 1 / mostCharactersPerToken);
      this.#tokensPerCharacter = (this.#tokensPerCharacter + 3 * seen) / 4;
    }
    return tokens;
  }

  /** The tokens of a range that fits; undefined where it does not, or plainly cannot. */
  tokensIfFits(start: number, end: number): number | undefined {
    if ((end - start) * this.#tokensPerCharacter > 2 * this.limit) return undefined;
    const tokens = this.count(start, end);
    return tokens <= this.limit ? tokens : undefined;
  }

  /** The furthest cut before `end` up to which the text from `start` fits. `fill`: the share of the limit that is good enough. */
  longest(start: number, end: number, cuts: Cuts, fill: number): Fitted | undefined {
    let best: Fitted | undefined;
    let low = start;
    let high = end - 1;
    let target = this.#reach(start, this.#tokensPerCharacter);
    for (let counts = 0; counts < mostCounts && low < high; counts++) {
      let cut = cuts.last(low, Math.min(target, high));
      if (cut === undefined) {
        if (best !== undefined) return best;
        cut = cuts.first(Math.max(low, Math.min(target, high)), Math.min(high + 1, start + 2 * (target - start)));
        if (cut === undefined) return undefined;
      }
      const tokens = this.count(start, cut);
      if (tokens <= this.limit) {
        best = { end: cut, tokens };
        low = cut;
        if (tokens >= fill * this.limit) return best;
      } else high = cut - 1;
      target = Math.max(low + 1, this.#reach(start, Math.max(tokens / (cut - start), 1 / mostCharactersPerToken)));
    }
    return best;
  }

  #reach(start: number, tokensPerCharacter: number): number {
    return start + Math.max(1, Math.floor(this.limit / tokensPerCharacter));
  }
}
