import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { averagePool } from "./average-pool.js";
import { entriesOf, leastBudget, mustHold, windowOf } from "./budget.js";
import { keepTop, keepTopAndRest, lowest } from "./keep-top.js";

const scores = fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 40 });

describe("keepTop", () => {
  it("is a sort by score, later entries first among equals", () => {
    fc.assert(
      fc.property(scores, fc.integer({ min: 0, max: 45 }), (values, count) => {
        const plain = values
          .map((score, index) => ({ score, index }))
          .sort((a, b) => b.score - a.score || b.index - a.index)
          .slice(0, count)
          .map(({ index }) => index)
          .sort((a, b) => a - b);
        expect(Array.from(keepTop(Float32Array.from(values), count))).toEqual(plain);
      }),
    );
  });

  it("drops one by scanning as it would by sorting", () => {
    fc.assert(
      fc.property(scores, fc.integer({ min: 0, max: 5 }), (values, rest) => {
        fc.pre(values.length > 0);
        const slots = Int32Array.from({ length: values.length + rest }, (_, i) => 3 * i + 1);
        const sorted = keepTop(Float32Array.from(values), values.length - 1);
        const plain = [...Array.from(sorted, (i) => 3 * i + 1), ...slots.subarray(values.length)];
        expect(Array.from(keepTopAndRest(slots, Float32Array.from(values), values.length - 1))).toEqual(plain);
      }),
    );
  });

  it("keeps all when there is room, and knows infinities from nonsense", () => {
    const slots = Int32Array.of(4, 5, 6);
    expect(Array.from(keepTopAndRest(slots, Float32Array.of(1, 2), 9))).toEqual([4, 5, 6]);
    expect(Array.from(keepTop(Float32Array.of(Number.NEGATIVE_INFINITY, 0, Number.POSITIVE_INFINITY), 2))).toEqual([
      1, 2,
    ]);
    expect(() => keepTop(Float32Array.of(1, Number.NaN), 1)).toThrow(/not a number/);
    expect(lowest(Float32Array.of(2, 1, 1))).toBe(1);
  });
});

describe("averagePool", () => {
  it("divides by the kernel everywhere, so that the ends are damped", () => {
    expect(Array.from(averagePool(Float32Array.of(5, 5, 5, 5, 5), 5))).toEqual([3, 4, 5, 4, 3]);
    expect(Array.from(averagePool(Float32Array.of(0, 6, 0), 3))).toEqual([2, 2, 2]);
    expect(Array.from(averagePool(Float32Array.of(1, 2), 1))).toEqual([1, 2]);
    expect(averagePool(new Float32Array(0), 5)).toHaveLength(0);
  });
});

describe("budget", () => {
  it("floors a share once, keeps all at 1, takes numbers as they are", () => {
    expect(entriesOf(0.2, 1024, 2)).toBe(204);
    expect(entriesOf(0.2, 9, 6)).toBe(6);
    expect(entriesOf(1, 9, 6)).toBe(Number.POSITIVE_INFINITY);
    expect(entriesOf(512, 9, 6)).toBe(512);
  });

  it("narrows the window to half the budget, and never to nothing", () => {
    expect([windowOf(1024, 32), windowOf(20, 32), windowOf(3, 32), windowOf(2, 32)]).toEqual([32, 10, 1, 1]);
  });

  it("the least budget holds sinks, the window it gets and one more, and one less does not", () => {
    for (let sinks = 0; sinks < 6; sinks++) {
      for (let recent = 1; recent < 20; recent++) {
        const fits = (entries: number) => entries >= sinks + windowOf(entries, recent) + 1;
        const least = leastBudget(sinks, recent);
        expect(fits(least)).toBe(true);
        expect(fits(least - 1) && least - 1 >= 2).toBe(false);
      }
    }
    expect(() => mustHold("x", 9, 10, "things")).toThrow(/too small/);
    expect(() => mustHold("x", 10, 10, "things")).not.toThrow();
    expect(() => mustHold("x", 0.01, 10, "things")).not.toThrow();
  });
});
