import { keepTop } from "../choose/keep-top.js";

/** One choice of SpAtten's cascade: from what a layer read, what the next one reads. */

/** Of the tokens read (indices, ascending, the new token last), the `count` most important; the new token always. */
export function nextTokens(read: Int32Array, importance: Float32Array, count: number): Int32Array {
  if (count >= read.length) return read;
  const older = read.subarray(0, -1);
  const chosen = keepTop(
    Float32Array.from(older, (index) => importance[index] as number),
    Math.max(0, count - 1),
  );
  return Int32Array.from([...Array.from(chosen, (i) => older[i] as number), read[read.length - 1] as number]);
}

/** Of the heads that were live, the `count` most important. */
export function nextHeads(live: Int32Array, importance: Float32Array, count: number): Int32Array {
  if (count >= live.length) return live;
  const chosen = keepTop(
    Float32Array.from(live, (head) => importance[head] as number),
    count,
  );
  return chosen.map((i) => live[i] as number);
}
