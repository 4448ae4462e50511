import { createCipheriv, createHash, randomFillSync } from "node:crypto";
import { QuireError } from "../errors.js";

/** Integer noise with exact probabilities, from random bytes: discrete Laplace and discrete Gaussian of Canonne, Kamath and Steinke, and choice
 *  among candidates by the exponential mechanism. No probability is a rounded floating number, so the low bits of a result tell nothing.
 *  A draw of Bernoulli(p/q) compares 32 random bits with p/q in floating point and accepts only a clear answer; the rare unclear one
 *  is settled with further bits in whole numbers. */

/** Fills the array with random bytes. */
export type ByteSource = (into: Uint8Array) => void;

export const secureBytes: ByteSource = (into) => {
  randomFillSync(into);
};

/** The same bytes for the same seed: for tests and measurements only, whoever knows the seed can take the noise away. */
export function seededBytes(seed: number | string): ByteSource {
  const key = createHash("sha256").update(`discrete-noise ${seed}`).digest();
  const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  return (into) => {
    into.set(cipher.update(Buffer.alloc(into.length)));
  };
}

const word = 2 ** 32;
/** Far above the rounding of `chance`, and below what one word of bits can tell apart. */
const margin = 2 ** -36;

export class DiscreteNoise {
  private readonly buffer = new Uint32Array(2048);
  private readonly bytes = new Uint8Array(this.buffer.buffer);
  private next = this.buffer.length;

  constructor(private readonly source: ByteSource = secureBytes) {}

  /** Laplace with mean 0 over the integers: P(x) falls by e^(-1/scale) per step away from 0. */
  laplace({ numerator, denominator }: Ratio): number {
    for (;;) {
      const offset = this.below(numerator);
      if (!this.bernoulliExp(offset / numerator, offset, numerator)) continue;
      let turns = 0;
      while (this.bernoulliExp(1, 1, 1)) turns++;
      const value = Math.floor((offset + numerator * turns) / denominator);
      const negative = this.bits() % 2 === 1;
      if (!(negative && value === 0)) return negative ? -value : value;
    }
  }

  /** Gaussian with mean 0 over the integers, P(x) in proportion to exp(-x² / (2 · variance)). */
  gaussian({ numerator, denominator }: Ratio): number {
    const variance = numerator / denominator;
    const scale = Math.floor(Math.sqrt(variance)) + 1;
    for (;;) {
      const value = this.laplace({ numerator: scale, denominator: 1 });
      const middle = variance / scale;
      const distance = Math.abs(value) - middle;
      // (|y| - variance / scale)² / (2 · variance) in whole numbers, should the bits ask for it.
      const exact = (): [bigint, bigint] => {
        const [n, d, t] = [BigInt(numerator), BigInt(denominator), BigInt(scale)];
        const top = BigInt(Math.abs(value)) * t * d - n;
        return [top * top, 2n * n * d * t * t];
      };
      const power = (distance * distance) / (2 * variance);
      // A small difference of large numbers has few digits; whole numbers then decide from the start.
      const precise = Math.abs(distance) * 4096 > Math.abs(value) + middle;
      if (this.bernoulliExpOf(precise ? power : undefined, exact)) return value;
    }
  }

