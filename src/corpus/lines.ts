/** The one converter between UTF-8 bytes, UTF-16 indices (what JavaScript strings count in) and 1-based lines of a text.
 *  Built once per text; every question is a binary search. A line ends after "\n", as editors, grep and git count; "\r\n" is one
 *  such end. A position inside a character is taken as the character's start. */

export interface TextPositions {
  readonly text: string;
  readonly byteLength: number;
  /** At least 1: the empty text has one empty line, and a final "\n" begins no further line. */
  readonly lineCount: number;
  byteOfIndex(index: number): number;
  indexOfByte(byte: number): number;
  lineOfIndex(index: number): number;
  lineOfByte(byte: number): number;
  /** Index of the first character of a line. */
  indexOfLine(line: number): number;
  /** First and last line that a half-open byte range touches. */
  linesOfBytes(startByte: number, endByte: number): { startLine: number; endLine: number };
  slice(startByte: number, endByte: number): string;
}

/** UTF-16 units between two remembered byte offsets: the most that one question has to walk. */
const stride = 256;

export function textPositions(text: string): TextPositions {
  const byteLength = utf8Length(text);
  const ascii = byteLength === text.length;
  const marks = ascii ? undefined : waymarks(text);
  const lineStarts = findLineStarts(text);

  function byteOfIndex(index: number): number {
    const to = clamp(index, text.length);
    if (marks === undefined) return to;
    const mark = lastAtMost(marks.index, to);
    let byte = marks.byte[mark] ?? 0;
    for (let at = marks.index[mark] ?? 0; at < to; ) {
      const units = unitsAt(text, at);
      if (at + units > to) break;
      byte += bytesAt(text, at);
      at += units;
    }
    return byte;
  }

  function indexOfByte(byte: number): number {
    const to = clamp(byte, byteLength);
    if (marks === undefined) return to;
    const mark = lastAtMost(marks.byte, to);
    let at = marks.index[mark] ?? 0;
    for (let seen = marks.byte[mark] ?? 0; at < text.length; at += unitsAt(text, at)) {
      seen += bytesAt(text, at);
      if (seen > to) break;
    }
    return at;
  }

  const lineOfIndex = (index: number): number => lastAtMost(lineStarts, clamp(index, text.length)) + 1;

  return {
    text,
    byteLength,
    lineCount: lineStarts.length,
    byteOfIndex,
    indexOfByte,
    lineOfIndex,
    lineOfByte: (byte) => lineOfIndex(indexOfByte(byte)),
    indexOfLine: (line) => lineStarts[Math.max(0, Math.min(lineStarts.length, line) - 1)] ?? 0,
    linesOfBytes(startByte, endByte) {
      const start = indexOfByte(startByte);
      const startLine = lineOfIndex(start);
      return { startLine, endLine: Math.max(startLine, lineOfIndex(Math.max(start, indexOfByte(endByte) - 1))) };
    },
    slice: (startByte, endByte) => text.slice(indexOfByte(startByte), indexOfByte(endByte)),
  };
}

/** Pairs of index and byte offset of the same character, about `stride` apart. */
function waymarks(text: string): { index: Uint32Array; byte: Float64Array } {
  const index = new Uint32Array(Math.floor(text.length / stride) + 1);
  const byte = new Float64Array(index.length);
  let seen = 0;
  let mark = 1;
  for (let at = 0; at < text.length; ) {
    if (at >= mark * stride) {
      index[mark] = at;
      byte[mark++] = seen;
    }
    seen += bytesAt(text, at);
    at += unitsAt(text, at);
  }
  return { index: index.subarray(0, mark), byte: byte.subarray(0, mark) };
}

function findLineStarts(text: string): Uint32Array {
  let count = 1;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  if (text.endsWith("\n")) count--;
  const starts = new Uint32Array(count);
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && line < count; at = text.indexOf("\n", at + 1)) starts[line++] = at + 1;
  return starts;
}

/** Index of the last element that is at most `value`, in an ascending array whose first element is at most `value`. */
function lastAtMost(ascending: Float64Array | Uint32Array, value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((ascending[middle] ?? 0) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(most, value));
}

function isPair(text: string, at: number): boolean {
  const high = text.charCodeAt(at);
  if (high < 0xd800 || high > 0xdbff) return false;
  const low = text.charCodeAt(at + 1);
  return low >= 0xdc00 && low <= 0xdfff;
}

function unitsAt(text: string, at: number): 1 | 2 {
  return isPair(text, at) ? 2 : 1;
}

/** UTF-8 length of the character at `at`; half a pair counts as U+FFFD, as encoders write it. */
function bytesAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  return isPair(text, at) ? 4 : 3;
}

/** The index itself, or one less where it stands between the halves of a pair: cutting there would break a character. */
export function wholeIndex(text: string, index: number): number {
  return index > 0 && isPair(text, index - 1) ? index - 1 : index;
}

export function utf8Length(text: string): number {
  return Buffer.byteLength(text, "utf8");
}
