/** Where the sentences of a text begin and end (UTF-16 indices, white space around them left out). Lines may be wrapped anywhere;
 *  headings, list items, table rows and blank lines always end a sentence. */

export interface Span {
  readonly start: number;
  readonly end: number;
}

const newBlock = /^\s*(#{1,6}\s|[-*+•]\s|\d{1,3}[.)]\s|>|\||```|~~~|={3,}\s*$|-{3,}\s*$)/;
const abbreviation =
  /(?:^|[\s(])(?:e\.g|i\.e|cf|vs|etc|mr|mrs|ms|dr|prof|st|no|nos|fig|figs|sec|ch|vol|pp?|approx|resp|al|inc|ltd|jr|sr)\.$/iu;
const initial = /(?:^|[\s(])\p{Lu}\.$/u;

/** Longer than this without an end is code or a table, and is cut at its lines. */
const longestSentence = 600;

export function sentenceSpans(text: string): Span[] {
  return blocks(text).flatMap((block) => split(text, block));
}

function blocks(text: string): Span[] {
  const out: Span[] = [];
  let start = 0;
  let open = false;
  let wasHeading = false;
  const close = (end: number) => {
    if (open) out.push({ start, end });
    open = false;
  };
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(at, end);
    if (line.trim() === "") close(at);
    else {
      if (wasHeading || newBlock.test(line)) close(at);
      if (!open) start = at;
      open = true;
      wasHeading = /^\s*(#{1,6}\s|={3,}\s*$|-{3,}\s*$|\|)/.test(line);
    }
    at = end + 1;
  }
  close(text.length);
  return out;
}

function split(text: string, block: Span): Span[] {
  const out: Span[] = [];
  const body = text.slice(block.start, block.end);
  let from = 0;
  const add = (to: number) => {
    const piece = body.slice(from, to);
    const lead = piece.length - piece.trimStart().length;
    const span = { start: block.start + from + lead, end: block.start + from + piece.trimEnd().length };
    if (span.end > span.start) out.push(...(span.end - span.start > longestSentence ? lines(text, span) : [span]));
    from = to;
  };
  for (const match of body.matchAll(/[.!?…]["'”’)\]]*(?=\s+["'“‘([]?[\p{Lu}\p{N}_`])|[。！？]/gu)) {
    const end = match.index + match[0].length;
    const before = body.slice(Math.max(0, match.index - 12), match.index + 1);
    if (match[0] === "." && (abbreviation.test(before) || initial.test(before))) continue;
    add(end);
  }
  add(body.length);
  return out;
}

function lines(text: string, span: Span): Span[] {
  const out: Span[] = [];
  for (const match of text.slice(span.start, span.end).matchAll(/[^\n]+/g)) {
    const lead = match[0].length - match[0].trimStart().length;
    const start = span.start + match.index + lead;
    const end = start + match[0].trim().length;
    if (end > start) out.push({ start, end });
  }
  return out;
}
