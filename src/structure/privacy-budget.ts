import { QuireError } from "../errors.js";

/** Privacy accounting. A mechanism with delta above 0 spends rho of zero-concentrated privacy, which adds up exactly and turns into
 *  (epsilon, delta) at the end; with delta 0, epsilon itself adds up. The ledger refuses what the total budget does not cover. */

export interface PrivacyBudget {
  readonly epsilon: number;
  /** 0: pure privacy with Laplace noise. */
  readonly delta: number;
}

export function checkBudget({ epsilon, delta }: PrivacyBudget): void {
  if (!(epsilon > 0 && epsilon <= 100)) {
    throw new QuireError("bad-option", "This epsilon promises nothing.", {
      got: epsilon,
      expected: "above 0, at most 100; 0.1 to 4 is usual",
    });
  }
  if (!(delta >= 0 && delta < 1e-2)) {
    throw new QuireError("bad-option", "This delta promises nothing.", {
      got: delta,
      expected: "0, or below 0.01 and below 1 / users",
    });
  }
}

/** rho such that rho-zCDP gives (epsilon, delta): (√(ε + ln 1/δ) - √(ln 1/δ))², written without cancellation. */
export function rhoOf({ epsilon, delta }: PrivacyBudget): number {
  const log = Math.log(1 / delta);
  return (epsilon / (Math.sqrt(epsilon + log) + Math.sqrt(log))) ** 2;
}

export function epsilonOf(rho: number, delta: number): number {
  return rho + 2 * Math.sqrt(rho * Math.log(1 / delta));
}

export interface LedgerEntry {
  readonly name: string;
  readonly epsilon: number;
  readonly delta: number;
  /** When it was spent, as the caller counts time. */
  readonly at: number;
}

/** What was spent so far out of a total (a year's, say). Make one anew from `entries` to go on after a restart. */
export class PrivacyLedger {
  readonly entries: LedgerEntry[] = [];

  constructor(
    readonly total: PrivacyBudget,
    entries: readonly LedgerEntry[] = [],
  ) {
    checkBudget(total);
    for (const entry of entries) {
      checkBudget(entry);
      if (typeof entry.name !== "string" || !Number.isFinite(entry.at)) {
        throw new QuireError("bad-file", "The privacy ledger has a damaged entry.", {
          got: entry,
          expected: "name, epsilon, delta, at",
        });
      }
      this.entries.push({ ...entry });
    }
  }

  /** (epsilon, delta) of everything spent so far, and what one more entry would make of it. */
  spent(more?: PrivacyBudget): PrivacyBudget {
    const all: PrivacyBudget[] = more ? [...this.entries, more] : this.entries;
    const pure = all.reduce((sum, { epsilon }) => sum + epsilon, 0);
    const delta = all.reduce((sum, entry) => sum + entry.delta, 0);
    if (this.total.delta === 0 || all.length <= 1) return { epsilon: pure, delta };
    const rho = all.reduce((sum, entry) => sum + (entry.delta > 0 ? rhoOf(entry) : entry.epsilon ** 2 / 2), 0);
    const concentrated = epsilonOf(rho, this.total.delta);
    return pure <= concentrated && delta <= this.total.delta
      ? { epsilon: pure, delta }
      : { epsilon: concentrated, delta: this.total.delta };
  }

  has(name: string): boolean {
    return this.entries.some((entry) => entry.name === name);
  }

  /** Books an entry, or refuses. */
  spend(entry: LedgerEntry): void {
    checkBudget(entry);
    if (this.has(entry.name)) {
      throw new QuireError("budget-exceeded", `"${entry.name}" has already spent its budget.`, {
        got: entry.name,
        fix: "Go on from its saved state, or wait for the next window.",
      });
    }
    const last = this.entries[this.entries.length - 1];
    if (last && entry.at < last.at) {
      throw new QuireError("bad-input", "The clock went backwards.", {
        got: entry.at,
        expected: `at least ${last.at}`,
      });
    }
    const after = this.spent(entry);
    if (after.epsilon > this.total.epsilon * (1 + 1e-12) || after.delta > this.total.delta * (1 + 1e-12)) {
      throw new QuireError("budget-exceeded", `The privacy budget does not cover "${entry.name}".`, {
        got: after,
        expected: this.total,
        fix: "Publish no more until the next budget, or ask for a smaller epsilon per window.",
      });
    }
    this.entries.push({ ...entry });
  }

  toJSON(): { total: PrivacyBudget; entries: readonly LedgerEntry[] } {
    return { total: this.total, entries: this.entries };
  }
}
