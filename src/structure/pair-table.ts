/** Unordered pairs of numbers to small non-negative numbers, by open addressing in two typed arrays. Nothing is ever removed. */
export class PairTable {
  #keys: Float64Array;
  #values: Int32Array;
  #count = 0;

  constructor(expected = 16) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, expected * 1.6)));
    this.#keys = new Float64Array(capacity).fill(-1);
    this.#values = new Int32Array(capacity);
  }

  /** The value of the pair, or -1. */
  get(x: number, y: number): number {
    const slot = this.#slot(pairKey(x, y));
    return this.#keys[slot] === -1 ? -1 : this.#values[slot]!;
  }

  set(x: number, y: number, value: number): void {
    const key = pairKey(x, y);
    const slot = this.#slot(key);
    if (this.#keys[slot] === -1) {
      this.#keys[slot] = key;
      this.#count++;
    }
    this.#values[slot] = value;
    if (this.#count * 1.5 > this.#keys.length) this.#grow();
  }

  #slot(key: number): number {
    const mask = this.#keys.length - 1;
    let slot = hash(key) & mask;
    while (this.#keys[slot] !== -1 && this.#keys[slot] !== key) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Float64Array(2 * keys.length).fill(-1);
    this.#values = new Int32Array(2 * keys.length);
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === -1) continue;
      const slot = this.#slot(keys[i]!);
      this.#keys[slot] = keys[i]!;
      this.#values[slot] = values[i]!;
    }
  }
}

/** Exact for numbers below 2^26. */
function pairKey(x: number, y: number): number {
  return x < y ? x * 67108864 + y : y * 67108864 + x;
}

function hash(key: number): number {
  const high = Math.floor(key / 67108864);
  const low = key - high * 67108864;
  let h = Math.imul(high, 0x9e3779b1) ^ Math.imul(low, 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}
