import type { Engine } from "../../src/engine/engine.js";
import { isQuireError } from "../../src/errors.js";
import { policyWith } from "./contenders.js";
import { type Outcome, runForced } from "./forced-run.js";
import type { ResultsSoFar } from "./results-so-far.js";
import type { Case } from "./tasks.js";

/** Runs every policy on every case at every budget; what was measured before is not measured again. */

export type Measured = Outcome | { readonly failed: string };

export interface CaseRun {
  readonly engine: Engine;
  readonly results: ResultsSoFar<Measured>;
  readonly policies: readonly string[];
  readonly budgets: readonly number[];
  /** Sequences in one pass: they read together, which is faster, and each keeps what its own policy says. */
  readonly together: number;
  progress(text: string): void;
}

export function keyOf(id: string, policy: string, budget: number): string {
  return policy === "full" ? `${id} | full` : `${id} | ${policy} | ${budget}`;
}

/** Entries per layer and KV head that a share of a case's length comes to. */
export function entriesOf(one: { readonly length: number }, budget: number): number {
  return Math.max(2, Math.floor(one.length * budget));
}

export async function runCases(cases: readonly Case[], run: CaseRun): Promise<void> {
  const { engine, results, policies, budgets, together, progress } = run;
  const jobs = cases.flatMap((one) =>
    policies.flatMap((policy) =>
      (policy === "full" ? [1] : budgets).map((budget) => ({
        one,
        policy,
        budget,
        key: keyOf(one.id, policy, budget),
      })),
    ),
  );
  const missing = jobs.filter(({ key }) => results.get(key) === undefined);
  if (missing.length < jobs.length) progress(`${jobs.length - missing.length} of ${jobs.length} runs were done before`);
  for (let start = 0; start < missing.length; start += together) {
    const batch = missing.slice(start, start + together);
    const outcomes = await Promise.all(
      batch.map(async ({ one, policy, budget, key }) => [key, await measured(engine, one, policy, budget)] as const),
    );
    await results.add(Object.fromEntries(outcomes));
    progress(`${start + batch.length} of ${missing.length} runs: ${batch.at(-1)?.key}`);
  }
}

async function measured(engine: Engine, one: Case, policy: string, budget: number): Promise<Measured> {
  try {
    return await runForced(engine, await policyWith(policy, entriesOf(one, budget), one.length), one);
  } catch (error) {
    if (!isQuireError(error) || error.code === "cancelled") throw error;
    return { failed: error.message };
  }
}
