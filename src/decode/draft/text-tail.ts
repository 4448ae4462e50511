import type { DraftNode } from "./draft.js";

/** The text so far with the path to a node of a tree behind it, read from its end: the root's own token is the last of the text. */
export class TextTail {
  readonly #text: readonly number[];
  /** Tokens of the path below the root, from the root on. */
  readonly #path: number[] = [];

  constructor(text: readonly number[], node: DraftNode) {
    this.#text = text;
    for (let at: DraftNode | undefined = node; at?.parent !== undefined; at = at.parent) this.#path.unshift(at.token);
  }

  get length(): number {
    return this.#text.length + this.#path.length;
  }

  /** The token `back` places before the last one; undefined before the beginning. */
  at(back: number): number | undefined {
    const inPath = this.#path.length - 1 - back;
    return inPath >= 0 ? this.#path[inPath] : this.#text[this.#text.length + inPath];
  }
}
