/** Tokens of any range of a text by one tokenisation of all of it, so that the tokens of parts add up to those of the whole. A token
 *  belongs to the range that holds its last byte. */

import { wholeIndex } from "../../lines.js";
import type { IndexRange } from "../build-chunk.js";
import type { ChunkContext } from "../chunker.js";

export interface TokenMeasure {
  tokens(start: number, end: number): number;
  /** The furthest place from `start` on, up to `end`, with at most `limit` tokens between; at least one character further. */
  reach(start: number, end: number, limit: number): number;
  /** The furthest place before `end`, down to `start`, with at most `limit` tokens between. */
  reachBack(end: number, start: number, limit: number): number;
}

export function tokenMeasure(text: string, context: Pick<ChunkContext, "countTokens" | "tokenEnds">): TokenMeasure {
  const places = context.tokenEnds === undefined ? spread(text, context) : placesOf(text, context.tokenEnds(text));
  const before = (index: number): number => {
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (places[middle]! < index) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    tokens: (start, end) => before(end) - before(start),
    reach(start, end, limit) {
      const next = before(start) + limit;
      if (next >= places.length || places[next]! >= end) return end;
      const place = wholeIndex(text, places[next]!);
      return place > start ? place : Math.min(end, start + (text.codePointAt(start)! > 0xffff ? 2 : 1));
    },
    reachBack(end, start, limit) {
      const first = before(end) - limit - 1;
      return first < 0 ? start : Math.max(start, Math.min(end, wholeIndex(text, places[first]! + 1)));
    },
  };
}

/** Index of the character that holds each token's last byte. */
function placesOf(text: string, endBytes: Int32Array): Int32Array {
  const places = new Int32Array(endBytes.length);
  let token = 0;
  let byte = 0;
  for (let at = 0; at < text.length && token < places.length; ) {
    const code = text.codePointAt(at)!;
    byte += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    while (token < places.length && endBytes[token]! <= byte) places[token++] = at;
    at += code > 0xffff ? 2 : 1;
  }
  return places.fill(Math.max(0, text.length - 1), token);
}

/** Where only counts are known: those of each line, evenly over the line. */
function spread(text: string, { countTokens }: Pick<ChunkContext, "countTokens">): Int32Array {
  let places = new Int32Array(Math.ceil(text.length / 3) + 16);
  let size = 0;
  for (let line = 0; line < text.length; ) {
    const newline = text.indexOf("\n", line);
    const end = newline < 0 ? text.length : newline + 1;
    const count = Math.max(0, Math.ceil(countTokens(text.slice(line, end))));
    if (size + count > places.length) {
      const larger = new Int32Array(2 * (size + count));
      larger.set(places);
      places = larger;
    }
    for (let i = 1; i <= count; i++) places[size++] = line + Math.ceil((i * (end - line)) / count) - 1;
    line = end;
  }
  return places.subarray(0, size);
}

/** Whole lines as long as they fit, a longer line in pieces. */
export function linePieces(
  text: string,
  { start, end }: IndexRange,
  limit: number,
  measure: TokenMeasure,
): IndexRange[] {
  const pieces: IndexRange[] = [];
  for (let from = start; from < end; ) {
    let to = measure.reach(from, end, limit);
    if (to < end) {
      const line = text.lastIndexOf("\n", to - 1) + 1;
      if (line > from) to = line;
    }
    pieces.push({ start: from, end: to });
    from = to;
  }
  return pieces;
}

/** Joins neighbours, first come first, while they stay within the limit: packing. */
export function pack(ranges: readonly IndexRange[], limit: number, measure: TokenMeasure): IndexRange[] {
  const packed: IndexRange[] = [];
  for (const range of ranges) {
    const last = packed.at(-1);
    if (last !== undefined && measure.tokens(last.start, range.end) <= limit) {
      packed[packed.length - 1] = { start: last.start, end: range.end };
    } else packed.push(range);
  }
  return packed;
}
