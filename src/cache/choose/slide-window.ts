import type { CacheShape, CacheView, Edit } from "../policy.js";
import { keepPerHead } from "./every-head.js";

/** For policies that choose once: holds the budget while text is written by dropping what has just left the window of the newest
 *  entries. What was chosen stays. */
export function slideWindow(
  shape: CacheShape,
  view: CacheView,
  { limit, newest }: { limit: number; newest: number },
): Edit[] {
  return keepPerHead(shape, view, ({ slots }) => {
    const excess = slots.length - limit;
    if (excess <= 0) return undefined;
    const kept = new Int32Array(limit);
    kept.set(slots.subarray(0, limit - newest));
    kept.set(slots.subarray(slots.length - newest), limit - newest);
    return kept;
  });
}
