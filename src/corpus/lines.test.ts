import fc from "fast-check";
import { expect, test } from "vitest";
import { textPositions, wholeIndex } from "./lines.js";

/** Texts of mixed alphabets: ASCII, two and three byte characters, pairs, lone halves, all line ends. */
const anyText = fc
  .array(fc.constantFrom("a", "bc", "é", "中", "😀", "\ud83d", "\ude00", "\n", "\r\n", "\r", " ", "x".repeat(300)), {
    maxLength: 60,
  })
  .map((parts) => parts.join(""));

test("bytes and indices agree with an encoder, at every character", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const positions = textPositions(text);
      expect(positions.byteLength).toBe(Buffer.byteLength(text));
      let index = 0;
      let byte = 0;
      for (const character of text) {
        expect(positions.byteOfIndex(index)).toBe(byte);
        expect(positions.indexOfByte(byte)).toBe(index);
        const length = Buffer.byteLength(character);
        for (let inside = 1; inside < length; inside++) expect(positions.indexOfByte(byte + inside)).toBe(index);
        index += character.length;
        byte += length;
      }
      expect(positions.byteOfIndex(text.length)).toBe(byte);
      expect(positions.indexOfByte(byte)).toBe(text.length);
    }),
    { numRuns: 300 },
  );
});

test("lines agree with splitting at newlines", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const positions = textPositions(text);
      const lines = text.split("\n");
      if (lines.length > 1 && lines.at(-1) === "") lines.pop();
      expect(positions.lineCount).toBe(lines.length);
      let index = 0;
      for (const [i, line] of lines.entries()) {
        expect(positions.indexOfLine(i + 1)).toBe(index);
        for (const at of [index, index + Math.floor(line.length / 2), index + line.length]) {
          expect(positions.lineOfIndex(at)).toBe(i + 1);
        }
        index += line.length + 1;
      }
    }),
    { numRuns: 300 },
  );
});

test("slices by bytes and touched lines", () => {
  const text = "ab\r\n😀é\nlast";
  const positions = textPositions(text);
  const at = Buffer.byteLength("ab\r\n");
  expect(positions.slice(at, at + 4)).toBe("😀");
  expect(positions.linesOfBytes(0, at)).toEqual({ startLine: 1, endLine: 1 });
  expect(positions.linesOfBytes(at, positions.byteLength)).toEqual({ startLine: 2, endLine: 3 });
  expect(textPositions("").linesOfBytes(0, 0)).toEqual({ startLine: 1, endLine: 1 });
  expect(wholeIndex("a😀", 2)).toBe(1);
  expect(wholeIndex("a😀", 3)).toBe(3);
});
