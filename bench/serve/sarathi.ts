import { noLoad, withRows } from "../../src/engine/schedule/pass-costs.js";
import { partOf } from "../../src/methods.js";
import { resolveModel } from "../../src/weights/resolve-model.js";
import { builtIndex } from "../lib/built-package.js";
import type { Bench, BenchOptions, Findings, Row } from "../lib/report.js";
import { single } from "../lib/statistics.js";
import { atRate, type CapacityOptions, capacity } from "./capacity.js";
import { openEngine } from "./engine-runner.js";
import { columns, targetFor } from "./figures.js";
import { mixedLoad } from "./mixed-load.js";
import { piggyback } from "./piggyback.js";
import { sharedPrefix } from "./shared-prefix.js";
import type { MixedWorkload, SharedWorkload } from "./workload.js";

/** SARATHI beside whole prompts first and beside request-level batching, on the same arrivals and one loaded model. */

interface Setting {
  readonly mixed: MixedWorkload;
  readonly seeds: number;
  readonly shared: SharedWorkload;
  readonly budgets: readonly number[];
  readonly virtualRequests: number;
}

const setting: Setting = {
  mixed: {
    ...{ chats: 6, chatPrompt: 64, chatOutput: 128, chatGapMs: 400 },
    ...{ documents: 2, documentPrompt: 2048, documentOutput: 16, documentGapMs: 2000 },
  },
  seeds: 3,
  shared: { users: 50, sharedPrompt: 1000, ownPrompt: 32, output: 8 },
  budgets: [16, 32, 72, 264],
  virtualRequests: 400,
};
const quickSetting: Setting = {
  mixed: {
    ...{ chats: 6, chatPrompt: 24, chatOutput: 32, chatGapMs: 100 },
    ...{ documents: 1, documentPrompt: 1024, documentOutput: 4, documentGapMs: 800 },
  },
  seeds: 1,
  shared: { users: 4, sharedPrompt: 256, ownPrompt: 8, output: 2 },
  budgets: [],
  virtualRequests: 120,
};
const maxSequences = 8;
const title = "Scheduling: sarathi and its baselines";

export const sarathiBench: Bench = { title, run };

