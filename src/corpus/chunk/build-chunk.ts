/** Makes the chunks of one document, in order, from the places where a chunker cuts: bytes, lines, header and id. */

import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "../../errors.js";
import type { Chunk, Document, Section } from "../document.js";
import { type TextPositions, textPositions } from "../lines.js";
import { sourceLines } from "../source-lines.js";

/** Half-open, in UTF-16 units of the document's text. */
export interface IndexRange {
  readonly start: number;
  readonly end: number;
}

/** Turns ranges into chunks. They must follow each other without gaps; empty ones are left out. Lets other work run in between,
 *  so that a long document can be stopped. */
export async function* chunksFromRanges(
  document: Document,
  label: string,
  ranges: Iterable<IndexRange> | AsyncIterable<IndexRange>,
  signal?: AbortSignal,
): AsyncGenerator<Chunk> {
  const positions = textPositions(document.text);
  const headerAt = headers(document.sections);
  let order = 0;
  let rested = performance.now();
  for await (const range of ranges) {
    if (range.end <= range.start) continue;
    throwIfAborted(signal);
    yield makeChunk(document, positions, headerAt, { label, order: order++, ...range });
    if (performance.now() - rested > 25) {
      await setImmediate();
      rested = performance.now();
    }
  }
}

function makeChunk(
  document: Document,
  positions: TextPositions,
  headerAt: (byte: number) => string,
  { start, end, order, label }: IndexRange & { order: number; label: string },
): Chunk {
  const text = document.text.slice(start, end);
  const startByte = positions.byteOfIndex(start);
  const endByte = positions.byteOfIndex(end);
  const blanks = /^\s*/.exec(text)![0].length;
  const firstWord = blanks === text.length ? startByte : positions.byteOfIndex(start + blanks);
  return {
    id: chunkId(document.id, startByte, endByte, label),
    documentId: document.id,
    uri: document.uri,
    text,
    startByte,
    endByte,
    ...sourceLines(document, positions, startByte, endByte),
    header: headerAt(firstWord),
    order,
  };
}

export function chunkId(documentId: string, startByte: number, endByte: number, label: string): string {
  return createHash("sha256").update(`${documentId} ${startByte} ${endByte} ${label}`).digest("hex").slice(0, 32);
}

/** Deeper paths are shown with their middle left out. */
const shownLevels = 5;

/** Titles of the sections that hold a byte, outermost first: "Guide > Install". Asked for ascending bytes, it walks once. */
export function headers(sections: readonly Section[]): (byte: number) => string {
  const sorted = [...sections].sort((a, b) => a.startByte - b.startByte || a.level - b.level);
  let open: Section[] = [];
  let next = 0;
  return (byte) => {
    for (; next < sorted.length && sorted[next]!.startByte <= byte; next++) {
      open = open.filter((section) => section.endByte > sorted[next]!.startByte);
      open.push(sorted[next]!);
    }
    const titles = open.filter((section) => section.endByte > byte).map((section) => section.title);
    const shown = titles.length <= shownLevels ? titles : [titles[0]!, "…", ...titles.slice(2 - shownLevels)];
    return shown.join(" > ");
  };
}
