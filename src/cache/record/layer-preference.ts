/** CAKE's view of a layer: how widely it spreads its attention, and how much that moves from query to query. */

export interface Spread {
  /** Sum of -a ln a. */
  readonly entropy: number;
  /** Sum over entries of the unbiased variance over the queries. */
  readonly shift: number;
}

/** Rows f32 [G, rows, E] of a KV head: the newest `newest` of them, over the first `entries` entries. */
export function spreadOf(
  rows: Float32Array,
  { rowCount, held, newest, entries }: { rowCount: number; held: number; newest: number; entries: number },
): Spread {
  const used = Math.min(newest, rowCount);
  const groups = rows.length / (rowCount * held);
  let entropy = 0;
  let shift = 0;
  const sums = new Float64Array(entries);
  const squares = new Float64Array(entries);
  for (let group = 0; group < groups; group++) {
    const first = (group * rowCount + rowCount - used) * held;
    sums.fill(0);
    squares.fill(0);
    for (let row = 0; row < used; row++) {
      const base = first + row * held;
      for (let entry = 0; entry < entries; entry++) {
        const weight = rows[base + entry] as number;
        const deviation = weight - (rows[first + entry] as number);
        sums[entry] = (sums[entry] as number) + deviation;
        squares[entry] = (squares[entry] as number) + deviation * deviation;
        if (weight !== 0) entropy -= weight * Math.log(weight + 1e-10);
      }
    }
    if (used < 2) continue;
    for (let entry = 0; entry < entries; entry++) {
      const sum = sums[entry] as number;
      shift += Math.max(0, ((squares[entry] as number) - (sum * sum) / used) / (used - 1));
    }
  }
  return { entropy, shift };
}

export function preference({ entropy, shift }: Spread, tauEntropy: number, tauShift: number): number {
  return Math.max(0, entropy) ** (1 / tauEntropy) * shift ** (1 / tauShift);
}
