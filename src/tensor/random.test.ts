import { describe, expect, it } from "vitest";
import { philox, RandomStream } from "./random.js";

describe("philox", () => {
  it("gives the published numbers", () => {
    const hex = (numbers: number[]) => numbers.map((n) => n.toString(16).padStart(8, "0")).join(" ");
    expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
    const ones = 0xffffffff;
    expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toBe("408f276d 41c83b0e a20bc7c6 6d5451fd");
    expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    );
  });
});

describe("RandomStream", () => {
  it("is the same for the same seed and stream, from any position", () => {
    const all = new RandomStream(7, "weights").uniformArray(20);
    expect(new RandomStream(7, "weights").uniformArray(20)).toEqual(all);
    expect(new RandomStream(7, "weights", 5).uniformArray(15)).toEqual(all.slice(5));
    expect(new RandomStream(7, "other").uniformArray(20)).not.toEqual(all);
    expect(new RandomStream(8, "weights").uniformArray(20)).not.toEqual(all);
    expect(new RandomStream(2 ** 40 + 7, "weights").uniformArray(20)).not.toEqual(all);
  });

  it("has the moments it should have", () => {
    const moments = (values: Float32Array) => {
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      return { mean, variance: values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length };
    };
    const normal = moments(new RandomStream(1).normalArray(50_000, 2, 3));
    expect(normal.mean).toBeCloseTo(3, 1);
    expect(normal.variance).toBeCloseTo(4, 0);
    const uniform = moments(new RandomStream(1).uniformArray(50_000, -1, 1));
    expect(uniform.mean).toBeCloseTo(0, 1);
    expect(uniform.variance).toBeCloseTo(1 / 3, 1);
    const counts = [0, 0, 0, 0, 0];
    const stream = new RandomStream(3);
    for (let draw = 0; draw < 10_000; draw++) counts[stream.below(5)]!++;
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(200);
  });

  it("shuffles without loss, and refuses bad seeds", () => {
    const items = Array.from({ length: 50 }, (_, i) => i);
    const shuffled = new RandomStream(1).shuffled(items);
    expect(shuffled).not.toEqual(items);
    expect(shuffled.toSorted((a, b) => a - b)).toEqual(items);
    expect(() => new RandomStream(-1)).toThrow(/seed/);
    expect(() => new RandomStream(1).below(0)).toThrow(/no number/);
  });
});
