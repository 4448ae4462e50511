import { QuireError } from "../errors.js";
import type { CallUsage } from "./language-model.js";
import type { ProgramLimits } from "./program.js";

/** The purse of a run. A call's worst case is reserved before it starts and its real cost booked afterwards, so calls that run
 *  at the same time can never spend the same tokens twice. */
export class Purse {
  private calls = 0;
  private tokens = 0;
  private reservedTokens = 0;
  private readonly startedMs = performance.now();

  constructor(private readonly limits: ProgramLimits) {
    for (const [name, value] of Object.entries(limits)) {
      if (value !== undefined && !(value >= 0)) {
        throw new QuireError("bad-option", `The limit "${name}" cannot be used.`, {
          got: value,
          expected: "a number of at least 0",
        });
      }
    }
  }

  /** Throws `budget-exceeded` where the worst case does not fit; nothing is reserved then. */
  reserve(worstTokens: number): Reservation {
    const { calls, tokens, seconds } = this.limits;
    if (calls !== undefined && this.calls + 1 > calls) throw exceeded("calls", this.calls + 1, calls);
    const wanted = this.tokens + this.reservedTokens + worstTokens;
    if (tokens !== undefined && wanted > tokens) throw exceeded("tokens", wanted, tokens);
    const elapsed = (performance.now() - this.startedMs) / 1000;
    if (seconds !== undefined && elapsed > seconds) throw exceeded("seconds", elapsed, seconds);
    this.calls += 1;
    this.reservedTokens += worstTokens;
    let open = true;
    return {
      settle: (usage) => {
        if (!open) return;
        open = false;
        this.reservedTokens -= worstTokens;
        if (usage !== undefined) this.tokens += usage.promptTokens + usage.completionTokens;
      },
    };
  }
}

export interface Reservation {
  /** Books the real cost. Without one the call failed: its tokens are given back, but it stays counted as a call. */
  settle(usage: CallUsage | undefined): void;
}

export function exceeded(what: keyof ProgramLimits, needed: number, limit: number): QuireError {
  const shown = what === "seconds" ? needed.toFixed(1) : needed;
  return new QuireError(
    "budget-exceeded",
    `The limit of ${limit} ${what} was reached (the next call needs ${shown}).`,
    {
      got: needed,
      expected: `at most ${limit} ${what}`,
      fix: `Raise the limit of ${what}, or give less to read.`,
    },
  );
}
