import { PassCosts } from "../../src/engine/schedule/pass-costs.js";
import type { Check, Row } from "../lib/report.js";
import { type Spread, single } from "../lib/statistics.js";
import type { DrivenRecord } from "./drive.js";
import type { EngineRun, OpenedEngine } from "./engine-runner.js";
import { latencies, percentile, throughput } from "./latency.js";
import { type MixedWorkload, mixedRequests } from "./workload.js";

/** Chats and documents at once, by several schedules, on the same arrivals: what readers of chats notice of the documents. */

export interface MixedOptions {
  readonly load: MixedWorkload;
  readonly seeds: readonly number[];
  readonly schedules: readonly string[];
  readonly costs: PassCosts;
  readonly maxSequences: number;
  progress(text: string): void;
}

export interface MixedResult {
  readonly rows: Row[];
  readonly checks: Check[];
  readonly bySchedule: ReadonlyMap<string, MixedFigures>;
}

export interface MixedFigures {
  readonly p50Tbt: number;
  readonly p99Tbt: number;
  readonly maxTbt: number;
  readonly chatTtft: number;
  readonly documentTtft: number;
  readonly totalPerSecond: number;
  /** Times between tokens of chats, all of them. */
  readonly tbt: readonly number[];
}

export async function mixedLoad(engine: OpenedEngine, options: MixedOptions): Promise<MixedResult> {
  const { load, seeds, schedules, costs, maxSequences, progress } = options;
  const runs = new Map<string, EngineRun[]>(schedules.map((schedule) => [schedule, []]));
  for (const [round, seed] of seeds.entries()) {
    const requests = mixedRequests(engine.tokenizer, load, seed);
    // By turns from both ends, so that drift of the machine falls on all alike.
    for (const schedule of round % 2 === 0 ? schedules : [...schedules].reverse()) {
      progress(`mixed load, seed ${seed}: ${schedule}`);
      runs
        .get(schedule)
        ?.push(await engine.run(requests, { schedule, maxSequences, prefixSharing: false, costs: uncorrected(costs) }));
    }
  }
  const bySchedule = new Map([...runs].map(([schedule, own]) => [schedule, figuresOf(own)]));
  const setting = `${load.chats} chats (${load.chatPrompt} in, ${load.chatOutput} out), ${load.documents} documents of ${load.documentPrompt}`;
  return {
    rows: [...bySchedule].map(([contender, figures]) => ({ setting, contender, measures: measuresOf(figures) })),
    checks: [equalTexts(runs)],
    bySchedule,
  };
}

/** What was measured at first, without what later passes taught. */
export function uncorrected(costs: PassCosts): PassCosts {
  return new PassCosts(costs.points, costs.perKey);
}

function figuresOf(runs: readonly EngineRun[]): MixedFigures {
  const of = (kind: string) => runs.flatMap(({ records }) => records.filter((record) => record.kind === kind));
  const chats = latencies(of("chat"));
  const documents = latencies(of("document"));
  const rates = runs.map(({ records }) => throughput(records).totalPerSecond);
  return {
    p50Tbt: percentile(chats.tbt, 0.5),
    p99Tbt: percentile(chats.tbt, 0.99),
    maxTbt: Math.max(...chats.tbt),
    chatTtft: percentile(chats.ttft, 0.5),
    documentTtft: percentile(documents.ttft, 0.5),
    totalPerSecond: rates.reduce((sum, rate) => sum + rate, 0) / rates.length,
    tbt: chats.tbt,
  };
}

function measuresOf(figures: MixedFigures): Record<string, Spread> {
  const { tbt, ...shown } = figures;
  const measures = Object.fromEntries(Object.entries(shown).map(([name, value]) => [name, single(value)]));
  return { ...measures, p99Tbt: { ...single(figures.p99Tbt), n: tbt.length } };
}

/** Scheduling must change when tokens are computed and nothing else. */
function equalTexts(runs: ReadonlyMap<string, readonly EngineRun[]>): Check {
  const [first, ...others] = [...runs.values()].map((own) => own.flatMap(({ records }) => records));
  const all = others.flatMap((own) => own.map((record, i) => samePrefix(record, first?.[i])));
  const equal = all.filter((same) => same === 1).length;
  const shortest = Math.min(1, ...all);
  return {
    name: "greedy texts by all schedules",
    // Rows computed in other numbers round differently, which can turn a near tie; anything more is a fault.
    passed: equal >= 0.8 * all.length,
    detail: `${equal} of ${all.length} equal to those of the first schedule; the earliest parting after ${Math.round(100 * shortest)}% of a text`,
  };
}

/** Share of the tokens up to the first difference. */
function samePrefix(a: DrivenRecord, b: DrivenRecord | undefined): number {
  const at = a.tokens.findIndex((token, i) => token !== b?.tokens[i]);
  return at < 0 ? 1 : at / a.tokens.length;
}
