import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { autoregressive } from "../decode/autoregressive.js";
import { decoder } from "../decode/decoder.js";
import { createSampler } from "../decode/sample/sampler.js";
import { Engine } from "../engine/engine.js";
import { type LoadedModel, loadModel } from "../engine/model.js";
import type { Sequence } from "../engine/sequence.js";
import type { HeldMemory } from "../engine/sequence-options.js";
import { tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { byteTokenizer } from "../text/grammar/byte-tokenizer.case.js";
import { cake, chelsea, full, h2o, lazyEviction, random, snapkv, window } from "./index.js";
import type { CachePolicy } from "./policy.js";

/** Every policy in the engine itself, on tiny models of every architecture. */

const budget = 24;
const steps = 20;
const promptTokens = 90;

const policies: Record<string, (budget: number) => CachePolicy> = {
  window: (budget) => window({ budget }),
  snapkv: (budget) => snapkv({ budget, window: 8 }),
  random: (budget) => random({ budget, window: 8 }),
  h2o: (budget) => h2o({ budget }),
  "h2o, faded": (budget) => h2o({ budget, decay: 0.9, score: "mean", every: 3 }),
  cake: (budget) => cake({ budget, window: 8 }),
  "lazy-eviction": (budget) => lazyEviction({ budget, window: 6 }),
  chelsea: (budget) => chelsea({ budget, window: 8, chunk: 8 }),
  "chelsea, dropping": (budget) => chelsea({ budget, window: 8, chunk: 8, onMatch: "drop" }),
};

/** What may be held after a step, by the policy's own rule. */
function allowed(name: string, counts: readonly number[], step: number): boolean {
  const sum = counts.reduce((total, count) => total + count, 0);
  if (name === "cake") return sum <= budget * counts.length && sum >= (budget - 1) * counts.length;
  return counts.every((count) => {
    if (name === "lazy-eviction") return count === (step < 6 ? promptTokens + step : budget + (step % 6));
    if (name.startsWith("chelsea")) return count >= budget && count <= budget + 8;
    if (name === "h2o, faded") return count === budget + (step % 3);
    return count === budget;
  });
}

interface Trace {
  readonly logits: Float32Array[];
  readonly tokens: number[];
  /** Entries of each managed layer after each step, step 0 being the prompt. */
  readonly counts: number[][];
  readonly bytes: number[];
}

describe.each(["llama", "qwen2", "qwen3", "gemma3"] as const)("%s", (architecture) => {
  const tokenizer = byteTokenizer();
  let model: LoadedModel;
  let engine: Engine;
  beforeAll(async () => {
    const tiny = await writeTinyModel(tinyShape(architecture, tokenizer.vocabSize), 3);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
    engine = new Engine(model, tokenizer, { prefixSharing: false, maxSequences: 16 });
  });
  afterAll(async () => {
    await engine.close();
    await model.close();
  });

  const prompt = Int32Array.from({ length: promptTokens }, (_, i) => 1 + ((i * i * 7 + i * 31) % 200));

  /** Greedy, with everything on the way written down. */
  async function trace(policy: CachePolicy, on = engine): Promise<Trace> {
    const result: Trace = { logits: [], tokens: [], counts: [], bytes: [] };
    const greedy = decoder({
      name: "tracing",
      title: "Greedy, writes everything down",
      options: z.object({}),
      exact: true,
      rewinds: false,
      *decode({ prompt, emit }) {
        let rows = prompt;
        for (let step = 0; ; step++) {
          const logits = (yield { tokens: rows, want: "last" }).logits(rows.length - 1).slice();
          const store = sequence.store;
          if (store === undefined) throw new Error("a sequence that is resumed has a memory");
          result.counts.push(store.managed.map((layer) => store.entriesOf(layer)));
          result.bytes.push(store.sizeBytes);
          result.logits.push(logits);
          const token = logits.indexOf(Math.max(...logits));
          result.tokens.push(token);
          if (step === steps || emit({ token, logProb: -0 })) return;
          rows = Int32Array.of(token);
        }
      },
    });
    const sequence: Sequence = on.start({
      prompt,
      decoder: greedy(),
      policy,
      sampler: createSampler({ temperature: 0 }),
      maxTokens: steps + 5,
      ignoreEnd: true,
    });
    for await (const _ of sequence.pieces);
    if (sequence.error !== undefined) throw sequence.error;
    return result;
  }

  it.each(Object.keys(policies))("%s holds its budget and writes finite text", async (name) => {
    const make = policies[name] as (budget: number) => CachePolicy;
    const { logits, counts, bytes } = await trace(make(budget));
    expect(logits).toHaveLength(steps + 1);
    for (const row of logits) expect(row.every(Number.isFinite)).toBe(true);
    for (const [step, now] of counts.entries()) expect(allowed(name, now, step), `step ${step}: ${now}`).toBe(true);
    const whole = await trace(full());
    expect(bytes.at(-1)).toBeLessThan(whole.bytes.at(-1) as number);
  });

  it.each(Object.keys(policies))("%s with the whole budget is the full cache, bit for bit", async (name) => {
    const make = policies[name] as (budget: number) => CachePolicy;
    const whole = await trace(full());
    for (const all of [1, 500]) expect((await trace(make(all))).logits).toEqual(whole.logits);
  });

  it.each(Object.keys(policies))("%s goes on in a second turn", async (name) => {
    const policy = (policies[name] as (budget: number) => CachePolicy)(budget);
    const turn = async (prompt: Int32Array, resume?: HeldMemory) => {
      const sequence = engine.start({
        prompt,
        decoder: autoregressive(),
        policy,
        sampler: createSampler({ temperature: 0 }),
        maxTokens: 7,
        ignoreEnd: true,
        keepMemory: true,
        resume,
      });
      for await (const _ of sequence.pieces);
      if (sequence.error !== undefined) throw sequence.error;
      await engine.settle(sequence);
      return sequence.held();
    };
    const first = await turn(prompt);
    const second = await turn(Int32Array.from([...first.tokens, ...prompt.subarray(0, 40)]), first);
    expect(second.store).toBe(first.store);
    expect(second.store.tokens).toBe(first.tokens.length + 46);
    const counts = second.store.managed.map((layer) => second.store.entriesOf(layer));
    const most = name === "lazy-eviction" ? budget + 40 + 7 : budget + 8;
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    expect(mean).toBeLessThanOrEqual(most);
    expect(mean).toBeGreaterThan(budget - 2);
    engine.release(second);
  });

  it("all policies in one pass write what each writes alone", async () => {
    const makers = Object.values(policies);
    const alone: Trace[] = [];
    for (const make of makers) alone.push(await trace(make(budget)));
    const together = await Promise.all(makers.map((make) => trace(make(budget))));
    for (const [index, one] of together.entries()) {
      expect(one.counts).toEqual((alone[index] as Trace).counts);
      for (const [step, row] of one.logits.entries()) {
        const other = (alone[index] as Trace).logits[step] as Float32Array;
        const worst = row.reduce((most, value, i) => Math.max(most, Math.abs(value - (other[i] as number))), 0);
        expect(worst).toBeLessThan(1e-2);
      }
    }
  });
});
