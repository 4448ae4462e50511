import { random } from "../ask/random.js";
import type { Row } from "../lib/report.js";
import { mean, quantile, type Spread, single } from "../lib/statistics.js";
import type { Outcome } from "./forced-run.js";
import { entriesOf, keyOf, type Measured } from "./run-cases.js";
import { speedId } from "./speed.js";
import type { Case } from "./tasks.js";

/** From outcomes to the table: one row for each task, budget and policy. */

export interface Summary {
  readonly rows: Row[];
  readonly ratios: Record<string, number>;
  readonly notes: string[];
}

interface Source {
  readonly policies: readonly string[];
  readonly budgets: readonly number[];
  readonly seed: number;
  get(key: string): Measured | undefined;
}

export function summariseCases(cases: readonly Case[], source: Source): Summary {
  const rows: Row[] = [];
  const ratios: Record<string, number> = {};
  const failures = new Map<string, string>();
  const partial: string[] = [];
  for (const setting of new Set(cases.map((one) => one.setting))) {
    const planned = cases.filter((one) => one.setting === setting);
    for (const budget of [1, ...source.budgets]) {
      const own = measuredByAll(planned, budget, source);
      if (own.length < planned.length)
        partial.push(`${setting}, ${percent(budget)}: ${own.length} of ${planned.length} cases measured.`);
      if (own.length === 0) continue;
      const full = own.map((one) => outcome(source.get(keyOf(one.id, "full", 1))));
      for (const policy of source.policies) {
        if ((policy === "full") !== (budget === 1)) continue;
        const measured = own.map((one) => source.get(keyOf(one.id, policy, budget)));
        const outcomes = measured.map(outcome);
        if (!outcomes.every((one) => one !== undefined)) {
          const failed = measured.find((one) => one !== undefined && "failed" in one);
          if (failed !== undefined && "failed" in failed) failures.set(policy, failed.failed);
          continue;
        }
        const row = caseRow(own, outcomes, full, source.seed);
        rows.push({ setting: `${setting}, ${percent(budget)}`, contender: policy, measures: row });
        const key = `${own[0]?.task}:${percent(budget)}:${policy}`;
        if (row["excess"] !== undefined && policy !== "full") ratios[`excess:${key}`] = row["excess"].value;
        if (row["exact"] !== undefined) ratios[`exact:${key}`] = row["exact"].value;
      }
    }
  }
  const failed = [...failures].map(([policy, why]) => `${policy} did not run: ${why}`);
  return { rows, ratios, notes: [...partial, ...failed] };
}

/** Policies are compared on the same cases: those that all of them have been through at a budget, and the full cache too. */
function measuredByAll(cases: readonly Case[], budget: number, { policies, get }: Source): Case[] {
  return cases.filter(({ id }) =>
    policies.every((policy) => (policy === "full" || budget < 1 ? get(keyOf(id, policy, budget)) !== undefined : true)),
  );
}

function caseRow(
  cases: readonly Case[],
  outcomes: readonly Outcome[],
  full: readonly (Outcome | undefined)[],
  seed: number,
): Record<string, Spread> {
  const scored = outcomes.map(({ scored }) => scored);
  const nll = bootstrap(
    outcomes.map(({ nll }) => nll),
    seed,
    scored,
  );
  const measures: Record<string, Spread> = {
    entries: single(mean(outcomes.map(({ entries }) => entries))),
    megabytes: single(mean(outcomes.map(({ bytes }) => bytes)) / 1e6),
  };
  if (cases[0]?.task === "perplexity") {
    measures["perplexity"] = mapped(nll, Math.exp);
    if (full.every((one) => one !== undefined)) {
      const excess = outcomes.map((one, i) => one.nll - (full[i] as Outcome).nll);
      measures["excess"] = mapped(bootstrap(excess, seed, scored), (value) => 100 * Math.expm1(value));
    }
    return measures;
  }
  measures["nll"] = nll;
  const right = outcomes.flatMap((one) => one.right);
  const share = bootstrap(right, seed);
  measures["exact"] = mapped(share, (value) => 100 * value);
  return measures;
}

/** Mean and its 95 % interval over cases. */
function bootstrap(values: readonly number[], seed: number, weights: readonly number[] = values.map(() => 1)): Spread {
  const draw = random(seed);
  const weighted = (indices: readonly number[]) => {
    const total = indices.reduce((sum, i) => sum + (weights[i] as number), 0);
    return indices.reduce((sum, i) => sum + (weights[i] as number) * (values[i] as number), 0) / total;
  };
  const all = values.map((_, i) => i);
  const means = Array.from({ length: 1000 }, () => weighted(all.map(() => draw.below(values.length))));
  return { value: weighted(all), low: quantile(means, 0.025), high: quantile(means, 0.975), n: values.length };
}

export interface SpeedSource extends Source {
  readonly budget: number;
  readonly entryBytes: number;
}

/** Ratios are of processor time; a step's overhead is seen beside random, which holds as much and observes nothing. */
export function summariseSpeed(lengths: readonly number[], source: SpeedSource): Summary {
  const rows: Row[] = [];
  const ratios: Record<string, number> = {};
  const { budget, entryBytes } = source;
  for (const length of lengths) {
    const of = (policy: string) => outcome(source.get(keyOf(speedId(length), policy, budget)));
    const full = of("full");
    const blind = of("random");
    for (const policy of source.policies) {
      const one = of(policy);
      if (one === undefined) continue;
      const isFull = policy === "full";
      const allowed = (isFull ? length : entriesOf({ length }, budget)) * entryBytes;
      rows.push({
        setting: `speed, ${length} tokens read, ${isFull ? percent(1) : percent(budget)}`,
        contender: policy,
        measures: {
          entries: single(one.entries),
          megabytes: single(one.lateBytes / 1e6),
          peakMegabytes: single(one.peakBytes / 1e6),
          bytesPerBudget: single(one.lateBytes / allowed),
          tokensPerSecond: single(1000 / one.step.wallMs),
          stepCpu: single(one.step.cpuMs),
          promptCpu: single(one.prompt.cpuMs / 1000),
          ...(full === undefined
            ? {}
            : {
                decodeVsFull: single(full.step.cpuMs / one.step.cpuMs),
                prefillVsFull: single(one.prompt.cpuMs / full.prompt.cpuMs),
              }),
          ...(blind === undefined || isFull ? {} : { stepVsRandom: single(one.step.cpuMs / blind.step.cpuMs) }),
        },
      });
      if (isFull) continue;
      const at = `${Math.round(length / 1024)}k:${policy}`;
      ratios[`cacheBytesVsBudget:${at}`] = one.lateBytes / allowed;
      if (full !== undefined) {
        ratios[`decodeVsFull:${at}`] = full.step.cpuMs / one.step.cpuMs;
        ratios[`prefillVsFull:${at}`] = one.prompt.cpuMs / full.prompt.cpuMs;
      }
      if (blind !== undefined) ratios[`stepVsRandom:${at}`] = one.step.cpuMs / blind.step.cpuMs;
    }
  }
  return { rows, ratios, notes: [] };
}

export function percent(budget: number): string {
  return `${Math.round(budget * 1000) / 10} %`;
}

function outcome(measured: Measured | undefined): Outcome | undefined {
  return measured === undefined || "failed" in measured ? undefined : measured;
}

function mapped({ value, low, high, n }: Spread, change: (value: number) => number): Spread {
  return { value: change(value), low: change(low), high: change(high), n };
}
