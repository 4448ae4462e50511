import type { Tokenizer } from "../../src/text/tokenizer.js";
import { generateCorpus } from "../ask/generate.js";

/** Texts that contenders continue. */

/** Unlike each other in language, form and end: prose, dialogue, code, a list, German. */
export const fivePrompts: readonly string[] = [
  "The history of the lighthouse begins in the year 1842, when",
  "Question: Why does bread rise?\nAnswer:",
  "def fibonacci(n):\n    ",
  "Ten things to take on a long walk:\n1. Water\n2.",
  "Es war einmal ein Müller, der hatte drei Söhne,",
];

/** `count` tokens of ordinary prose, the same for the same seed. */
export function prose(tokenizer: Tokenizer, count: number, seed: number): Int32Array {
  let text = "";
  for (let round = 0; ; round++) {
    text += generateCorpus({ seed: seed + round, documents: 40, questions: 1 })
      .files.map((file) => file.text)
      .join("\n\n");
    const tokens = tokenizer.encode(text, { bos: true });
    if (tokens.length >= count) return Int32Array.from(tokens.subarray(0, count));
  }
}
