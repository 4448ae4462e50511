import { noLoad, withRows } from "../../src/engine/schedule/pass-costs.js";
import { resolveModel } from "../../src/weights/resolve-model.js";
import { builtIndex } from "../lib/built-package.js";
import type { Bench, BenchOptions, Findings } from "../lib/report.js";
import { rivalVersion } from "../lib/rival.js";
import { batchThroughput } from "./batch-throughput.js";
import { openEngine } from "./engine-runner.js";
import { columns, targetFor } from "./figures.js";
import { mixedLoad } from "./mixed-load.js";
import { sharedPrefix } from "./shared-prefix.js";
import { cutter, type MixedWorkload, type SharedWorkload } from "./workload.js";

/** Serving many at once: throughput beside node-llama-cpp, what chats notice of documents, and what a shared prompt saves. */

interface Setting {
  readonly mixed: MixedWorkload;
  readonly shared: SharedWorkload;
  readonly users: readonly number[];
  readonly batchPrompt: number;
  readonly batchTokens: number;
  readonly rounds: number;
}

const setting: Setting = {
  mixed: {
    ...{ chats: 6, chatPrompt: 64, chatOutput: 128, chatGapMs: 400 },
    ...{ documents: 2, documentPrompt: 2048, documentOutput: 16, documentGapMs: 2000 },
  },
  shared: { users: 50, sharedPrompt: 1000, ownPrompt: 32, output: 8 },
  users: [1, 2, 4, 8, 16],
  batchPrompt: 64,
  batchTokens: 96,
  rounds: 5,
};
const quickSetting: Setting = {
  mixed: {
    ...{ chats: 6, chatPrompt: 24, chatOutput: 32, chatGapMs: 100 },
    ...{ documents: 1, documentPrompt: 1024, documentOutput: 4, documentGapMs: 800 },
  },
  shared: { users: 4, sharedPrompt: 256, ownPrompt: 8, output: 2 },
  users: [8],
  batchPrompt: 16,
  batchTokens: 24,
  rounds: 2,
};
const maxSequences = 8;
const title = "Serving many at once";

export const serve: Bench = { title, run };

async function run({ quick, progress, seed, threads = 2, model }: BenchOptions): Promise<Findings> {
  const { mixed, shared, users, batchPrompt, batchTokens, rounds } = quick ? quickSetting : setting;
  const name = model ?? "smollm2-135m-instruct";
  const { path } = await resolveModel(name);
  const versions = { "node-llama-cpp": rivalVersion("node-llama-cpp") };
  progress("building the package");
  const built = await builtIndex();
  const engine = await openEngine(built, path, threads);
  const text = cutter(engine.tokenizer, Math.max(...users) * batchPrompt, seed);
  const prompts = Array.from({ length: Math.max(...users) }, () => text(batchPrompt));
  const ours = "sarathi:budget=136";
  try {
    progress("measuring what passes cost");
    const costs = await engine.costs();
    const schedules = [ours, "whole-prefill"];
    const load = { load: mixed, seeds: quick ? [seed] : [seed, seed + 1, seed + 2], schedules, costs, maxSequences };
    const chats = await mixedLoad(engine, { ...load, progress });
    const aheadMs = costs.predict(withRows(noLoad, shared.sharedPrompt, 0));
    // Four times as many as could be served without sharing.
    const arrive = { aheadMs, spanMs: 0.25 * shared.users * aheadMs, seed };
    const prefix = await sharedPrefix(engine, shared, { ...arrive, schedule: ours, maxSequences, progress });
    await engine.close();
    const batch = await batchThroughput({
      load: { built, modelPath: path, threads, contextTokens: batchPrompt + batchTokens + 64 },
      ...{ users, prompts, tokens: batchTokens, rounds, progress },
    });
    const [sliced, whole] = schedules.map((schedule) => chats.bySchedule.get(schedule));
    return {
      title: `${title}: ${name}`,
      summary:
        "Chats and documents by Poisson arrivals on one engine, users under one system prompt, and streams that all run at once beside node-llama-cpp with its own batching (each in its own process, in turns A B B A).",
      columns,
      rows: [...chats.rows, ...prefix.rows, ...batch.rows],
      ratios: {
        p99TbtSarathiOverWholePrefill: (sliced?.p99Tbt ?? Number.NaN) / (whole?.p99Tbt ?? Number.NaN),
        throughputSarathiOverWholePrefill:
          (sliced?.totalPerSecond ?? Number.NaN) / (whole?.totalPerSecond ?? Number.NaN),
        ttftSharedPrefix: prefix.ratio,
        ...batch.ratios,
      },
      targets: {
        p99TbtSarathiOverWholePrefill: { atMost: 0.2 },
        throughputSarathiOverWholePrefill: { atLeast: 0.95 },
        ttftSharedPrefix: { atLeast: 5 },
        throughputVsNodeLlamaCpp8: { atLeast: 1.2 },
      },
      checks: [...chats.checks, ...batch.checks],
      charts: [{ measure: "outputPerSecond", title: "Output of all users together" }],
      versions: { ...versions, ...batch.versions },
      notes: [
        `${threads === 1 ? "1 thread" : `${threads} threads`}; times of the engine are ${engine.timeTitle}; on this machine a budget by latency would aim at ${targetFor(costs, mixed.documentPrompt)} ms.`,
        prefix.note,
      ],
    };
  } finally {
    await engine.close();
  }
}