  /** One of the candidates with probability in proportion to exp(score · rate): tries a uniform one, accepts it by its distance from the best. */
  choose(scores: ArrayLike<number>, { numerator, denominator }: Ratio, skip?: ReadonlySet<number>): number {
    let best = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < scores.length; i++) if (!skip?.has(i)) best = Math.max(best, scores[i]!);
    for (;;) {
      const tried = this.below(scores.length);
      if (skip?.has(tried)) continue;
      const behind = best - scores[tried]!;
      const exact = (): [bigint, bigint] => [BigInt(behind) * BigInt(numerator), BigInt(denominator)];
      if (behind === 0 || this.bernoulliExpOf((behind * numerator) / denominator, exact)) return tried;
    }
  }

  /** Uniform in 0 .. limit - 1. */
  below(limit: number): number {
    if (limit <= word) {
      const accepted = word - (word % limit);
      for (;;) {
        const value = this.bits();
        if (value < accepted) return value % limit;
      }
    }
    const most = 2 ** 53;
    const accepted = most - (most % limit);
    for (;;) {
      const value = (this.bits() >>> 11) * word + this.bits();
      if (value < accepted) return value % limit;
    }
  }

  /** True with probability exp(-p/q), p/q any size. `power` is p/q rounded, undefined if not known to full precision. */
  private bernoulliExpOf(power: number | undefined, exact: () => [bigint, bigint]): boolean {
    let [p, q] = power === undefined ? exact() : [0n, 0n];
    const rounded = power ?? Number(p) / Number(q);
    // exp(-x) is a product of equal factors exp(-x/n) with x/n at most 1, whatever rounding did to x.
    const parts = Math.floor(rounded) + 1;
    const settle = (): [bigint, bigint] => {
      if (q === 0n) [p, q] = exact();
      return [p, q * BigInt(parts)];
    };
    for (let i = 0; i < parts; i++) if (!this.bernoulliExpUnit(rounded / parts, settle)) return false;
    return true;
  }

  private bernoulliExp(power: number, p: number, q: number): boolean {
    return this.bernoulliExpUnit(power, () => [BigInt(p), BigInt(q)]);
  }

  /** True with probability exp(-x), x = p/q at most 1: successes of Bernoulli(x/k), k = 1, 2, ... before the first failure are even in number. */
  private bernoulliExpUnit(power: number, exact: () => [bigint, bigint]): boolean {
    let k = 1;
    while (this.bernoulli(power / k, k, exact)) k++;
    return k % 2 === 1;
  }

  /** True with probability p / (q · k). `chance` is that number rounded. */
  private bernoulli(chance: number, k: number, exact: () => [bigint, bigint]): boolean {
    const bits = this.bits();
    if (bits + 1 <= chance * (1 - margin) * word) return true;
    if (bits >= chance * (1 + margin) * word) return false;
    const [p, rest] = exact();
    const q = rest * BigInt(k);
    let drawn = BigInt(bits);
    let whole = BigInt(word);
    for (;;) {
      if ((drawn + 1n) * q <= p * whole) return true;
      if (drawn * q >= p * whole) return false;
      drawn = drawn * BigInt(word) + BigInt(this.bits());
      whole *= BigInt(word);
    }
  }

  private bits(): number {
    if (this.next === this.buffer.length) {
      this.source(this.bytes);
      this.next = 0;
    }
    const value = this.buffer[this.next]!;
    // What was used is not left lying in memory.
    this.buffer[this.next++] = 0;
    return value;
  }
}

export interface Ratio {
  readonly numerator: number;
  readonly denominator: number;
}

/** Beyond these the samplers' whole numbers would not be exact. */
const largestScale = 2 ** 46;
const largestVariance = 2 ** 52;

/** The wanted scale of Laplace noise as a ratio of whole numbers, rounded up: never less noise than promised. */
export function laplaceScale(wanted: number): Ratio {
  return roundedUp(wanted, largestScale);
}

/** The wanted variance of Gaussian noise, likewise. */
export function gaussianVariance(wanted: number): Ratio {
  return roundedUp(wanted, largestVariance);
}

function roundedUp(wanted: number, largest: number): Ratio {
  if (!(wanted > 0 && wanted <= largest / 2)) {
    throw new QuireError("bad-option", "The noise this budget asks for is out of range.", {
      got: wanted,
      expected: `above 0, at most ${largest / 2}`,
      fix: "Raise epsilon, shorten the horizon or lower the caps.",
    });
  }
  let denominator = 1024;
  while (denominator > 1 && wanted * denominator > largest / 2) denominator /= 2;
  return { numerator: Math.ceil(wanted * denominator * (1 + 1e-12)), denominator };
}

/** A rate of the exponential mechanism as a ratio, rounded down: never more telling than promised. */
export function roundedDown(wanted: number): Ratio {
  const denominator = 2 ** 40;
  const numerator = Math.floor(Math.min(wanted, 2 ** 12) * denominator * (1 - 1e-12));
  if (numerator < 1) {
    throw new QuireError("bad-option", "This budget is too small to choose by.", {
      got: wanted,
      fix: "Raise epsilon.",
    });
  }
  return { numerator, denominator };
}
