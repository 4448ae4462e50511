/** Finds the largest of many weights without sorting them all. Of equal weights the one of the lower token counts as larger. */

/** The tokens of the `count` largest values, largest first. -Infinity is never taken. */
export function largest(values: Float32Array, count: number): Int32Array {
  const heap = new Int32Array(Math.min(count, values.length));
  let size = 0;
  let least = Number.NEGATIVE_INFINITY;

  // The root is the smallest of those kept.
  const isSmaller = (a: number, b: number) => values[a]! < values[b]! || (values[a]! === values[b]! && a > b);
  const sink = (token: number, from: number, limit: number) => {
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= limit) break;
      if (child + 1 < limit && isSmaller(heap[child + 1]!, heap[child]!)) child++;
      if (!isSmaller(heap[child]!, token)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = token;
  };

  for (let token = 0; token < values.length; token++) {
    const value = values[token]!;
    if (value <= least) continue;
    if (size < heap.length) {
      if (value === Number.NEGATIVE_INFINITY) continue;
      heap[size++] = token;
      if (size === heap.length) {
        for (let at = (size >> 1) - 1; at >= 0; at--) sink(heap[at]!, at, size);
        least = values[heap[0]!]!;
      }
    } else {
      sink(token, 0, size);
      least = values[heap[0]!]!;
    }
  }
  const sorted = heap.slice(0, size);
  return sorted.sort((a, b) => values[b]! - values[a]! || a - b);
}

/** Moves the fewest tokens that together weigh at least `share` of `total` to the front of `tokens`, largest weights only, and
 *  returns how many they are. Expected time grows with the number of tokens, not faster. */
export function nucleus(tokens: Int32Array, weights: Float32Array, share: number, total: number): number {
  return partition(tokens, weights, share * total, (token) => weights[token]!);
}

/** The same for a number of tokens. */
export function largestFew(tokens: Int32Array, weights: Float32Array, count: number): number {
  return count >= tokens.length ? tokens.length : partition(tokens, weights, count, () => 1);
}

/** Quickselect by weight: parts that lie wholly inside or outside are never looked at again. */
function partition(
  tokens: Int32Array,
  weights: Float32Array,
  wanted: number,
  worth: (token: number) => number,
): number {
  const isLarger = (a: number, b: number) => weights[a]! > weights[b]! || (weights[a]! === weights[b]! && a < b);
  let from = 0;
  let to = tokens.length;
  let held = 0;
  while (to - from > 1) {
    const pivot = medianOfThree(tokens[from]!, tokens[(from + to) >> 1]!, tokens[to - 1]!, isLarger);
    let edge = from;
    let worthOfLarger = 0;
    let pivotAt = from;
    for (let at = from; at < to; at++) {
      const token = tokens[at]!;
      if (token === pivot) pivotAt = at;
      if (!isLarger(token, pivot)) continue;
      worthOfLarger += worth(token);
      if (pivotAt === edge) pivotAt = at;
      tokens[at] = tokens[edge]!;
      tokens[edge] = token;
      edge++;
    }
    tokens[pivotAt] = tokens[edge]!;
    tokens[edge] = pivot;
    if (held + worthOfLarger >= wanted && edge > from) {
      to = edge;
    } else if (held + worthOfLarger + worth(pivot) >= wanted) {
      return edge + 1;
    } else {
      held += worthOfLarger + worth(pivot);
      from = edge + 1;
    }
  }
  return Math.min(from + 1, tokens.length);
}

function medianOfThree(a: number, b: number, c: number, isLarger: (a: number, b: number) => boolean): number {
  const [high, low] = isLarger(a, b) ? [a, b] : [b, a];
  if (isLarger(c, high)) return high;
  return isLarger(c, low) ? c : low;
}
