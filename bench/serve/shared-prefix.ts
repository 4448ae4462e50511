import type { Row } from "../lib/report.js";
import { single } from "../lib/statistics.js";
import type { OpenedEngine } from "./engine-runner.js";
import { latencies, percentile } from "./latency.js";
import { type SharedWorkload, sharedRequests } from "./workload.js";

/** Many users under one system prompt: time to the first token with and without sharing what they have in common. */

export interface SharedResult {
  readonly rows: Row[];
  /** Median time to the first token without sharing, over that with it. */
  readonly ratio: number;
  readonly note: string;
}

export async function sharedPrefix(
  engine: OpenedEngine,
  load: SharedWorkload,
  options: {
    aheadMs: number;
    spanMs: number;
    seed: number;
    schedule: string;
    maxSequences: number;
    progress(text: string): void;
  },
): Promise<SharedResult> {
  const { schedule, maxSequences, progress } = options;
  const requests = sharedRequests(engine.tokenizer, load, options);
  const setting = `${load.users} users, ${load.sharedPrompt} tokens in common, ${load.ownPrompt} of their own`;
  const rows: Row[] = [];
  const medians: number[] = [];
  let rate = 0;
  for (const prefixSharing of [false, true]) {
    progress(`shared prefix: ${prefixSharing ? "with" : "without"} sharing`);
    const { records, hits, queries } = await engine.run(requests, { schedule, maxSequences, prefixSharing });
    const { ttft } = latencies(records);
    if (prefixSharing) rate = hits / queries;
    medians.push(percentile(ttft, 0.5));
    const measures = { chatTtft: single(percentile(ttft, 0.5)), maxTtft: single(Math.max(...ttft)) };
    rows.push({ setting, contender: prefixSharing ? "prefix sharing" : "no sharing", measures });
  }
  const [without = Number.NaN, shared = Number.NaN] = medians;
  const percent = (100 * rate).toFixed(1);
  return {
    rows,
    ratio: without / shared,
    note: `Shared prefixes: ${percent}% of all prompt tokens looked up were found.`,
  };
}
