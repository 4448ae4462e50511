/** Where a text may be cut, from the strongest place to the weakest: before a section, after a blank line, a line, a sentence, a
 *  word, a character. A heading is never parted from what follows it, a character never from itself. */

import type { Section } from "../document.js";
import { type TextPositions, wholeIndex } from "../lines.js";
import { isSentenceStart } from "./sentence-start.js";
import type { Cuts } from "./token-fit.js";

export type CutRule = (text: string, at: number) => boolean;

const newline = 10;
const isBlank = (code: number): boolean => code === 32 || (code >= 9 && code <= 13) || code === 0xa0 || code === 0x3000;

export const lineStart: CutRule = (text, at) => text.charCodeAt(at - 1) === newline;

export const afterBlankLine: CutRule = (text, at) => {
  if (text.charCodeAt(at - 1) !== newline) return false;
  const next = text.charCodeAt(at);
  if (next === newline || next === 13) return false;
  let before = at - 2;
  while (before >= 0 && text.charCodeAt(before) !== newline && isBlank(text.charCodeAt(before))) before--;
  return before >= 0 && text.charCodeAt(before) === newline;
};

export const wordStart: CutRule = (text, at) => isBlank(text.charCodeAt(at - 1)) && !isBlank(text.charCodeAt(at));

export const sentenceStart: CutRule = isSentenceStart;

export const characterStart: CutRule = (text, at) =>
  wholeIndex(text, at) === at && !(text.charCodeAt(at) === newline && text.charCodeAt(at - 1) === 13);

/** Cuts where the rule holds, save at places that are not allowed. */
export function cutsByRule(text: string, rule: CutRule, allowed: (at: number) => boolean = () => true): Cuts {
  const isCut = (at: number): boolean => rule(text, at) && allowed(at);
  return {
    last(after, upTo) {
      for (let at = upTo; at > after; at--) if (isCut(at)) return at;
      return undefined;
    },
    first(after, before) {
      for (let at = after + 1; at < before; at++) if (isCut(at)) return at;
      return undefined;
    },
  };
}

/** Cuts at given places, ascending. */
export function cutsAt(places: readonly number[]): Cuts {
  const firstAfter = (value: number): number => {
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (places[middle]! <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    last(after, upTo) {
      const place = places[firstAfter(upTo) - 1];
      return place !== undefined && place > after ? place : undefined;
    },
    first(after, before) {
      const place = places[firstAfter(after)];
      return place !== undefined && place < before ? place : undefined;
    },
  };
}

/** One set of cuts for each level of sections, outermost first. */
export function sectionCuts(sections: readonly Section[], positions: TextPositions): Cuts[] {
  const levels = new Map<number, Set<number>>();
  for (const { level, startByte } of sections) {
    const places = levels.get(level) ?? new Set();
    levels.set(level, places.add(positions.indexOfByte(startByte)));
  }
  return [...levels].sort(([a], [b]) => a - b).map(([, places]) => cutsAt([...places].sort((a, b) => a - b)));
}

/** False between a heading's start and the first words below it. */
export function outsideHeadings(
  text: string,
  sections: readonly Section[],
  positions: TextPositions,
): (at: number) => boolean {
  const zones = sections
    .filter(({ kind }) => kind === "heading")
    .map(({ startByte }) => headingZone(text, positions.indexOfByte(startByte)))
    .sort((a, b) => a.start - b.start);
  const starts = cutsAt(zones.map(({ start }) => start));
  const ends = new Map(zones.map(({ start, end }) => [start, end]));
  return (at) => {
    const start = starts.last(-1, at - 1);
    return start === undefined || at > ends.get(start)!;
  };
}

/** A heading longer than this is text like any other. */
const longestHeading = 400;

function headingZone(text: string, start: number): { start: number; end: number } {
  const ahead = text.slice(start, start + longestHeading);
  // The heading's line, the rule under it where there is one, and blank lines.
  const heading = /^[^\n]*(?:\n[ \t]*(?:=+|-+|~+|\^+)[ \t]*\r?(?=\n|$))?[\s]*/.exec(ahead)![0];
  return { start, end: heading.length < ahead.length ? start + heading.length : start };
}
