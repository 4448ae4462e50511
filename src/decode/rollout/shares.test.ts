import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { repeats } from "./repeats.js";
import { evenShares, likelihoodWeights, pathsToCome, weightedShares } from "./shares.js";

describe("paths to come", () => {
  it("doubles until the width is reached", () => {
    const counts = [2];
    for (let step = 0; step < 4; step++)
      counts.push(pathsToCome({ width: 16, done: 0, ended: 0, deeper: counts.at(-1) as number, branch: 2 }));
    expect(counts).toEqual([2, 4, 8, 16, 16]);
  });

  it("gives the branches of those that ended to the others", () => {
    const total = pathsToCome({ width: 8, done: 1, ended: 1, deeper: 3, branch: 2 });
    expect(total).toBe(7);
    expect(evenShares(total, 3)).toEqual([2, 2, 3]);
  });

  it("lets every survivor go on, and never leads beyond the width", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (width, branch, ends) => {
          let live = Math.min(branch, width);
          let done = 0;
          for (const end of ends) {
            const ended = end % (live + 1);
            done += ended;
            const deeper = live - ended;
            if (deeper === 0) return;
            const total = pathsToCome({ width, done, ended, deeper, branch });
            expect(total).toBeGreaterThanOrEqual(deeper);
            expect(done + total).toBeLessThanOrEqual(width);
            live = total;
          }
        },
      ),
    );
  });
});

describe("shares", () => {
  it.each([
    [6, [2, 2, 2]],
    [7, [3, 2, 2]],
    [3, [1, 1, 1]],
  ])("%i by weights .5, .3, .2", (total, expected) => {
    expect(weightedShares(total, [0.5, 0.3, 0.2])).toEqual(expected);
  });

  it("cannot give less than one each", () => {
    expect(() => weightedShares(2, [0.5, 0.3, 0.2])).toThrow(/2 copies cannot be shared among 3 paths/);
    expect(() => evenShares(2, 3)).toThrow(/cannot be shared/);
    expect(() => evenShares(2, 0)).toThrow(/cannot be shared/);
  });

  it("add up, whatever the weights", () => {
    const weights = fc.array(fc.double({ min: 1e-6, max: 1, noNaN: true }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(weights, fc.nat(40), (given, more) => {
        const total = given.length + more;
        for (const shares of [weightedShares(total, given), evenShares(total, given.length)]) {
          expect(shares.reduce((a, b) => a + b, 0)).toBe(total);
          expect(Math.min(...shares)).toBeGreaterThanOrEqual(1);
        }
      }),
    );
  });

  it("favours likely or unlikely paths", () => {
    const [low = 0, high = 0] = likelihoodWeights([-3, -1], { favour: "likely", spread: 2 });
    expect(high / low).toBeCloseTo(Math.E, 10);
    const [first = 0, second = 0] = likelihoodWeights([-3, -1], { favour: "unlikely", spread: 2 });
    expect(first / second).toBeCloseTo(Math.E, 10);
    expect(likelihoodWeights([-5000, -1], { favour: "likely", spread: 0.01 })).toEqual([0, 1]);
  });
});

describe("repeats", () => {
  it("counts overlaps", () => {
    expect(repeats("a".repeat(38))).toBe(false);
    expect(repeats("a".repeat(39))).toBe(true);
  });

  it("finds a sentence that comes 8 times, wherever it begins", () => {
    const sentence = "This sentence is forty-two characters long";
    expect(repeats(`Something else. ${`${sentence}. `.repeat(8)}`)).toBe(true);
    expect(repeats(`Something else. ${`${sentence}. `.repeat(7)}`)).toBe(false);
  });

  it("looks at the end only", () => {
    const other = Array.from({ length: 200 }, (_, i) => String(i * 7919)).join(" ");
    expect(repeats("a".repeat(200) + other)).toBe(false);
    expect(repeats("a".repeat(200) + other, 200 + other.length)).toBe(true);
  });
});
