import type { Planner, SequenceDemand, Share } from "./planner.js";

/** Stall-free: sequences that want a row or a few (decoding) always run, then slices of long requests (prompts) fill what the budget
 *  leaves, oldest first. A long prompt therefore never makes the others wait for more than one pass of `budget` rows. */
export function stallFree({ budget, small = 64 }: { budget: number; small?: number }): Planner {
  return {
    name: "stall-free",
    plan: (demands) => {
      const shares: Share[] = [];
      let left = budget;
      const isSmall = ({ rows, whole }: SequenceDemand) => whole || rows <= small;
      const byArrival = [...demands].sort((a, b) => a.arrival - b.arrival);
      for (const { id, rows } of byArrival.filter(isSmall)) {
        shares.push({ id, rows });
        left -= rows;
      }
      for (const { id, rows } of byArrival.filter((demand) => !isSmall(demand))) {
        // Something must move even when small requests alone take the whole budget.
        const slice = Math.min(rows, Math.max(left, shares.length === 0 ? 1 : 0));
        if (slice === 0) break;
        shares.push({ id, rows: slice });
        left -= slice;
      }
      return shares;
    },
  };
}
