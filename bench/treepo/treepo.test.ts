import { describe, expect, it } from "vitest";
import { distinctShare, editDistance, meanPairDistance } from "./diversity.js";
import { questions } from "./questions.js";

describe("diversity", () => {
  it("is of pairs, by the longer one's length", () => {
    expect(editDistance([1, 2, 3], [1, 3, 4])).toBe(2);
    expect(editDistance([], [1, 2])).toBe(2);
    expect(
      meanPairDistance([
        [1, 2],
        [1, 2],
        [3, 4],
      ]),
    ).toBeCloseTo(2 / 3, 12);
    expect(
      meanPairDistance([
        [1, 2, 3, 4],
        [1, 2],
      ]),
    ).toBe(0.5);
    expect(meanPairDistance([[1]])).toBe(0);
    expect(
      distinctShare([
        [1, 2],
        [1, 2],
        [3, 4],
      ]),
    ).toBeCloseTo(2 / 3, 12);
  });
});

describe("questions", () => {
  it("are ten, and their patterns tell right from wrong", () => {
    expect(questions).toHaveLength(10);
    expect(questions[0]?.right.test("It is Paris.")).toBe(true);
    expect(questions[2]?.right.test("It is 112.")).toBe(false);
  });
});
