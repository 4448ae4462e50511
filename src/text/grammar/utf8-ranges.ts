/** Ranges of code points as sequences of byte ranges: [U+0080, U+07FF] is [C2-DF][80-BF]. Surrogates have no bytes and are left
 *  out. */

import type { CodeRange } from "./expression.js";

export type ByteRange = readonly [from: number, to: number];

/** Where the number of bytes changes, and the hole of the surrogates. */
const sections: readonly CodeRange[] = [
  [0, 0x7f],
  [0x80, 0x7ff],
  [0x800, 0xd7ff],
  [0xe000, 0xffff],
  [0x10000, 0x10ffff],
];

export function utf8Ranges(range: CodeRange): ByteRange[][] {
  const found: ByteRange[][] = [];
  for (const [first, last] of sections) {
    const from = Math.max(range[0], first);
    const to = Math.min(range[1], last);
    if (from <= to) split(bytesOf(from), bytesOf(to), [], found);
  }
  return found;
}

function bytesOf(point: number): number[] {
  if (point < 0x80) return [point];
  if (point < 0x800) return [0xc0 | (point >> 6), 0x80 | (point & 0x3f)];
  if (point < 0x10000) return [0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f)];
  return [0xf0 | (point >> 18), 0x80 | ((point >> 12) & 0x3f), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f)];
}

const lowest = 0x80;
const highest = 0xbf;

/** Sequences from `from` to `to`, both of the same length, behind `before`. */
function split(
  from: readonly number[],
  to: readonly number[],
  before: readonly ByteRange[],
  found: ByteRange[][],
): void {
  const [low, ...lowRest] = from as [number, ...number[]];
  const [high, ...highRest] = to as [number, ...number[]];
  if (lowRest.length === 0) {
    found.push([...before, [low, high]]);
    return;
  }
  if (low === high) {
    split(lowRest, highRest, [...before, [low, low]], found);
    return;
  }
  let start = low;
  let end = high;
  if (lowRest.some((byte) => byte !== lowest)) {
    split(
      lowRest,
      lowRest.map(() => highest),
      [...before, [low, low]],
      found,
    );
    start++;
  }
  if (highRest.some((byte) => byte !== highest)) {
    split(
      highRest.map(() => lowest),
      highRest,
      [...before, [high, high]],
      found,
    );
    end--;
  }
  if (start <= end) found.push([...before, [start, end], ...lowRest.map((): ByteRange => [lowest, highest])]);
}
