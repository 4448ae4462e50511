import { performance } from "node:perf_hooks";
import type { CachePolicy } from "../../src/cache/policy.js";
import type { KeyValueStore } from "../../src/cache/store/key-values.js";
import { createSampler } from "../../src/decode/sample/sampler.js";
import type { Engine } from "../../src/engine/engine.js";
import type { Sequence } from "../../src/engine/sequence.js";
import { teacherForced } from "./teacher-forced.js";

/** A text read under a cache policy: the prompt in one go, then token by token as written, whatever the model would have said. */

export interface ForcedText {
  readonly prompt: Int32Array;
  readonly forced: Int32Array;
  /** Which of the forced tokens count; default all. */
  readonly scored?: readonly number[];
}

export interface Outcome {
  /** Mean over the scored tokens, natural logarithm. */
  readonly nll: number;
  readonly scored: number;
  /** Scored tokens that the model would have said itself. */
  readonly hits: number;
  /** Per layer and KV head, mean over the steps. */
  readonly entries: number;
  /** While the forced tokens were read: mean and most. */
  readonly bytes: number;
  readonly mostBytes: number;
  /** The most at any time, the reading of the prompt included. */
  readonly peakBytes: number;
  readonly promptSeconds: number;
  /** Median. */
  readonly stepMs: number;
}

export async function runForced(engine: Engine, policy: CachePolicy, text: ForcedText): Promise<Outcome> {
  const { prompt, forced } = text;
  const scored = new Set(text.scored ?? forced.keys());
  let nll = 0;
  let hits = 0;
  let peakBytes = 0;
  const entries: number[] = [];
  const bytes: number[] = [];
  const times: number[] = [];
  const started = performance.now();
  const decoder = teacherForced(forced, (index, logits) => {
    times.push(performance.now());
    // While it is resumed, a sequence has its memory.
    const store = sequence.store as KeyValueStore;
    entries.push(store.entries);
    bytes.push(store.sizeBytes);
    peakBytes = store.peakBytes;
    if (!scored.has(index)) return;
    const { logProb, best } = judged(logits, forced[index] as number);
    nll -= logProb;
    if (best === forced[index]) hits++;
  });
  const sequence: Sequence = engine.start({
    prompt,
    decoder: decoder(),
    policy,
    sampler: createSampler({ temperature: 0 }),
    maxTokens: forced.length,
    ignoreEnd: true,
  });
  try {
    for await (const _ of sequence.pieces);
  } finally {
    await engine.settle(sequence);
  }
  if (sequence.error !== undefined) throw sequence.error;
  const steps = times.slice(1).map((time, i) => time - (times[i] as number));
  return {
    nll: nll / scored.size,
    scored: scored.size,
    hits,
    entries: mean(entries),
    bytes: mean(bytes),
    mostBytes: Math.max(...bytes),
    peakBytes,
    promptSeconds: ((times[0] as number) - started) / 1000,
    stepMs: middle(steps),
  };
}

function judged(logits: Float32Array, token: number): { logProb: number; best: number } {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] as number) > (logits[best] as number)) best = i;
  const highest = logits[best] as number;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - highest);
  return { logProb: (logits[token] as number) - highest - Math.log(total), best };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
