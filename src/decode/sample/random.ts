/** Random numbers by counter: a number follows from the seed and from what it is for, and from nothing else. However sequences are
 *  batched, sliced or resumed, the same token of the same sequence meets the same number. */

export type RandomPurpose = "draw" | "draft" | "accept" | "correct" | "bonus" | "branch";

const purposes = { draw: 1, draft: 2, accept: 3, correct: 4, bonus: 5, branch: 6 } as const satisfies Record<
  RandomPurpose,
  number
>;

/** Uniform in [0, 1), 53 bits. `seed` is any safe integer. */
export function uniform(seed: number, position: number, purpose: RandomPurpose, index = 0): number {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  let a = mixed(low ^ 0x243f6a88);
  let b = mixed(high ^ 0x85a308d3 ^ a);
  for (const word of [position, purposes[purpose], index]) {
    a = mixed((a + Math.imul(word, 0x9e3779b1) + 0x7f4a7c15) | 0);
    b = mixed(b ^ a ^ Math.imul(word, 0x85ebca77));
  }
  a = mixed(a ^ b);
  b = mixed((b + a) | 0);
  return ((a >>> 5) * 2 ** 26 + (b >>> 6)) / 2 ** 53;
}

/** Another seed, for a stream of its own beside those of `seed`. */
export function streamSeed(seed: number, stream: number): number {
  return Math.floor(uniform(seed, stream, "branch", -1) * 2 ** 47);
}

/** Every bit of the result depends on every bit given (a 32-bit bijection). */
function mixed(value: number): number {
  let bits = value;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
  return bits ^ (bits >>> 15);
}
