import { methods as catalogue } from "../../src/methods.js";
import type { Method, Model, ServerState, Usage } from "../src/api/contract.js";

/** What the mock server says of itself. Methods come from the real catalogue. */

export const models: readonly Model[] = [
  { id: "smollm2-135m-instruct", object: "model", created: 1_790_000_000, owned_by: "local", context_tokens: 8192 },
  { id: "gemma-3-270m-it", object: "model", created: 1_790_000_000, owned_by: "local", context_tokens: 32768 },
];

export const serverState = (started: number): ServerState => ({
  version: "0.1.0",
  model: "smollm2-135m-instruct",
  device: "cpu",
  threads: 2,
  context_tokens: 8192,
  schedule: "sarathi:budget=256",
  uptime_seconds: Math.round((Date.now() - started) / 1000),
  engine: { state: "ready", restarts: 0 },
  usage_counted: true,
});

const counts = (error: number, figures: Record<string, number>) =>
  Object.entries(figures).map(([name, value]) => ({ name, value, error_95: error }));

export const usage: Usage = {
  promise: "Each figure would look almost the same without any single request (epsilon 1 over a year).",
  window: { start: "2026-11-01T00:00:00Z", end: "2027-11-01T00:00:00Z", as_of: "2026-11-24T00:00:00Z" },
  requests: counts(41, { ada: 1204, barbara: 877, edsger: 312, others: 18 }),
  tokens: counts(2600, { ada: 412_800, barbara: 388_224, edsger: 90_112, others: 4096 }),
  documents: counts(41, { "architecture.md": 640, "guide/serve.md": 402, "glossary.md": 133 }),
};

const number = (description: string, usual: number, minimum: number, maximum: number) => ({
  type: "integer",
  description,
  default: usual,
  minimum,
  maximum,
});

const baselines: readonly Method[] = [
  {
    name: "full",
    kind: "cache",
    title: "Keeps every entry",
    state: "works",
    selectable: true,
    options: { properties: {} },
  },
  {
    name: "window",
    kind: "cache",
    title: "Keeps the first tokens and the newest",
    arxiv: "2309.17453",
    state: "works",
    selectable: true,
    options: {
      properties: {
        sinks: number("first tokens that always stay", 4, 0, 64),
        budget: number("entries kept in all, sinks included", 1024, 1, 65536),
      },
    },
  },
  { name: "autoregressive", kind: "decoder", title: "One token a pass", state: "works", selectable: true },
  {
    name: "prompt-lookup",
    kind: "decoder",
    title: "Drafts copied from earlier text, checked in one pass",
    state: "works",
    selectable: true,
    options: {
      properties: {
        draft: number("most tokens drafted at once", 8, 1, 64),
        ngram: number("tokens that must match before a draft is made", 3, 1, 8),
      },
    },
  },
  { name: "h2o", kind: "cache", title: "Heavy hitters and the newest", state: "works", selectable: true },
  { name: "hogwild", kind: "decoder", title: "Workers that read each other", state: "works", selectable: true },
  { name: "treepo", kind: "decoder", title: "Answers that share beginnings", state: "works", selectable: true },
  { name: "hybrid", kind: "selector", title: "Words and meaning together", state: "works", selectable: true },
  {
    name: "mmr",
    kind: "selector",
    title: "Passages that are near the question and far from each other",
    state: "works",
    selectable: true,
    options: {
      properties: {
        diversity: { type: "number", description: "0 for likeness alone, 1 for difference alone", default: 0.3 },
      },
    },
  },
];

export const methods: readonly Method[] = [...baselines, ...catalogue.map((row) => ({ ...row, selectable: false }))];
