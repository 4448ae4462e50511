/** Turns tokens into text as they come, whole characters only: a token may end inside a character, whose bytes are held back until
 *  the rest arrives. Bytes that can no longer become a character turn into U+FFFD. */

import type { Tokenizer } from "./tokenizer.js";

export interface Detokenizer {
  /** The text that the token completes; often none. */
  push(token: number): string;
  /** What is left when no more tokens come: U+FFFD for an unfinished character. */
  flush(): string;
}

export function detokenizer(tokenizer: Pick<Tokenizer, "bytes">): Detokenizer {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return {
    push: (token) => decoder.decode(tokenizer.bytes(token), { stream: true }),
    flush: () => decoder.decode(),
  };
}
