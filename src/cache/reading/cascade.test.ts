import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readBoth, readHigh, toBitPlanes } from "./bit-planes.js";
import { nextHeads, nextTokens } from "./cascade-step.js";
import { cascadeTargets, gpt2MediumTargets } from "./cascade-targets.js";
import { denseElements, stepReads } from "./memory-reads.js";

describe("reads of a step", () => {
  it("come to the released trace's tenth step", () => {
    const targets = gpt2MediumTargets(1003);
    const keys = [1003, 1003, 921, 819, 819, ...Array(6).fill(614), ...Array(13).fill(307)];
    const values = [307, 307, 276, 245, 245, ...Array(6).fill(184), ...Array(13).fill(92)];
    expect(targets.map(({ tokens }) => tokens)).toEqual(keys);
    expect(targets.map((target) => target.values)).toEqual(values);
    expect(targets.map(({ heads }) => heads)).toEqual([...Array(16).fill(16), ...Array(6).fill(13), 10, 10]);
    const reads = (refined: boolean) =>
      stepReads(
        targets.map((target) => ({
          tokens: target.tokens,
          liveHeads: target.heads,
          refinedHeads: refined ? target.heads : 0,
          valueRows: target.heads * target.values,
        })),
        64,
        { high: 8, low: 4, value: 8 },
      );
    expect(denseElements({ layers: 24, kvHeads: 16, headDim: 64 }, 1003)).toBe(49_299_456);
    expect(reads(true)).toEqual({ keyElements: 11_944_320, valueElements: 3_591_680, bits: 172_065_280 });
    expect(reads(false).bits).toBe(124_288_000);
  });
});

describe("cascade targets", () => {
  it("read everything at shares of 1, and fall to the last layer's share otherwise", () => {
    const shape = { layers: 30, queryHeads: 9 };
    for (const { tokens, heads, values } of cascadeTargets(shape, { tokenKeep: 1, headKeep: 1, valueKeep: 1 }, 500))
      expect([tokens, heads, values]).toEqual([500, 9, 500]);
    const targets = cascadeTargets(shape, { tokenKeep: 0.3, headKeep: 2 / 3, valueKeep: 0.3 }, 500);
    expect(targets.slice(0, 5).map(({ tokens }) => tokens)).toEqual(Array(5).fill(500));
    expect(targets.slice(0, 9).map(({ heads }) => heads)).toEqual(Array(9).fill(9));
    expect(targets.at(-1)).toEqual({ tokens: 150, heads: 6, values: 45 });
    for (const [layer, target] of targets.entries()) {
      expect(target.tokens).toBeLessThanOrEqual(targets[layer - 1]?.tokens ?? 500);
      expect(target.heads).toBeLessThanOrEqual(targets[layer - 1]?.heads ?? 9);
    }
    expect(cascadeTargets(shape, { tokenKeep: 0.01, headKeep: 1, valueKeep: 0.1 }, 9).at(-1)?.tokens).toBe(2);
  });

  it("choices are nested, of the size asked for, and hold the new token", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 2, maxLength: 40 }),
        fc.integer({ min: 1, max: 40 }),
        (importance, count) => {
          const all = Int32Array.from(importance.keys());
          const next = nextTokens(all, Float32Array.from(importance), count);
          expect(next).toHaveLength(Math.min(count, all.length));
          expect(next.at(-1)).toBe(all.length - 1);
          const later = nextTokens(next, Float32Array.from(importance), Math.ceil(count / 2));
          for (const index of later) expect(next).toContain(index);
        },
      ),
    );
    expect(Array.from(nextHeads(Int32Array.of(0, 2, 5), Float32Array.of(1, 9, 3, 9, 9, 2), 2))).toEqual([2, 5]);
  });
});

describe("bit planes", () => {
  it("together give every whole number back, alone its middle", () => {
    for (const [high, low] of [
      [8, 4],
      [4, 4],
      [6, 0],
      [2, 8],
    ] as const) {
      const most = 2 ** (high + low - 1) - 1;
      const row = Float32Array.from({ length: 2 * most + 1 }, (_, i) => i - most);
      const planes = toBitPlanes(row, high, low);
      expect(planes.scale).toBe(1);
      expect(Array.from(readBoth(planes))).toEqual(Array.from(row));
      for (const value of planes.low) expect(value).toBeGreaterThanOrEqual(0);
      const error = readHigh(planes).map((value, i) => Math.abs(value - (row[i] as number)));
      expect(Math.max(...error)).toBeLessThanOrEqual(low === 0 ? 0 : 2 ** (low - 1));
    }
  });

  it("round any row to half a unit, rows of zeros too", () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 64 }), (row) => {
        const planes = toBitPlanes(row, 8, 4);
        const both = readBoth(planes);
        for (const [d, value] of row.entries())
          expect(Math.abs((both[d] as number) - value)).toBeLessThanOrEqual(0.5001 * planes.scale + 1e-6);
      }),
    );
  });

  it.each([
    [1, 4],
    [8, -1],
    [12, 5],
    [Number.NaN, 4],
  ])("refuse %d + %d bits", (high, low) => {
    expect(() => toBitPlanes([1], high, low)).toThrow(/planes/);
  });
});

describe("refining", () => {
  it("matters for flat rows and hardly for peaked ones", () => {
    const moved = (p: number) => {
      const logit = Math.log(p / (1 - p)) + 0.1;
      return 1 / (1 + Math.exp(-logit)) - p;
    };
    expect(moved(0.99)).toBeLessThan(0.002);
    expect(moved(0.5)).toBeCloseTo(0.025, 3);
  });
});
