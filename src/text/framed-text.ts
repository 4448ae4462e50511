/** A text between the tokens that its model frames texts with ([CLS] … [SEP]), cut to fit: the closing token stays. */

import { QuireError } from "../errors.js";
import type { Tokenizer } from "./tokenizer.js";

export interface FramedText {
  readonly tokens: Int32Array;
  /** Tokens of the text that did not fit. */
  readonly dropped: number;
}

export function frameText(tokenizer: Tokenizer, text: string, maxTokens: number): FramedText {
  const frame = tokenizer.encode("", { bos: true });
  if (!Number.isInteger(maxTokens) || maxTokens <= frame.length) {
    throw new QuireError("bad-option", "No text fits into so few tokens.", {
      got: maxTokens,
      expected: `a whole number above ${frame.length}`,
    });
  }
  const tokens = tokenizer.encode(text, { bos: true });
  if (tokens.length <= maxTokens) return { tokens, dropped: 0 };
  const closing = frame.length > 1 ? 1 : 0;
  const kept = new Int32Array(maxTokens);
  kept.set(tokens.subarray(0, maxTokens - closing));
  if (closing > 0) kept[maxTokens - 1] = tokens[tokens.length - 1]!;
  return { tokens: kept, dropped: tokens.length - maxTokens };
}
