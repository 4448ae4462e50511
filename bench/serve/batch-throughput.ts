import { alternate } from "../lib/alternate.js";
import { startContender } from "../lib/contender.js";
import type { Check, Row } from "../lib/report.js";
import { pairedRatio, spread } from "../lib/statistics.js";
import type { BatchLoad, BatchResult, BatchTask } from "./batch-task.js";

/** Tokens a second with several users at once, beside node-llama-cpp with its own batching; each in a process of its own. */

export interface BatchOptions {
  readonly load: Omit<BatchLoad, "sequences">;
  readonly users: readonly number[];
  readonly prompts: readonly Int32Array[];
  readonly tokens: number;
  readonly rounds: number;
  progress(text: string): void;
}

export interface BatchFindings {
  readonly rows: Row[];
  readonly checks: Check[];
  readonly ratios: Record<string, number>;
  readonly versions: Record<string, string>;
}

const names = ["quire", "node-llama-cpp"] as const;

export async function batchThroughput(options: BatchOptions): Promise<BatchFindings> {
  const { users, tokens, rounds, progress } = options;
  const load: BatchLoad = { ...options.load, sequences: Math.max(...users) };
  const running = [];
  const findings: BatchFindings = { rows: [], checks: [], ratios: {}, versions: {} };
  try {
    for (const name of names) {
      const module = new URL(`./${name}.ts`, import.meta.url);
      running.push(await startContender<BatchLoad, BatchTask, BatchResult>({ name, module, load }));
    }
    Object.assign(findings.versions, ...running.map(({ versions }) => versions));
    for (const count of users) {
      progress(`${count} users at once`);
      const task = { prompts: options.prompts.slice(0, count), tokens };
      const results = await alternate({ contenders: running, task, rounds });
      const rates = names.map((name) => (results.get(name) ?? []).map(({ seconds }) => (count * tokens) / seconds));
      for (const [i, name] of names.entries())
        findings.rows.push({
          setting: `${count} users`,
          contender: name,
          measures: { outputPerSecond: spread(rates[i] ?? []) },
        });
      findings.ratios[`throughputVsNodeLlamaCpp${count}`] = pairedRatio(rates[0] ?? [], rates[1] ?? []);
      if (count === 8) findings.checks.push(equalCheck(results, count));
    }
    return findings;
  } finally {
    for (const contender of running) await contender.close();
  }
}

function equalCheck(results: ReadonlyMap<string, readonly BatchResult[]>, users: number): Check {
  const [ours, theirs] = names.map((name) => results.get(name)?.[0]?.tokens ?? []);
  const parted = (ours ?? []).map((own, i) => own.findIndex((token, at) => token !== theirs?.[i]?.[at]));
  const equal = parted.filter((at) => at < 0).length;
  const places = parted.filter((at) => at >= 0);
  return {
    name: `${users} users, greedy tokens`,
    // One near tie may fall the other way when rows are computed in other numbers.
    passed: equal >= users - 1,
    detail: `${equal} of ${users} texts equal to node-llama-cpp's${places.length > 0 ? `; different from token ${places.map((at) => at + 1).join(", ")} on` : ""}`,
  };
}
