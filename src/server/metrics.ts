import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { EngineClient, EnginePass } from "./engine/client.js";
import { ApiError } from "./http/api-error.js";
import type { FairQueue } from "./requests/fair-queue.js";
import type { RunObserver } from "./requests/runs.js";
import { type UsagePrivacy, usageMetrics } from "./usage-privacy.js";

/** What Prometheus reads at /metrics. Names and meanings follow those that vLLM's and llama.cpp's servers have made usual. */

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  readonly observer: RunObserver;
  onRequest(route: string, status: number): void;
}

export interface MetricsOptions {
  readonly engine: EngineClient;
  readonly queue: FairQueue;
  /** Given: what would tell of single requests is left out, and counts with noise stand in its place. */
  readonly usage?: UsagePrivacy;
}

/** Of the exact figures these say nothing of requests. */
const harmless = ["engine_up", "engine_restarts", "uptime_seconds", "process_resident_memory_bytes"];

const shortTimes = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5];
const longTimes = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

export function createMetrics({ engine, queue, usage }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  registry.setDefaultLabels({ model: engine.info.model });
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Counter({ name: `quire_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `quire_${name}`, help, buckets, registers });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `quire_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });

  const requests = counter("http_requests_total", "Requests by route and status.", ["route", "status"]);
  const prompts = counter("prompt_tokens_total", "Tokens of prompts, cached ones included.");
  const generated = counter("generation_tokens_total", "Tokens of answers.");
  const hits = counter("prefix_cache_hits_total", "Prompt tokens whose keys and values were still there.");
  const queries = counter("prefix_cache_queries_total", "Prompt tokens that were looked up.");
  const finished = counter("requests_finished_total", "Generations by how they ended.", ["reason"]);
  const rows = counter("pass_rows_total", "Rows of forward passes, by decoding and prompts.", ["kind"]);
  const passes = counter("passes_total", "Forward passes.");
  const ttft = histogram("time_to_first_token_seconds", "From arrival to the first token.", longTimes);
  const itl = histogram("inter_token_latency_seconds", "Between tokens of one answer.", shortTimes);
  const endToEnd = histogram("e2e_request_latency_seconds", "From arrival to the last token.", longTimes);
  const queued = histogram("request_queue_time_seconds", "From arrival to the engine.", longTimes);
  const passTime = histogram("pass_seconds", "Of one forward pass.", shortTimes);
  gauge("requests_running", "Generations in the engine.", () => queue.running);
  gauge("requests_waiting", "Generations that wait.", () => queue.waiting);
  gauge("engine_up", "1 when the engine takes work.", () => (engine.state === "ready" ? 1 : 0));
  gauge("engine_restarts", "How often the engine was started again.", () => engine.restarts);
  gauge("uptime_seconds", "Of the server.", () => process.uptime());
  gauge("process_resident_memory_bytes", "Of the server's own process.", () => process.memoryUsage.rss());
  let last: EnginePass | undefined;
  gauge("kv_cache_bytes", "Keys and values in memory.", () => last?.cacheBytes ?? 0);
  gauge("kv_cache_usage_ratio", "Their share of what they may take.", () => {
    return last === undefined || last.cacheLimitBytes === 0 ? 0 : last.cacheBytes / last.cacheLimitBytes;
  });

  engine.onPass((pass) => {
    last = pass;
    passes.inc();
    passTime.observe(pass.ms / 1000);
    rows.inc({ kind: "decode" }, pass.decodeRows);
    rows.inc(
      { kind: "prefill" },
      pass.slices.reduce((sum, slice) => sum + slice.rows, 0),
    );
  });

  return {
    contentType: registry.contentType,
    async text() {
      if (usage === undefined) return registry.metrics();
      const exact = await Promise.all(harmless.map((name) => registry.getSingleMetricAsString(`quire_${name}`)));
      return `${exact.join("\n\n")}\n\n${usageMetrics(usage.report())}`;
    },
    onRequest: (route, status) => requests.inc({ route, status: String(status) }),
    observer: {
      onQueued: (seconds) => queued.observe(seconds),
      onFirstToken: (seconds) => ttft.observe(seconds),
      onNextToken: (seconds) => itl.observe(seconds),
      onEnd: ({ user, result, error, seconds }) => {
        endToEnd.observe(seconds);
        if (result === undefined) {
          finished.inc({ reason: error instanceof ApiError && error.code === "cancelled" ? "cancelled" : "error" });
          return;
        }
        const { promptTokens, cachedTokens, completionTokens } = result.usage;
        usage?.record(user, { tenant: user, tokens: promptTokens + completionTokens });
        finished.inc({ reason: result.finishReason });
        prompts.inc(promptTokens);
        generated.inc(completionTokens);
        queries.inc(promptTokens);
        hits.inc(cachedTokens);
      },
    },
  };
}
