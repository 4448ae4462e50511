/** Remembers the tokens of short words: text repeats itself. Emptied when full, so that it stays small. */

const longestWord = 64;
const mostWords = 50_000;

export class WordCache {
  readonly #words = new Map<string, Int32Array>();

  get(word: string, encode: (word: string) => Int32Array): Int32Array {
    if (word.length > longestWord) return encode(word);
    const known = this.#words.get(word);
    if (known !== undefined) return known;
    const tokens = encode(word);
    if (this.#words.size >= mostWords) this.#words.clear();
    this.#words.set(word, tokens);
    return tokens;
  }
}
