/** Fixed: cut after every so many tokens, wherever that falls.
 *  Takes    the document's text; `countTokens` of the model that will read the chunks
 *  Gives    chunks of at most `tokens` tokens, and hardly less; cut between characters, also within words
 *  Cost     two to four counts of about one chunk's text for each chunk
 *  Not      recursive, sentence (which look where they cut): this is what those are compared with
 *  Errors   none of its own; a single character above the limit is a chunk of its own */

import { z } from "zod";
import { chunksFromRanges } from "./build-chunk.js";
import { chunker } from "./chunker.js";
import { characterStart, cutsByRule } from "./cuts.js";
import { chunkTokens } from "./options.js";
import { splitText } from "./split-text.js";
import { TokenFit } from "./token-fit.js";

export const fixed = chunker({
  name: "fixed",
  title: "cut after every so many tokens",
  options: z.object({ tokens: chunkTokens }),
  create: ({ tokens }, label) =>
    async function* (document, { countTokens, signal }) {
      const { text } = document;
      const fit = new TokenFit(text, tokens, countTokens);
      const levels = [cutsByRule(text, characterStart)];
      yield* chunksFromRanges(document, label, splitText(text, { levels, fit, fill: 0.98 }), signal);
    },
});
