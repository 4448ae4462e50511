import { sentences } from "../../src/corpus/chunk/sentence-spans.js";
import { textPositions } from "../../src/corpus/lines.js";
import type { Quire } from "../../src/quire.js";
import { scoreTokens, tokenEnds } from "../../src/scoring.js";
import type { TextScoring, TokenLogProbs } from "../../src/text/text-scoring.js";

/** The straightforward form of scoring sentences: one call for each, which reads what stands before it in its window anew. */

export function oneCallASentence(quire: Quire): TextScoring["tokenLogProbs"] {
  return async function* (text, { window = 4096, signal } = {}): AsyncGenerator<TokenLogProbs> {
    const { tokenizer, engine } = quire;
    const begin = tokenizer.encode("", { bos: true });
    const tokens = tokenizer.encode(text);
    const endBytes = tokenEnds(tokenizer, text);
    const positions = textPositions(text);
    const half = Math.floor(window / 2);
    let token = Math.max(0, 1 - begin.length);
    for (const { end } of sentences(text, (words) => tokenizer.encode(words).length)) {
      const endByte = positions.byteOfIndex(end);
      let last = token;
      while (last < tokens.length && (endBytes[last] ?? 0) <= endByte) last++;
      while (token < last) {
        // The window in which this token is scored, and the part of the sentence that is scored in it too.
        const index = token < 2 * half ? 0 : Math.floor(token / half) - 1;
        const start = index * half;
        const until = Math.min(last, start + 2 * half);
        const prefix = Int32Array.from([...begin, ...tokens.subarray(start, token)]);
        const logProbs = await scoreTokens(engine, prefix, tokens.subarray(token, until), signal);
        yield { endBytes: endBytes.subarray(token, until), logProbs };
        token = until;
      }
    }
  };
}