async function run({ quick, progress, seed, threads = 2, model }: BenchOptions): Promise<Findings> {
  const { mixed, seeds, shared, budgets, virtualRequests } = quick ? quickSetting : setting;
  const name = model ?? "smollm2-135m-instruct";
  const { path } = await resolveModel(name);
  progress("building the package");
  const engine = await openEngine(await builtIndex(), path, threads);
  try {
    progress("measuring what passes cost");
    const costs = await engine.costs();
    const targetMs = targetFor(costs, mixed.documentPrompt);
    const ours = "sarathi:budget=136";
    const timed = `sarathi:tbt-target=${targetMs}`;
    const schedules = [ours, timed, "whole-prefill", "request-level", ...(quick ? [] : ["prefill-only:budget=72"])];
    const all = [...schedules, ...budgets.map((budget) => `sarathi:budget=${budget}`)];
    const seedList = Array.from({ length: seeds }, (_, i) => seed + i);
    const result = await mixedLoad(engine, {
      load: mixed,
      seeds: seedList,
      schedules: all,
      costs,
      maxSequences,
      progress,
    });
    const figures = (schedule: string) => {
      const found = result.bySchedule.get(schedule);
      if (found === undefined) throw new Error(`${schedule} did not run.`);
      return found;
    };
    const [sliced, aimed, whole, groups] = [ours, timed, "whole-prefill", "request-level"].map(figures);
    if (!sliced || !aimed || !whole || !groups) throw new Error("A schedule is missing.");
    progress("decodes that ride along");
    const riding = await piggyback(engine, { decodes: 4, slice: 64, seed, rounds: quick ? 4 : 16 });
    const aheadMs = costs.predict(withRows(noLoad, shared.sharedPrompt, 0));
    // Four times as many as could be served without sharing.
    const arrive = { aheadMs, spanMs: 0.25 * shared.users * aheadMs, seed };
    const prefix = await sharedPrefix(engine, shared, { ...arrive, schedule: ours, maxSequences, progress });
    progress("capacity in virtual time");
    const virtual = await inVirtualTime([timed, "whole-prefill", "request-level"], costs, {
      ...{ load: mixed, chatsPerDocument: 3, requests: virtualRequests, maxSequences, seed },
      ...{ tbtMs: targetMs, waitMs: 2000 },
    });
    const within = aimed.tbt.filter((ms) => ms <= targetMs).length / aimed.tbt.length;
    return {
      title: `${title}: ${name}`,
      summary:
        "Chats and long documents arrive by Poisson processes and run on one engine; times between tokens (TBT) and to the first token (TTFT) as readers see them. All schedules get the same arrivals, prompts and model; greedy texts are compared before speeds.",
      columns,
      rows: [...result.rows, ...prefix.rows, ...virtual.rows],
      ratios: {
        p99TbtSarathiOverWholePrefill: sliced.p99Tbt / whole.p99Tbt,
        p99TbtTargetOverWholePrefill: aimed.p99Tbt / whole.p99Tbt,
        throughputSarathiOverWholePrefill: sliced.totalPerSecond / whole.totalPerSecond,
        throughputTargetOverWholePrefill: aimed.totalPerSecond / whole.totalPerSecond,
        chatTtftRequestLevelOverSarathi: groups.chatTtft / sliced.chatTtft,
        withinTbtTarget: within,
        decodesAloneOverRidingAlong: riding.decodeOnlyMs / (riding.mixedMs - riding.sliceOnlyMs),
        ttftSharedPrefix: prefix.ratio,
        ...virtual.ratios,
      },
      targets: {
        p99TbtSarathiOverWholePrefill: { atMost: 0.2 },
        throughputSarathiOverWholePrefill: { atLeast: 0.95 },
        withinTbtTarget: { atLeast: 0.99 },
        decodesAloneOverRidingAlong: { atLeast: 2 },
        ttftSharedPrefix: { atLeast: 5 },
      },
      checks: result.checks,
      charts: [
        { measure: "p99Tbt", title: "p99 time between tokens of chats", settings: [result.rows[0]?.setting ?? ""] },
        { measure: "documentTtft", title: "First token of documents", settings: [result.rows[0]?.setting ?? ""] },
      ],
      versions: {},
      notes: [
        `${threads === 1 ? "1 thread" : `${threads} threads`}; times are ${engine.timeTitle}. The target of ${timed} is the smallest of 50, 100, 200, ... ms in which this machine can decode 4 sequences and read 8 tokens at the end of a document.`,
        `Measured passes: ${costs.points.map(({ rows, ms }) => `${rows} rows ${ms.toFixed(1)} ms`).join(", ")}; ${(1000 * costs.perKey.ms).toFixed(2)} ms per 1,000 keys attended to, ${(1000 * costs.perKey.tiledMs).toFixed(2)} ms by slices of at least 64 rows.`,
        `A pass of 4 decodes takes ${riding.decodeOnlyMs.toFixed(1)} ms; a slice of 64 takes ${riding.sliceOnlyMs.toFixed(1)} ms alone and ${riding.mixedMs.toFixed(1)} ms with the 4 decodes (medians).`,
        prefix.note,
        virtual.note,
      ],
    };
  } finally {
    await engine.close();
  }
}

async function inVirtualTime(
  schedules: readonly string[],
  costs: Awaited<ReturnType<Awaited<ReturnType<typeof openEngine>>["costs"]>>,
  options: CapacityOptions,
): Promise<{ rows: Row[]; ratios: Record<string, number>; note: string }> {
  const planners = await Promise.all(
    schedules.map(async (name) => {
      const part = await partOf("engine", name);
      return () => part.planner({ maxSequences: options.maxSequences, costs });
    }),
  );
  const [ours = 0, ...others] = planners.map((plan) => capacity(plan, costs, options));
  const unlimited = { ...options, tbtMs: Number.POSITIVE_INFINITY };
  const rate = 0.7 * Math.max(...planners.map((plan) => capacity(plan, costs, unlimited)));
  const at = planners.map((plan) => atRate(plan(), costs, rate, options));
  const rows = schedules.map((contender, i): Row => {
    const measures = {
      p99Tbt: single(at[i]?.p99Tbt ?? Number.NaN),
      totalPerSecond: single(at[i]?.totalPerSecond ?? Number.NaN),
      capacity: single([ours, ...others][i] ?? Number.NaN),
    };
    return { setting: "virtual time, 70% load", contender, measures };
  });
  return {
    rows,
    ratios: {
      virtualP99TbtOverWholePrefill: (at[0]?.p99Tbt ?? Number.NaN) / (at[1]?.p99Tbt ?? Number.NaN),
      virtualThroughputOverWholePrefill: (at[0]?.totalPerSecond ?? Number.NaN) / (at[1]?.totalPerSecond ?? Number.NaN),
    },
    note: `Virtual time: the real planners and the measured costs, ${options.requests} requests, three chats to a document. Capacity is the largest rate with p99 TBT within ${options.tbtMs} ms and a median wait of at most 2 s; the load of 70% is of the largest rate with that wait alone, ${(rate / 0.7).toFixed(3)} requests a second.`,
  };
}
