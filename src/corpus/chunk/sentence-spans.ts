/** A text as sentences: spans that follow each other and cover it, white space with the sentence before. Blank lines, headings,
 *  items of lists and rows of tables end a span, a fenced block of code is one, and a span above a number of tokens is cut between
 *  words. Lazy. */

import type { IndexRange } from "./build-chunk.js";
import { characterStart, cutsByRule, wordStart } from "./cuts.js";
import { isSentenceStart } from "./sentence-start.js";
import { splitText } from "./split-text.js";
import { TokenFit } from "./token-fit.js";

export interface Sentence extends IndexRange {
  readonly tokens: number;
}

export const mostSentenceTokens = 512;

export function* sentences(
  text: string,
  countTokens: (text: string) => number,
  most = mostSentenceTokens,
): Generator<Sentence> {
  for (const { start, end } of spans(text)) {
    const span = text.slice(start, end);
    const tokens = span.length > 4 * most ? Number.POSITIVE_INFINITY : countTokens(span);
    if (tokens <= most) {
      yield { start, end, tokens };
      continue;
    }
    const levels = [wordStart, characterStart].map((rule) => cutsByRule(span, rule));
    for (const part of splitText(span, { levels, fit: new TokenFit(span, most, countTokens), fill: 0.9 })) {
      yield { start: start + part.start, end: start + part.end, tokens: part.tokens };
    }
  }
}

/** A line that stands for itself: heading, item, row of a table, fence, rule. */
const ownLine = /^(?:[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]|#{1,6}[ \t]|[ \t]*\||[ \t]{0,3}(?:```|~~~))/;
const opensFence = /^[ \t]{0,3}(```+|~~~+)/;

function* spans(text: string): Generator<IndexRange> {
  let start = 0;
  let afterOwnLine = false;
  for (let line = 0; line < text.length; ) {
    const fence = opensFence.exec(text.slice(line, line + 12))?.[1];
    const next = fence === undefined ? endOfLine(text, line) : endOfFence(text, line, fence);
    const isOwn = fence !== undefined || ownLine.test(text.slice(line, line + 24));
    if ((isOwn || afterOwnLine) && hasWords(text, start, line) && hasWords(text, line, next)) {
      yield { start, end: line };
      start = line;
    }
    if (fence === undefined) {
      // A line's own beginning is asked about too: the sentence before may have ended with its line.
      for (let at = Math.max(line, start + 1); at < next; at++) {
        if (!isSentenceStart(text, at) || !hasWords(text, start, at)) continue;
        yield { start, end: at };
        start = at;
      }
    }
    if (hasWords(text, line, next)) afterOwnLine = isOwn;
    line = next;
  }
  if (start < text.length) yield { start, end: text.length };
}

function endOfLine(text: string, from: number): number {
  const newline = text.indexOf("\n", from);
  return newline < 0 ? text.length : newline + 1;
}

/** The end of the block, or of the text where it is never closed. */
function endOfFence(text: string, from: number, fence: string): number {
  for (let line = endOfLine(text, from); line < text.length; ) {
    const next = endOfLine(text, line);
    if (text.slice(line, next).trim() === fence) return next;
    line = next;
  }
  return text.length;
}

function hasWords(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (!/\s/.test(text[at]!)) return true;
  return false;
}
