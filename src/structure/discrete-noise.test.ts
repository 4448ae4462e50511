import { describe, expect, it } from "vitest";
import { isQuireError } from "../errors.js";
import {
  DiscreteNoise,
  gaussianVariance,
  laplaceScale,
  type Ratio,
  roundedDown,
  secureBytes,
  seededBytes,
} from "./discrete-noise.js";

const draws = 1_000_000;

function moments(draw: () => number) {
  let sum = 0;
  let squares = 0;
  let fourth = 0;
  for (let i = 0; i < draws; i++) {
    const value = draw();
    sum += value;
    squares += value * value;
    fourth += value ** 4;
  }
  const variance = squares / draws;
  return {
    mean: sum / draws,
    variance,
    meanError: Math.sqrt(variance / draws),
    varianceError: Math.sqrt((fourth / draws - variance * variance) / draws),
  };
}

/** Probabilities from the definition, over a range that holds all but 1e-15. */
function exactVariance(weight: (x: number) => number, reach: number): number {
  let all = 0;
  let squares = 0;
  for (let x = -reach; x <= reach; x++) {
    all += weight(x);
    squares += x * x * weight(x);
  }
  return squares / all;
}

describe("discrete noise", () => {
  it.each<Ratio>([
    { numerator: 4, denominator: 1 },
    { numerator: 11, denominator: 3 },
    { numerator: 1, denominator: 2 },
  ])("Laplace of scale %o has its mean and variance", (ratio) => {
    const noise = new DiscreteNoise(seededBytes(`laplace ${ratio.numerator}`));
    const { mean, variance, meanError, varianceError } = moments(() => noise.laplace(ratio));
    const scale = ratio.numerator / ratio.denominator;
    const expected = exactVariance((x) => Math.exp(-Math.abs(x) / scale), Math.ceil(40 * scale));
    expect(Math.abs(mean)).toBeLessThan(3 * meanError);
    expect(Math.abs(variance - expected)).toBeLessThan(3 * varianceError);
  });

  it.each<Ratio>([
    { numerator: 1, denominator: 2 },
    { numerator: 7, denominator: 3 },
    { numerator: 400, denominator: 1 },
  ])("Gaussian of variance %o has its mean and variance", (ratio) => {
    const noise = new DiscreteNoise(seededBytes(`gaussian ${ratio.numerator}`));
    const { mean, variance, meanError, varianceError } = moments(() => noise.gaussian(ratio));
    const wanted = ratio.numerator / ratio.denominator;
    const expected = exactVariance((x) => Math.exp((-x * x) / (2 * wanted)), Math.ceil(12 * Math.sqrt(wanted)) + 12);
    expect(Math.abs(mean)).toBeLessThan(3 * meanError);
    expect(Math.abs(variance - expected)).toBeLessThan(3 * varianceError);
  });

  it("Gaussian frequencies fit the definition (chi square)", () => {
    const noise = new DiscreteNoise(seededBytes("frequencies"));
    const counts = new Array<number>(13).fill(0);
    for (let i = 0; i < 300_000; i++)
      counts[Math.min(6, Math.max(-6, noise.gaussian({ numerator: 4, denominator: 1 }))) + 6]!++;
    const weight = (x: number) => Math.exp((-x * x) / 8);
    const inner = Array.from({ length: 101 }, (_, i) => weight(i - 50)).reduce((a, b) => a + b);
    const chance = counts.map((_, i) => {
      const x = i - 6;
      if (Math.abs(x) < 6) return weight(x) / inner;
      return Array.from({ length: 45 }, (__, k) => weight(6 + k)).reduce((a, b) => a + b) / inner;
    });
    const chi = counts.reduce((sum, count, i) => sum + (count - 300_000 * chance[i]!) ** 2 / (300_000 * chance[i]!), 0);
    // 12 degrees of freedom: above 33 once in a thousand.
    expect(chi).toBeLessThan(33);
  });

  it("chooses in proportion to exp(rate · score), without the skipped", () => {
    const noise = new DiscreteNoise(seededBytes("choice"));
    const scores = [0, 1, 3, 10];
    const rate = { numerator: 1, denominator: 2 };
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 200_000; i++) counts[noise.choose(scores, rate, new Set([3]))]!++;
    const weights = [1, Math.exp(0.5), Math.exp(1.5)];
    const all = weights.reduce((a, b) => a + b);
    weights.forEach((weight, i) => {
      const chance = weight / all;
      expect(Math.abs(counts[i]! / 200_000 - chance)).toBeLessThan(4 * Math.sqrt((chance * (1 - chance)) / 200_000));
    });
    expect(counts[3]).toBe(0);
  });

  it("settles what one word of bits cannot in whole numbers", () => {
    // Words all 1, then random: 2^32 - 1 against a chance of exactly 1 is the unclear case; it must be taken as below.
    let words = 0;
    const random = seededBytes("rest");
    const noise = new DiscreteNoise((into) => {
      random(into);
      if (words++ === 0) into.fill(255, 0, 8);
    });
    expect(Number.isInteger(noise.laplace({ numerator: 3, denominator: 1 }))).toBe(true);
  });

  it("repeats with a seed and never with the secure source", () => {
    const take = (noise: DiscreteNoise) =>
      Array.from({ length: 50 }, () => noise.gaussian({ numerator: 10_000, denominator: 1 }));
    expect(take(new DiscreteNoise(seededBytes(7)))).toEqual(take(new DiscreteNoise(seededBytes(7))));
    expect(take(new DiscreteNoise(seededBytes(7)))).not.toEqual(take(new DiscreteNoise(seededBytes(8))));
    expect(take(new DiscreteNoise(secureBytes))).not.toEqual(take(new DiscreteNoise(secureBytes)));
  });

  it("rounds scales up and rates down, and refuses what cannot be exact", () => {
    for (const wanted of [0.001, 1 / 3, 11, 314.8451532989838, 1e9]) {
      for (const { numerator, denominator } of [laplaceScale(wanted), gaussianVariance(wanted)]) {
        expect(numerator / denominator).toBeGreaterThanOrEqual(wanted);
        expect(numerator / denominator).toBeLessThan(wanted * (1 + 1e-6) + 1 / 1000);
      }
      const rate = roundedDown(Math.min(1, wanted));
      expect(rate.numerator / rate.denominator).toBeLessThanOrEqual(Math.min(1, wanted));
    }
    for (const run of [
      () => laplaceScale(0),
      () => laplaceScale(1e15),
      () => gaussianVariance(Number.NaN),
      () => roundedDown(1e-15),
    ]) {
      try {
        run();
        expect.unreachable();
      } catch (error) {
        expect(isQuireError(error) && error.code).toBe("bad-option");
      }
    }
  });
});
