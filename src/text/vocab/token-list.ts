/** A list of tokens that grows. */
export class TokenList {
  #tokens: Int32Array;
  #length = 0;

  constructor(expected: number) {
    this.#tokens = new Int32Array(Math.max(16, expected));
  }

  push(token: number): void {
    if (this.#length === this.#tokens.length) this.#grow(this.#length + 1);
    this.#tokens[this.#length++] = token;
  }

  pushAll(tokens: Int32Array): void {
    const length = this.#length + tokens.length;
    if (length > this.#tokens.length) this.#grow(length);
    this.#tokens.set(tokens, this.#length);
    this.#length = length;
  }

  #grow(least: number): void {
    const larger = new Int32Array(Math.max(least, this.#tokens.length * 2));
    larger.set(this.#tokens.subarray(0, this.#length));
    this.#tokens = larger;
  }

  /** The list as an array of its own. */
  finish(): Int32Array {
    return this.#tokens.slice(0, this.#length);
  }
}
