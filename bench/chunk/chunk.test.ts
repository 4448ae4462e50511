import { describe, expect, it } from "vitest";
import { boundaryScores, glued, joinedProse } from "./boundaries.js";
import { documentedFunctions } from "./documented-functions.js";
import { firstTokens } from "./retrieval.js";

describe("boundary scores", () => {
  const starts = [0, 10, 20, 30, 40, 50, 60, 70];

  it("right cuts score 1, none score 0, a neighbour counts, each join once", () => {
    expect(boundaryScores(starts, [20, 50], [20, 50])).toEqual({ f1: 1, windowDiff: 0 });
    expect(boundaryScores(starts, [20, 50], []).f1).toBe(0);
    expect(boundaryScores(starts, [20, 50], [30, 40]).f1).toBe(1);
    expect(boundaryScores(starts, [20], [10, 20, 30]).f1).toBeCloseTo(0.5, 9);
    expect(boundaryScores(starts, [20], [70]).f1).toBe(0);
  });

  it("cuts within a unit count for the next one; wrong numbers of cuts raise WindowDiff", () => {
    expect(boundaryScores(starts, [40], [35]).f1).toBe(1);
    expect(boundaryScores(starts, [40], []).windowDiff).toBeGreaterThan(0.3);
    expect(boundaryScores(starts, [40], starts.slice(1)).windowDiff).toBe(1);
  });
});

describe("texts", () => {
  it("joins stand where parts begin", () => {
    const { text, joins } = glued("a", ["one", "two", "three"], " ");
    expect(joins.map((at) => text.slice(at))).toEqual(["two three", "three"]);
    const [first] = joinedProse(3, 2, 4);
    expect(first!.joins).toHaveLength(3);
    for (const at of first!.joins) expect(first!.text.slice(at - 2, at)).toMatch(/[.!?”"] /);
    expect(joinedProse(3, 2, 4)).toEqual(joinedProse(3, 2, 4));
  });

  it("functions lose the comments they are looked for by, and places are right", () => {
    const text = `/** A file. */\n\n/** Counts the words of a text, whatever the language may be. */\nexport function words(text: string) {\n  return text;\n}\n\nexport function other() {\n}\n`;
    const { files, questions } = documentedFunctions([{ path: "a.ts", text }], 5, 1);
    expect(questions).toHaveLength(1);
    expect(files[0]!.text).not.toContain("Counts the words");
    const [{ startByte, endByte } = {}] = questions[0]!.gold;
    expect(files[0]!.text.slice(startByte, endByte)).toBe("export function words(text: string) {\n  return text;\n}");
    expect(questions[0]!.question).toBe("Counts the words of a text, whatever the language may be.");
  });
});

it("shows chunks until the tokens are used up, the last in part", () => {
  const chunk = (text: string, startByte: number) => ({ text, startByte, endByte: startByte + text.length, uri: "a" });
  const chunks = [chunk("aaaaaaaaaa", 0), chunk("bbbbbbbbbb", 10), chunk("cc", 20)];
  const shown = firstTokens(chunks as never, { tokens: 15, countTokens: (text) => text.length });
  expect(shown.map(({ text, endByte }) => [text, endByte])).toEqual([
    ["aaaaaaaaaa", 10],
    ["bbbbb", 15],
  ]);
});
