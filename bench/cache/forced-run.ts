import { performance } from "node:perf_hooks";
import type { CachePolicy } from "../../src/cache/policy.js";
import type { KeyValueStore } from "../../src/cache/store/key-values.js";
import { createSampler } from "../../src/decode/sample/sampler.js";
import type { Engine } from "../../src/engine/engine.js";
import type { Sequence } from "../../src/engine/sequence.js";
import { mean, median } from "../lib/statistics.js";
import { teacherForced } from "./teacher-forced.js";

/** A text read under a cache policy: the prompt in one go, then token by token as written, whatever the model would have said. */

export interface ForcedText {
  readonly prompt: Int32Array;
  readonly forced: Int32Array;
  /** Which of the forced tokens count, answer by answer; default all, as one. */
  readonly answers?: readonly (readonly number[])[];
}

export interface Outcome {
  /** Mean over the tokens that count, natural logarithm. */
  readonly nll: number;
  /** Tokens that count, and those of them that the model would have said itself. */
  readonly scored: number;
  readonly hits: number;
  /** 1 for every answer of which each token is a hit, else 0. */
  readonly right: readonly number[];
  /** Held per layer and KV head, or read by a policy that holds everything; mean over the steps. */
  readonly entries: number;
  /** Mean over the steps, the most in the last third of them, and the most ever, the reading of the prompt included. */
  readonly bytes: number;
  readonly lateBytes: number;
  readonly peakBytes: number;
  readonly prompt: Times;
  /** Median of the last third. */
  readonly step: Times;
}

export interface Times {
  readonly wallMs: number;
  /** Processor time of all threads, which other programs on the machine disturb less. */
  readonly cpuMs: number;
}

export async function runForced(engine: Engine, policy: CachePolicy, text: ForcedText): Promise<Outcome> {
  const { prompt, forced } = text;
  const answers = text.answers ?? [[...forced.keys()]];
  const counts = new Set(answers.flat());
  const hit = new Set<number>();
  let nll = 0;
  let peakBytes = 0;
  const entries: number[] = [];
  const bytes: number[] = [];
  const clock: Times[] = [];
  const started = now();
  const decoder = teacherForced(forced, (index, logits) => {
    clock.push(now());
    // While it is resumed, a sequence has its memory.
    const store = sequence.store as KeyValueStore;
    entries.push(store.entries);
    bytes.push(store.sizeBytes);
    peakBytes = store.peakBytes;
    if (!counts.has(index)) return;
    const { logProb, best } = judged(logits, forced[index] as number);
    nll -= logProb;
    if (best === forced[index]) hit.add(index);
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
  const steps = clock.slice(1).map((time, i) => passed(clock[i] as Times, time));
  const late = Math.floor((2 * steps.length) / 3);
  return {
    nll: nll / counts.size,
    scored: counts.size,
    hits: hit.size,
    right: answers.map((answer) => Number(answer.every((index) => hit.has(index)))),
    entries: sequence.stats.cachePolicy["meanEntriesRead"] ?? mean(entries),
    bytes: mean(bytes),
    lateBytes: Math.max(...bytes.slice(late + 1)),
    peakBytes,
    prompt: passed(started, clock[0] as Times),
    step: {
      wallMs: median(steps.slice(late).map(({ wallMs }) => wallMs)),
      cpuMs: median(steps.slice(late).map(({ cpuMs }) => cpuMs)),
    },
  };
}

function now(): Times {
  const { user, system } = process.cpuUsage();
  return { wallMs: performance.now(), cpuMs: (user + system) / 1000 };
}

function passed(from: Times, to: Times): Times {
  return { wallMs: to.wallMs - from.wallMs, cpuMs: to.cpuMs - from.cpuMs };
}

function judged(logits: Float32Array, token: number): { logProb: number; best: number } {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] as number) > (logits[best] as number)) best = i;
  const highest = logits[best] as number;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - highest);
  return { logProb: (logits[token] as number) - highest - Math.log(total), best };
}
