/** Recursive: cut before sections, else at blank lines, lines, sentences, words, characters; fill each chunk as far as it goes.
 *  Takes    the document's text and sections; `countTokens` of the model that will read the chunks
 *  Gives    chunks of at most `tokens` tokens (text only, header apart), as few and as whole as the strong places allow
 *  Cost     one to three counts of about one chunk's text for each chunk; memory for one chunk
 *  Not      sentence (packs sentences without regard to structure), fixed (cuts blindly)
 *  Errors   none of its own; a single character above the limit is a chunk of its own */

import { z } from "zod";
import { textPositions } from "../lines.js";
import { chunksFromRanges } from "./build-chunk.js";
import { chunker } from "./chunker.js";
import {
  afterBlankLine,
  characterStart,
  cutsByRule,
  lineStart,
  outsideHeadings,
  sectionCuts,
  sentenceStart,
  wordStart,
} from "./cuts.js";
import { chunkTokens } from "./options.js";
import { splitText } from "./split-text.js";
import { TokenFit } from "./token-fit.js";

export const recursive = chunker({
  name: "recursive",
  title: "cut at the strongest place that fits: section, blank line, line, sentence, word",
  options: z.object({ tokens: chunkTokens }),
  create: ({ tokens }, label) =>
    async function* (document, { countTokens, signal }) {
      const { text, sections } = document;
      const positions = textPositions(text);
      const allowed = outsideHeadings(text, sections, positions);
      const levels = [
        ...sectionCuts(sections, positions),
        ...[afterBlankLine, lineStart, sentenceStart, wordStart].map((rule) => cutsByRule(text, rule, allowed)),
        cutsByRule(text, characterStart),
      ];
      const fit = new TokenFit(text, tokens, countTokens);
      yield* chunksFromRanges(document, label, splitText(text, { levels, fit, fill: 0.85 }), signal);
    },
});
