import { QuireError } from "../../errors.js";

/** Keys as whole numbers in two planes: high bits, which are read first, and low bits, which are read when they are needed. One row is
 *  one key of one KV head, with a scale of its own. */

export interface BitPlanes {
  readonly high: Int16Array;
  readonly low: Int16Array;
  readonly scale: number;
  readonly lowBits: number;
}

export function toBitPlanes(row: ArrayLike<number>, highBits: number, lowBits: number): BitPlanes {
  if (!(highBits >= 2 && lowBits >= 0 && highBits + lowBits <= 16)) {
    throw new QuireError("bad-option", "Keys cannot be split into these planes.", {
      got: `${highBits} + ${lowBits} bits`,
      expected: "at least 2 high bits and at most 16 in all",
    });
  }
  const most = 2 ** (highBits + lowBits - 1) - 1;
  let largest = 0;
  for (let d = 0; d < row.length; d++) largest = Math.max(largest, Math.abs(row[d] as number));
  const scale = largest / most;
  const high = new Int16Array(row.length);
  const low = new Int16Array(row.length);
  for (let d = 0; d < row.length; d++) {
    const whole = scale === 0 ? 0 : Math.max(-most, Math.min(most, Math.round((row[d] as number) / scale)));
    // Arithmetic shift: the low plane is never negative.
    high[d] = whole >> lowBits;
    low[d] = whole & (2 ** lowBits - 1);
  }
  return { high, low, scale, lowBits };
}

/** The high plane alone stands for the middle of what it may be. */
export function readHigh({ high, scale, lowBits }: BitPlanes): Float32Array {
  const middle = lowBits === 0 ? 0 : 2 ** (lowBits - 1);
  return Float32Array.from(high, (value) => ((value << lowBits) + middle) * scale);
}

export function readBoth({ high, low, scale, lowBits }: BitPlanes): Float32Array {
  return Float32Array.from(high, (value, d) => ((value << lowBits) + (low[d] as number)) * scale);
}
