/** Seeded random numbers for structure algorithms: xoshiro128**, its state filled by splitmix32. Same seed, same numbers, on every
 *  machine. Not for secrets: private counters draw from a cryptographic source. */

export interface SeededRandom {
  /** Uniform in [0, 2^32). */
  bits(): number;
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number;
  /** Uniform integer in [0, below), without bias; `below` up to 2^32. */
  below(below: number): number;
  /** Standard normal. */
  normal(): number;
  /** A uniform permutation of 0..into.length-1, written into `into`. */
  permutation(into: Int32Array): Int32Array;
}

export function seededRandom(seed: number): SeededRandom {
  let a = splitmix(seed >>> 0, 1);
  let b = splitmix(Math.floor(seed / 4294967296) >>> 0, 2) ^ a;
  let c = splitmix(a, 3);
  let d = splitmix(b, 4) | 1;

  const bits = (): number => {
    const scrambled = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return scrambled;
  };
  const uniform = (): number => ((bits() >>> 5) * 67108864 + (bits() >>> 6)) / 9007199254740992;
  const below = (limit: number): number => {
    const accepted = 4294967296 - (4294967296 % limit);
    for (;;) {
      const value = bits();
      if (value < accepted) return value % limit;
    }
  };
  return {
    bits,
    uniform,
    below,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    permutation(into) {
      for (let i = 0; i < into.length; i++) {
        const j = below(i + 1);
        into[i] = into[j]!;
        into[j] = i;
      }
      return into;
    },
  };
}

function rotateLeft(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

function splitmix(seed: number, round: number): number {
  let z = (seed + Math.imul(round, 0x9e3779b9)) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}
