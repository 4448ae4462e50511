import { expect, test } from "vitest";
import { textPositions } from "./lines.js";
import { sourceLines, sourcePages } from "./source-lines.js";

const positions = textPositions("one\ntwo\nthree\n");
const sourceMap = [
  { startByte: 0, endByte: 3, startLine: 10, endLine: 10, page: 1 },
  { startByte: 4, endByte: 7, startLine: 12, endLine: 13, page: 2 },
  { startByte: 8, endByte: 13, startLine: 20, endLine: 20, page: 4 },
];

test("lines and pages of the spans that a passage touches, else the text's own lines", () => {
  expect(sourceLines({ sourceMap }, positions, 1, 5)).toEqual({ startLine: 10, endLine: 13 });
  expect(sourceLines({ sourceMap }, positions, 8, 14)).toEqual({ startLine: 20, endLine: 20 });
  expect(sourceLines({ sourceMap: [] }, positions, 4, 14)).toEqual({ startLine: 2, endLine: 3 });
  expect(sourceLines({ sourceMap }, positions, 3, 4)).toEqual({ startLine: 1, endLine: 1 });
  expect(sourcePages({ sourceMap }, 1, 14)).toEqual({ startPage: 1, endPage: 4 });
  expect(sourcePages({ sourceMap: [] }, 1, 14)).toBeUndefined();
});
