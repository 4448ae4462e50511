import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitCitations } from "./citations.js";

describe("splitCitations", () => {
  it("takes numbers that name evidence, with the blank before them", () => {
    expect(splitCitations("It stays [1], they say [2, 3][1].", [1, 2, 3])).toEqual([
      { text: "It stays" },
      { cites: [1] },
      { text: ", they say" },
      { cites: [2, 3] },
      { cites: [1] },
      { text: "." },
    ]);
  });

  it("leaves other brackets as they are", () => {
    const text = "a[0] b[4] [x] [ 1";
    expect(splitCitations(text, [1, 2, 3])).toEqual([{ text }]);
  });

  it("loses no text", () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.nat(5)), (text, known) => {
        const back = splitCitations(text, known)
          .map((piece) => ("text" in piece ? piece.text : ""))
          .join("");
        expect(text.replace(/\s?\[\d{1,3}(\s*,\s*\d{1,3})*\]/g, "")).toBe(
          back.replace(/\s?\[\d{1,3}(\s*,\s*\d{1,3})*\]/g, ""),
        );
      }),
    );
  });
});
