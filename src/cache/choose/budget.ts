import { QuireError } from "../../errors.js";

/** From what the user said to a number of entries per layer and KV head. */

/** A share becomes a number once, from `tokens`, and is raised to `least`, so that short prompts work; the share 1 keeps everything,
 *  however long the text grows. A number stays what it is. */
export function entriesOf(budget: number, tokens: number, least: number): number {
  if (budget === 1) return Number.POSITIVE_INFINITY;
  return budget > 1 ? budget : Math.max(Math.floor(budget * tokens), least);
}

/** Newest entries that stay: as asked for, but at most half the budget and at least one. */
export function windowOf(budget: number, recent: number): number {
  return Math.max(1, Math.min(recent, Math.floor(budget / 2)));
}

/** The smallest budget that holds the sinks, the window and one entry of choice. */
export function leastBudget(sinks: number, recent: number): number {
  return Math.max(2, Math.min(sinks + recent, 2 * sinks) + 1);
}

/** A budget given in entries can be judged before there is a prompt. */
export function mustHold(policy: string, budget: number, least: number, holds: string): void {
  if (budget === 1 || budget < 1 || budget >= least) return;
  throw new QuireError("bad-option", `${policy}: the budget is too small.`, {
    got: budget,
    expected: `at least ${least} entries (${holds}), or a share up to 1`,
  });
}
