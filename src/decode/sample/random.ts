/** Random numbers by counting: a hash of seed, position, purpose and index. Nothing depends on how many numbers another row drew, so
 *  results are the same alone and in a batch. */

const purposes = { sample: 1, draft: 2, accept: 3, correct: 4, bonus: 5, branch: 6 } as const;

export type Purpose = keyof typeof purposes;

/** Uniform in [0, 1), 32 bits fine. */
export function uniform(seed: number, position: number, purpose: Purpose, index = 0): number {
  let hash = mix(seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0);
  hash = mix(hash, position);
  hash = mix(hash, purposes[purpose]);
  hash = mix(hash, index);
  return (hash >>> 0) / 2 ** 32;
}

/** One round of a hash in the manner of murmur3: multiply, rotate, and a final avalanche. */
function mix(hash: number, value: number): number {
  let k = Math.imul(value | 0, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  let h = hash ^ Math.imul(k, 0x1b873593);
  h = (h << 13) | (h >>> 19);
  h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
