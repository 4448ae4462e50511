import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fillMask, packTexts } from "./pack-texts.js";

describe("packTexts", () => {
  test("each text once, none beyond the capacity, little room left", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 64 }), { maxLength: 200 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 64, max: 256 }), (given, capacity) => {
        const passes = packTexts(given, capacity);
        expect(passes.flatMap(({ texts }) => texts).sort((a, b) => a - b)).toEqual([...given.keys()]);
        for (const { texts, rows } of passes) {
          expect(rows).toBe(texts.reduce((sum, text) => sum + given[text]!, 0));
          expect(rows).toBeLessThanOrEqual(capacity);
        }
        // Two passes that fit into one would have been one.
        const sorted = passes.map(({ rows }) => rows).sort((a, b) => a - b);
        if (sorted.length >= 2) expect(sorted[0]! + sorted[1]!).toBeGreaterThan(capacity);
      }),
    );
  });

  test("a text as long as a pass has one of its own", () => {
    expect(packTexts([3, 8, 5], 8)).toEqual([
      { texts: [1], rows: 8 },
      { texts: [2, 0], rows: 8 },
    ]);
    expect(packTexts([], 8)).toEqual([]);
  });
});

test("fillMask lets each text see itself", () => {
  const mask = new Uint16Array(16);
  fillMask(mask, 4, [2, 1]);
  const no = 0xfc00;
  expect(Array.from(mask)).toEqual([0, 0, no, no, 0, 0, no, no, no, no, 0, no, no, no, no, no]);
});
