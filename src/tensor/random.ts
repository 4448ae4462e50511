import { QuireError } from "../errors.js";

/** Reproducible random numbers by counting (Philox 4x32-10): the n-th number of a stream is a function of seed, stream and n alone,
 *  so any part can be made again without what comes before it, and streams do not touch. */

const multipliers = [0xd2511f53, 0xcd9e8d57] as const;
const keySteps = [0x9e3779b9, 0xbb67ae85] as const;

/** High and low half of a 64-bit product. */
function product(a: number, b: number): [high: number, low: number] {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  const high = aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(other / 65536);
  return [high >>> 0, Math.imul(a, b) >>> 0];
}

/** Four random 32-bit numbers for a counter of four and a key of two. */
export function philox(counter: readonly [number, number, number, number], key: readonly [number, number]): number[] {
  let [a, b, c, d] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = product(multipliers[0], a);
    const [high1, low1] = product(multipliers[1], c);
    [a, b, c, d] = [(high1 ^ b ^ k0) >>> 0, low1, (high0 ^ d ^ k1) >>> 0, low0];
    k0 = (k0 + keySteps[0]) >>> 0;
    k1 = (k1 + keySteps[1]) >>> 0;
  }
  return [a, b, c, d];
}

export class RandomStream {
  readonly seed: number;
  readonly stream: number;
  #position: number;
  #block: number[] = [];
  #blockNumber = -1;

  /** Seed: a whole number of at least 0, up to 2⁵³. The stream is a number below 2³² or a text, such as a parameter's name. */
  constructor(seed: number, stream: number | string = 0, position = 0) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new QuireError("bad-option", "The seed cannot be used.", { got: seed, expected: "a whole number from 0" });
    }
    this.seed = seed;
    this.stream = typeof stream === "string" ? textHash(stream) : stream >>> 0;
    this.#position = position;
  }

  /** How many 32-bit numbers have been taken: give it to a new stream to go on from here. */
  get position(): number {
    return this.#position;
  }

  /** 32 random bits. */
  bits(): number {
    const number = Math.floor(this.#position / 4);
    if (number !== this.#blockNumber) {
      const counter = [number >>> 0, Math.floor(number / 2 ** 32), this.stream, 0] as const;
      this.#block = philox(counter, [this.seed >>> 0, Math.floor(this.seed / 2 ** 32)]);
      this.#blockNumber = number;
    }
    return this.#block[this.#position++ % 4] ?? 0;
  }

  /** Uniform in [0, 1), 32 bits fine. */
  uniform(): number {
    return this.bits() / 2 ** 32;
  }

  /** Whole number from 0 up to and without `below`. */
  below(below: number): number {
    if (!Number.isInteger(below) || below < 1 || below > 2 ** 32) {
      throw new QuireError("bad-option", "There is no number below.", { got: below, expected: "1 to 2^32" });
    }
    // Numbers from the incomplete last round would come too often.
    const limit = 2 ** 32 - (2 ** 32 % below);
    for (;;) {
      const bits = this.bits();
      if (bits < limit) return bits % below;
    }
  }

  /** Normal with mean 0 and deviation 1 (Box and Muller). Takes two numbers of the stream. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  shuffled<Item>(items: readonly Item[]): Item[] {
    const result = [...items];
    for (let last = result.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [result[last], result[other]] = [result[other] as Item, result[last] as Item];
    }
    return result;
  }

  uniformArray(length: number, low = 0, high = 1): Float32Array {
    return Float32Array.from({ length }, () => low + (high - low) * this.uniform());
  }

  normalArray(length: number, deviation = 1, mean = 0): Float32Array {
    return Float32Array.from({ length }, () => mean + deviation * this.normal());
  }
}

/** FNV-1a over the UTF-16 units. */
function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return hash;
}
