import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Pass } from "../api/contract.js";
import { promptParts, quantile, roundedUp, rowsOf, usersOf } from "./pass-window.js";

const pass = (decode_rows: number, slices: [string, number][]): Pass => ({
  at: 0,
  ms: 1,
  decode_rows,
  slices: slices.map(([user, rows], index) => ({ request: `r${index}`, user, rows })),
  waiting: 0,
  running: 0,
  cache_bytes: 0,
  cache_limit_bytes: 1,
});

describe("parts of a pass", () => {
  it("adds up the slices of a user and keeps all rows", () => {
    const one = pass(3, [
      ["b", 4],
      ["a", 5],
      ["b", 6],
    ]);
    const users = usersOf([one], []);
    expect(users).toEqual(["b", "a"]);
    expect(promptParts(one, users)).toEqual([
      { user: "b", rows: 10 },
      { user: "a", rows: 5 },
    ]);
    expect(rowsOf(one)).toBe(18);
  });

  it("keeps the users that were known", () => {
    const known = ["x"];
    expect(usersOf([pass(1, [])], known)).toBe(known);
    expect(usersOf([pass(1, [["a", 1]])], known)).toEqual(["x", "a"]);
  });
});

describe("quantile", () => {
  it("is a value that was there", () => {
    expect(quantile([], 0.5)).toBeUndefined();
    expect(quantile([3, 1, 2], 0.5)).toBe(2);
    expect(quantile([1, 2, 3, 4], 0.99)).toBe(4);
  });
});

describe("roundedUp", () => {
  it("is at least the number and at most half as much again", () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 1e7 }), (most) => {
        const top = roundedUp(most);
        expect(top).toBeGreaterThanOrEqual(most);
        expect(top).toBeLessThanOrEqual(most * 1.5);
      }),
    );
  });
});
