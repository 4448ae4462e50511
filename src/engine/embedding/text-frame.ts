import { QuireError } from "../../errors.js";
import type { Tokenizer } from "../../text/tokenizer.js";

/** Texts as an encoder reads them: [CLS] text [SEP], at most `maxTokens` tokens. What is longer loses its end, the frame stays. */
export class TextFrame {
  readonly #tokenizer: Tokenizer;
  readonly #maxTokens: number;
  readonly #lastToken: number;

  constructor(tokenizer: Tokenizer, maxTokens: number) {
    const empty = tokenizer.encode("", { bos: true });
    if (empty.length === 0) {
      throw new QuireError("bad-file", "The tokenizer puts nothing around a text, as encoders need it.", {
        expected: "tokens such as [CLS] and [SEP]",
        fix: "Fetch the model again, with its tokenizer.json.",
      });
    }
    if (maxTokens <= empty.length) {
      throw new QuireError("bad-file", "The model leaves no room for a text.", {
        got: maxTokens,
        expected: `more than ${empty.length} tokens`,
      });
    }
    this.#tokenizer = tokenizer;
    this.#maxTokens = maxTokens;
    this.#lastToken = empty[empty.length - 1]!;
  }

  of(text: string): { tokens: Int32Array; cut: boolean } {
    const tokens = this.#encodeEnough(text);
    if (tokens.length <= this.#maxTokens) return { tokens, cut: false };
    const kept = tokens.slice(0, this.#maxTokens);
    kept[kept.length - 1] = this.#lastToken;
    return { tokens: kept, cut: true };
  }

  /** All of a short text; of a long one, the words that surely fill the frame. */
  #encodeEnough(text: string): Int32Array {
    for (let characters = charactersPerToken * this.#maxTokens; characters < text.length; characters *= 4) {
      const end = lastSpace(text, characters);
      if (end === undefined) continue;
      const tokens = this.#tokenizer.encode(text.slice(0, end), { bos: true });
      if (tokens.length > this.#maxTokens + margin) return tokens;
    }
    return this.#tokenizer.encode(text, { bos: true });
  }
}

const charactersPerToken = 16;
/** Some tokenizers look past a space: the last tokens before a cut are not trusted. */
const margin = 16;

function lastSpace(text: string, before: number): number | undefined {
  const spaces = /\s/;
  for (let at = before - 1; at >= before / 2; at--) if (spaces.test(text[at]!)) return at;
  return undefined;
}
