/** From the heads that a parser finds (headings, definitions) to the sections of a document: each reaches to the next head of the
 *  same or an outer level. */

import type { Section } from "../document.js";
import type { TextPositions } from "../lines.js";

export interface Head {
  readonly title: string;
  readonly level: number;
  /** Index (UTF-16) of the head's first character. */
  readonly at: number;
  readonly kind: Section["kind"];
}

/** `heads` in document order. */
export function sectionsFromHeads(heads: readonly Head[], positions: TextPositions): Section[] {
  const ends = new Array<number>(heads.length).fill(positions.text.length);
  const open: number[] = [];
  for (const [i, head] of heads.entries()) {
    while (open.length > 0 && heads[open.at(-1)!]!.level >= head.level) ends[open.pop()!] = head.at;
    open.push(i);
  }
  return heads.map((head, i) => ({
    title: head.title,
    level: head.level,
    kind: head.kind,
    startByte: positions.byteOfIndex(head.at),
    endByte: positions.byteOfIndex(ends[i]!),
  }));
}

const longestTitle = 160;

/** One line, no runs of blanks, not longer than a line of a page. */
export function tidyTitle(title: string): string {
  const line = title.replace(/\s+/g, " ").trim();
  return line.length <= longestTitle ? line : `${line.slice(0, longestTitle - 1).trimEnd()}…`;
}
