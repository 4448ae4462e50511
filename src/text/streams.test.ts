import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isQuireError } from "../errors.js";
import { detokenizer } from "./detokenizer.js";
import { stopStrings } from "./stop-strings.js";

/** Cuts bytes into "tokens" that know nothing of characters. */
function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const length = lengths.length === 0 ? 1 : lengths[i % lengths.length]!;
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

const lengths = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 8 });

describe("detokenizer", () => {
  test("pieces joined are the whole, and every piece of good text is whole characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), lengths, (text, sizes) => {
        const pieces = cut(new TextEncoder().encode(text), sizes);
        const stream = detokenizer({ bytes: (token) => pieces[token]! });
        const out = pieces.map((_, token) => stream.push(token));
        for (const piece of out) expect(text.includes("\ufffd") || !piece.includes("\ufffd")).toBe(true);
        for (const piece of out) expect(piece).toBe(Buffer.from(piece).toString());
        expect(out.join("") + stream.flush()).toBe(text);
      }),
    );
  });

  test("gives any bytes the text that decoding them at once gives", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), lengths, (bytes, sizes) => {
        const pieces = cut(bytes, sizes);
        const stream = detokenizer({ bytes: (token) => pieces[token]! });
        const out = pieces.map((_, token) => stream.push(token)).join("") + stream.flush();
        expect(out).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
      }),
    );
  });

  test("holds back half an emoji and gives it up at the end", () => {
    const bytes = new TextEncoder().encode("é👍");
    const stream = detokenizer({ bytes: (token) => bytes.subarray(token, token + 1) });
    expect([0, 1, 2, 3, 4].map((token) => stream.push(token))).toEqual(["", "é", "", "", ""]);
    expect(stream.flush()).toBe("\ufffd");
  });
});

/** One character at a time: the text ends as soon as what was read ends with a stop string. */
function plainly(text: string, stops: readonly string[]): { text: string; found: string | undefined } {
  for (let end = 1; end <= text.length; end++) {
    const read = text.slice(0, end);
    const ending = stops.filter((stop) => read.endsWith(stop)).sort((a, b) => b.length - a.length)[0];
    if (ending !== undefined) return { text: read.slice(0, -ending.length), found: ending };
  }
  return { text, found: undefined };
}

describe("stopStrings", () => {
  const letters = fc.constantFrom("a", "b", "c");
  const stopLists = fc.array(fc.string({ unit: letters, minLength: 1, maxLength: 4 }), { maxLength: 4 });

  test("cuts where reading letter by letter would, however the text comes in", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: letters, maxLength: 6 }), { maxLength: 12 }),
        stopLists,
        (pieces, stops) => {
          const stream = stopStrings(stops);
          let out = "";
          for (const piece of pieces) {
            out += stream.push(piece);
            // What was given out is final: it must be a beginning of the right answer at all times.
            expect(plainly(pieces.join(""), stops).text.startsWith(out)).toBe(true);
          }
          out += stream.flush();
          expect({ text: out, found: stream.found }).toEqual(plainly(pieces.join(""), stops));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("holds back no more than needed", () => {
    const stream = stopStrings(["</end>"]);
    expect(stream.push("text </e")).toBe("text ");
    expect(stream.push("m>")).toBe("</em>");
    expect(stream.push("</end")).toBe("");
    expect(stream.push("> more")).toBe("");
    expect(stream.found).toBe("</end>");
    expect(stream.push("more")).toBe("");
    expect(stream.flush()).toBe("");
  });

  test.each([[[""]], [["x".repeat(5000)]], [Array.from({ length: 65 }, String)]])("refuses unusable lists", (stops) => {
    expect(() => stopStrings(stops)).toThrow(expect.objectContaining({ code: "bad-option" }));
    try {
      stopStrings(stops);
    } catch (error) {
      expect(isQuireError(error)).toBe(true);
    }
  });
});
