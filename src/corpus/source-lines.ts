/** Lines of a passage in the original file: those of the text itself, or where the source map knows better, those. */

import type { Document, SourceSpan } from "./document.js";
import type { TextPositions } from "./lines.js";

export function sourceLines(
  document: Pick<Document, "sourceMap">,
  positions: TextPositions,
  startByte: number,
  endByte: number,
): { startLine: number; endLine: number } {
  const spans = spansOf(document.sourceMap, startByte, endByte);
  let startLine = Number.POSITIVE_INFINITY;
  let endLine = 0;
  for (const span of spans) {
    if (span.startLine === undefined) continue;
    startLine = Math.min(startLine, span.startLine);
    endLine = Math.max(endLine, span.endLine ?? span.startLine);
  }
  return endLine > 0 ? { startLine, endLine } : positions.linesOfBytes(startByte, endByte);
}

/** Pages that a passage touches, first and last; undefined where the original has none. */
export function sourcePages(
  document: Pick<Document, "sourceMap">,
  startByte: number,
  endByte: number,
): { startPage: number; endPage: number } | undefined {
  const pages = spansOf(document.sourceMap, startByte, endByte).flatMap(({ page }) =>
    page === undefined ? [] : [page],
  );
  return pages.length === 0 ? undefined : { startPage: Math.min(...pages), endPage: Math.max(...pages) };
}

/** Spans that overlap the range; they are in order and do not overlap each other. */
function spansOf(spans: readonly SourceSpan[], startByte: number, endByte: number): readonly SourceSpan[] {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (spans[middle]!.endByte <= startByte) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < spans.length && spans[end]!.startByte < endByte) end++;
  return spans.slice(low, end);
}
