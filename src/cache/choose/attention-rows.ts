import { QuireError } from "../../errors.js";
import type { EntryView } from "../policy.js";

/** Reading observed attention, f32 [G, rows, E]: G query heads of a KV head, `rows` newest queries, E entries. */

export interface ObservedRows {
  readonly rows: Float32Array;
  readonly rowCount: number;
  readonly groups: number;
}

export function rowsOf({ rows, rowCount, slots }: EntryView, policy: string): ObservedRows {
  if (rows === undefined || rowCount === undefined || rowCount === 0 || rows.length % (rowCount * slots.length) !== 0)
    throw new QuireError("unsupported", `${policy} needs attention rows, and was given none that fit its entries.`);
  return { rows, rowCount, groups: rows.length / (rowCount * slots.length) };
}

/** For the first `entries` entries, averaged over the query heads: mean over the newest `newest` queries, plus `gamma` times their
 *  unbiased variance. */
export function meanAndVariance(
  view: EntryView,
  { policy, newest, entries, gamma }: { policy: string; newest: number; entries: number; gamma: number },
): Float32Array {
  const { rows, rowCount, groups } = rowsOf(view, policy);
  const held = view.slots.length;
  const used = Math.min(newest, rowCount);
  const scores = new Float32Array(entries);
  for (let group = 0; group < groups; group++) {
    const first = (group * rowCount + rowCount - used) * held;
    // Deviations from the oldest row used: small variances survive, and equal rows have exactly none.
    const sums = new Float64Array(entries);
    const squares = new Float64Array(entries);
    for (let row = 1; row < used; row++) {
      const base = first + row * held;
      for (let entry = 0; entry < entries; entry++) {
        const deviation = (rows[base + entry] as number) - (rows[first + entry] as number);
        sums[entry] = (sums[entry] as number) + deviation;
        squares[entry] = (squares[entry] as number) + deviation * deviation;
      }
    }
    for (let entry = 0; entry < entries; entry++) {
      const shift = (sums[entry] as number) / used;
      const mean = (rows[first + entry] as number) + shift;
      const variance = used < 2 ? 0 : Math.max(0, ((squares[entry] as number) - used * shift * shift) / (used - 1));
      scores[entry] = (scores[entry] as number) + (mean + gamma * variance) / groups;
    }
  }
  return scores;
}

/** The one row of a step, for the first `entries` entries: mean or maximum over the query heads. */
export function stepWeights(
  view: EntryView,
  { policy, entries, reduce }: { policy: string; entries: number; reduce: "mean" | "max" },
): Float32Array {
  const { rows, rowCount, groups } = rowsOf(view, policy);
  const held = view.slots.length;
  const weights = new Float32Array(entries);
  for (let group = 0; group < groups; group++) {
    const base = ((group + 1) * rowCount - 1) * held;
    for (let entry = 0; entry < entries; entry++) {
      const weight = rows[base + entry] as number;
      const before = weights[entry] as number;
      weights[entry] = reduce === "max" ? Math.max(before, weight) : before + weight / groups;
    }
  }
  return weights;
}
