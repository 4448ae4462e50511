import { z } from "zod";
import { type Share, schedule } from "./planner.js";

/** Request level: a group of requests runs from first to last token before the next group begins. Batching as it was before
 *  continuous batching.
 *  Takes    rows wanted by each sequence
 *  Does     when nothing runs: admits as many as there are seats; then all rows that they want, prompts whole, until all are done
 *  Cost     short answers wait for the longest of their group, and whoever comes meanwhile waits for all
 *  Not      whole-prefill (new prompts join between passes) */
export const requestLevel = schedule({
  name: "request-level",
  title: "Groups of requests, each to its end",
  options: z.object({}),
  planner: () => (pass) => {
    const shares: Share[] = pass.running.map(({ id, rows }) => ({ id, rows }));
    if (shares.length > 0) return shares;
    for (const { id } of pass.waiting.slice(0, pass.seats)) {
      const admitted = pass.admit(id);
      if (admitted === undefined) break;
      shares.push({ id, rows: admitted.rows });
    }
    return shares;
  },
});
