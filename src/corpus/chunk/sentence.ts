/** Sentence: pack whole sentences until the next would not fit.
 *  Takes    the document's text; `countTokens` of the model that will read the chunks
 *  Gives    chunks of at most `tokens` tokens; only a sentence longer than that is cut, between words
 *  Cost     one to three counts of about one chunk's text for each chunk; sentence ends are found without a model
 *  Not      recursive (prefers sections and paragraphs), meta-chunking (asks a model where thoughts end)
 *  Errors   none of its own; a single character above the limit is a chunk of its own */

import { z } from "zod";
import { chunksFromRanges } from "./build-chunk.js";
import { chunker } from "./chunker.js";
import { characterStart, cutsByRule, sentenceStart, wordStart } from "./cuts.js";
import { chunkTokens } from "./options.js";
import { splitText } from "./split-text.js";
import { TokenFit } from "./token-fit.js";

export const sentence = chunker({
  name: "sentence",
  title: "pack whole sentences up to a number of tokens",
  options: z.object({ tokens: chunkTokens }),
  create: ({ tokens }, label) =>
    async function* (document, { countTokens, signal }) {
      const { text } = document;
      const levels = [sentenceStart, wordStart, characterStart].map((rule) => cutsByRule(text, rule));
      const fit = new TokenFit(text, tokens, countTokens);
      yield* chunksFromRanges(document, label, splitText(text, { levels, fit, fill: 0.9 }), signal);
    },
});
