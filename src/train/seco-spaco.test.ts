import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { llama } from "../models/llama.js";
import { tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { adamW } from "../tensor/optim/adamw.js";
import { RandomStream } from "../tensor/random.js";
import { closeTestDevice, testDevice } from "../tensor/reference.case.js";
import { openWeightFile } from "../weights/open-weight-file.js";
import { valuesOf } from "./checkpoint.js";
import { ChunkedGradients } from "./chunked/gradients.js";
import {
  type ChunkChoice,
  chanceOfNothing,
  chooseChunks,
  everyChunk,
  type SamplingOptions,
  samplingFactors,
} from "./chunked/sampling.js";
import { type TrainingPlan, trainingRun } from "./loop.js";
import { secoSpaco } from "./seco-spaco.js";
import { tinyRun } from "./tiny-run.case.js";
import { loadTrainable, newTrainable, type Trainable } from "./trainable.js";
import type { TokenBatch } from "./trainer.js";
import { TrainingStep, totalWeight } from "./training-step.js";

afterAll(closeTestDevice);

const vocabulary = 20;

function tinyLlama(fields: Record<string, number> = {}): Trainable {
  const all = {
    vocab_size: vocabulary,
    embedding_length: 16,
    block_count: 3,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    feed_forward_length: 24,
    context_length: 4096,
    "attention.layer_norm_rms_epsilon": 1e-5,
    ...fields,
  };
  return newTrainable(llama as never, new Map(Object.entries(all)), testDevice(1), 1);
}

function randomBatch(sequences: number, length: number, masked = false): TokenBatch {
  const random = new RandomStream(9, "data");
  const list = (): Int32Array => Int32Array.from({ length: sequences * length }, () => random.below(vocabulary));
  const [tokens, targets] = [list(), list()];
  const weights = Float32Array.from(tokens, () => (masked && random.uniform() < 0.6 ? 0 : 1));
  return { tokens, targets, sequences, length, ...(masked ? { weights } : {}) };
}

function copies(gradients: readonly Float32Array[]): Float64Array[] {
  return gradients.map((gradient) => Float64Array.from(gradient));
}

/** |found − expected| / |expected|, all parameters together. */
function apart(found: readonly ArrayLike<number>[], expected: readonly ArrayLike<number>[]): number {
  let [difference, size] = [0, 0];
  for (const [index, gradient] of expected.entries()) {
    for (let i = 0; i < gradient.length; i++) {
      difference += ((found[index]?.[i] ?? Number.NaN) - (gradient[i] as number)) ** 2;
      size += (gradient[i] as number) ** 2;
    }
  }
  return Math.sqrt(difference / size);
}

async function full(model: Trainable, batch: TokenBatch): Promise<{ loss: number; gradients: Float64Array[] }> {
  const { sequences, length } = batch;
  const step = new TrainingStep(model, adamW(model.parameters), { sequences, length });
  const { loss, gradients } = await step.gradients(batch);
  const found = { loss, gradients: copies(gradients) };
  step.close();
  return found;
}

async function withChoice(model: Trainable, batch: TokenBatch, chunkSize: number, choice: ChunkChoice) {
  const chunked = new ChunkedGradients(model, { chunkSize, choose: () => choice });
  const result = await chunked.run(batch, totalWeight(batch));
  const found = { ...result, gradients: copies(result.gradients) };
  chunked.close();
  return found;
}

describe("SeCO", () => {
  it.each([
    [1, false],
    [7, true],
    [16, false],
    [36, true],
    [37, false],
    [64, true],
  ])("with chunks of %i of 37 tokens equals full backpropagation (some targets masked: %s)", async (chunk, masked) => {
    const model = tinyLlama();
    const batch = randomBatch(2, 37, masked);
    const expected = await full(model, batch);
    const state = secoSpaco({ chunk }).create(model, 0);
    const { loss, gradients, figures } = await state.gradients(batch, { step: 0 });
    expect(loss).toBeCloseTo(expected.loss, 5);
    expect(apart(gradients, expected.gradients)).toBeLessThan(1e-5);
    expect(await state.evaluate(batch)).toBeCloseTo(expected.loss, 5);
    expect(figures).toMatchObject({ chunks: 2 * Math.ceil(37 / chunk) });
    state.close();
    model.close();
  });

  it.each(["qwen2", "qwen3", "gemma3"] as const)(
    "is exact for %s, with biases, norms of heads and windows",
    async (name) => {
      const tiny = await writeTinyModel(tinyShape(name, vocabulary));
      const file = await openWeightFile(tiny.path);
      const model = await loadTrainable(file, testDevice(1));
      await file.close();
      const batch = randomBatch(1, 23);
      const expected = await full(model, batch);
      const state = secoSpaco({ chunk: 4 }).create(model, 0);
      const { loss, gradients } = await state.gradients(batch, { step: 0 });
      expect(loss).toBeCloseTo(expected.loss, 5);
      expect(apart(gradients, expected.gradients)).toBeLessThan(1e-4);
      state.close();
      model.close();
    },
  );

  it("leaves the same weights after steps of the optimiser", async () => {
    const batch = randomBatch(1, 24);
    const weightsWith = async (options: object): Promise<Float64Array[]> => {
      const model = tinyLlama();
      const step = new TrainingStep(model, adamW(model.parameters), { sequences: 1, length: 24, ...options });
      for (let i = 0; i < 3; i++) await step.step(batch, 1e-2);
      const values = model.parameters.map((parameter) => {
        const array = new Float32Array(parameter.elements);
        (parameter.owner as { read?(tensor: object, into: Float32Array): void }).read?.(parameter, array);
        return Float64Array.from(array);
      });
      step.close();
      model.close();
      return values;
    };
    expect(apart(await weightsWith({ trainer: secoSpaco({ chunk: 5 }) }), await weightsWith({}))).toBeLessThan(1e-4);
  });

  it("needs the memory of one chunk, however long the sequence", async () => {
    const model = tinyLlama({ embedding_length: 32, feed_forward_length: 1024 });
    const bytes = async (length: number): Promise<number> => {
      const options = { chunkSize: 64, scoresAtOnce: 2 ** 12, choose: () => everyChunk(length / 64) };
      const chunked = new ChunkedGradients(model, options);
      const { graphBytes } = await chunked.run(randomBatch(1, length), length);
      chunked.close();
      return graphBytes;
    };
    expect((await bytes(8 * 64)) / (await bytes(2 * 64))).toBeLessThan(1.1);
    model.close();
  });

  it("gets along without targets in some or all sequences", async () => {
    const model = tinyLlama();
    const batch = { ...randomBatch(2, 20), weights: new Float32Array(40).map((_, i) => (i > 3 && i < 9 ? 1 : 0)) };
    const expected = await full(model, batch);
    const state = secoSpaco({ chunk: 4 }).create(model, 0);
    const found = await state.gradients(batch, { step: 0 });
    expect(apart(found.gradients, expected.gradients)).toBeLessThan(1e-5);
    // Chunks 0 to 2 of the first sequence; nothing lies behind the last target.
    expect(found.figures["learnt"]).toBe(3);
    await expect(state.gradients({ ...batch, weights: new Float32Array(40) }, { step: 0 })).rejects.toMatchObject({
      code: "bad-input",
    });
    state.close();
    model.close();
  });

  it("names the chunk in which the loss is not finite", async () => {
    const model = tinyLlama();
    const batch = { ...randomBatch(1, 12), weights: Float32Array.from({ length: 12 }, (_, i) => (i === 9 ? 3e38 : 1)) };
    const state = secoSpaco({ chunk: 4 }).create(model, 0);
    const broken = { ...batch, weights: batch.weights.map((w, i) => (i === 9 ? Number.POSITIVE_INFINITY : w)) };
    await expect(state.gradients(broken, { step: 0 })).rejects.toMatchObject({ code: "bad-input" });
    const embedding = model.parameters[0] as { owner: object };
    (embedding.owner as { write(tensor: object, bytes: Float32Array): void }).write(
      embedding,
      new Float32Array(vocabulary * 16).fill(Number.NaN),
    );
    await expect(state.gradients(randomBatch(1, 12), { step: 0 })).rejects.toThrow(/chunk 2 \(tokens 8 to 12\)/);
    state.close();
    model.close();
  });

  it("refuses options, batches and positions that it cannot use", async () => {
    for (const options of [{ chunk: 0 }, { chunk: 1.5 }, { budget: 0 }, { "hop-cap": 0.5 }, { sampling: "luck" }])
      expect(() => secoSpaco(options as never)).toThrow(expect.objectContaining({ code: "bad-option" }));
    const model = tinyLlama();
    const state = secoSpaco().create(model, 0);
    const batch = randomBatch(1, 8);
    const at = { step: 0 };
    await expect(state.gradients({ ...batch, length: 9 }, at)).rejects.toMatchObject({ code: "bad-shape" });
    await expect(state.gradients({ ...batch, firstPosition: 3 }, at)).rejects.toMatchObject({ code: "unsupported" });
    const strange = { ...batch, tokens: batch.tokens.map(() => vocabulary) };
    await expect(state.gradients(strange, at)).rejects.toMatchObject({ code: "bad-input" });
    state.close();
    model.close();
  });
});

const [chunks, budget] = [5, 3];

/** Every subset that a sampling can choose, with its probability. */
function everyChoice(options: SamplingOptions): { choice: ChunkChoice; probability: number }[] {
  const { lossFactor, hopFactor } = samplingFactors(chunks, options);
  const something = 1 - chanceOfNothing(chunks, options);
  const found: { chosen: number[]; probability: number }[] = [];
  for (let bits = 1; bits < 2 ** chunks; bits++) {
    const chosen = [...Array(chunks).keys()].filter((chunk) => (bits >> chunk) & 1);
    const share = budget / chunks;
    const probability = share ** chosen.length * (1 - share) ** (chunks - chosen.length);
    if (options.sampling === "bernoulli") found.push({ chosen, probability: probability / something });
    else if (chosen.length === budget) found.push({ chosen, probability: 1 / 10 });
  }
  return found.map(({ chosen, probability }) => ({
    choice: { chosen, hopFactor, lossFactor: lossFactor * something },
    probability,
  }));
}

async function expectation(model: Trainable, batch: TokenBatch, options: SamplingOptions): Promise<Float64Array[]> {
  let sum: Float64Array[] | undefined;
  for (const { choice, probability } of everyChoice(options)) {
    const { gradients } = await withChoice(model, batch, batch.length / chunks, choice);
    sum ??= gradients.map(({ length }) => new Float64Array(length));
    for (const [index, gradient] of gradients.entries())
      for (let i = 0; i < gradient.length; i++) (sum[index] as Float64Array)[i]! += probability * gradient[i]!;
  }
  return sum ?? [];
}

const answers = new Set([0, 1, 2, 3, 4]);
const uncapped = Number.POSITIVE_INFINITY;

describe("SpaCO", () => {
  it("is right on average where it says so, and off by known amounts where not", async () => {
    // Values large enough that paths over several chunks weigh something.
    const model = tinyLlama();
    const batch = randomBatch(1, 20);
    const expected = await full(model, batch);
    const bias = async (sampling: SamplingOptions["sampling"], hopCap = uncapped): Promise<number> =>
      apart(await expectation(model, batch, { sampling, budget, hopCap, answers }), expected.gradients);
    expect(await bias("bernoulli")).toBeLessThan(1e-5);
    const fixed = await bias("fixed");
    expect(fixed).toBeLessThan(0.1);
    expect(fixed).toBeGreaterThan(1e-5);
    expect(await bias("bernoulli", 1)).toBeGreaterThan(fixed);
    // The paper leaves out a factor of k/t: what is found is about t/k of the gradient.
    expect(await bias("paper")).toBeGreaterThan(0.3);
    model.close();
  });

  it("with one chunk of a fixed number is the gradient without paths between chunks", async () => {
    const model = tinyLlama();
    const batch = randomBatch(1, 20);
    const factors = samplingFactors(chunks, { sampling: "fixed", budget: 1, hopCap: uncapped });
    expect(factors).toEqual({ lossFactor: chunks, hopFactor: 0 });
    const cut = await withChoice(model, batch, 4, { ...everyChunk(chunks), hopFactor: 0 });
    const sum = cut.gradients.map(({ length }) => new Float64Array(length));
    for (let chunk = 0; chunk < chunks; chunk++) {
      const { gradients } = await withChoice(model, batch, 4, { chosen: [chunk], ...factors });
      for (const [index, gradient] of gradients.entries())
        for (let i = 0; i < gradient.length; i++) (sum[index] as Float64Array)[i]! += gradient[i]! / chunks;
    }
    expect(apart(sum, cut.gradients)).toBeLessThan(1e-5);
    model.close();
  });

  it("with a budget of all chunks is SeCO", async () => {
    const model = tinyLlama();
    const batch = randomBatch(1, 20);
    const [all, exact] = [secoSpaco({ chunk: 4, budget: 5 }), secoSpaco({ chunk: 4 })].map((part) =>
      part.create(model, 3),
    );
    const found = copies((await all?.gradients(batch, { step: 1 }))?.gradients ?? []);
    const expected = await exact?.gradients(batch, { step: 1 });
    expect(found).toEqual(copies(expected?.gradients ?? []));
    all?.close();
    exact?.close();
    model.close();
  });

  it("draws the same chunks again for the same seed and step, and others for others", async () => {
    const model = tinyLlama();
    const batch = randomBatch(1, 40);
    const state = secoSpaco({ chunk: 2, budget: 5 }).create(model, 3);
    const at = async (step: number) => copies((await state.gradients(batch, { step })).gradients);
    const first = await at(4);
    expect(await at(5)).not.toEqual(first);
    expect(await at(4)).toEqual(first);
    state.close();
    model.close();
  });

  it("goes on bit for bit after a run was stopped", async () => {
    const folder = await mkdtemp(join(tmpdir(), "quire-seco-"));
    const step = { sequences: 4, length: 16, seed: 5, trainer: secoSpaco({ chunk: 3, budget: 2 }) };
    const valuesAfter = async (plan: TrainingPlan, stopAt?: number): Promise<Float32Array[]> => {
      const controller = new AbortController();
      try {
        for await (const event of trainingRun(plan, controller.signal))
          if (event.kind === "step" && event.step === stopAt) controller.abort();
      } catch (error) {
        expect(error).toMatchObject({ code: "cancelled" });
      }
      return plan.model.parameters.map(valuesOf);
    };
    const run = (more: Partial<TrainingPlan> = {}) => tinyRun({ step, steps: 6, evaluateEvery: 3, ...more });
    const [whole, begun, goesOn] = [run(), run({ folder }), run({ folder, resume: true })];
    const expected = await valuesAfter(whole.plan);
    await valuesAfter(begun.plan, 3);
    expect(await valuesAfter(goesOn.plan)).toEqual(expected);
    for (const { model } of [whole, begun, goesOn]) model.close();
    await rm(folder, { recursive: true });
  });

  it("chooses as many chunks as it should, always with something to learn from", () => {
    const random = new RandomStream(1, "draws");
    const some = new Set([7, 3]);
    const options = { budget: 4, hopCap: uncapped, answers: some };
    let total = 0;
    for (let draw = 0; draw < 2000; draw++) {
      const { chosen } = chooseChunks(
        16,
        { ...options, sampling: "bernoulli", answers: new Set(Array(16).keys()) },
        random,
      );
      total += chosen.length;
      for (const sampling of ["fixed", "paper", "answer-half"] as const) {
        const drawn = chooseChunks(16, { ...options, sampling }, random).chosen;
        expect(drawn).toHaveLength(4);
        expect(drawn.some((chunk) => some.has(chunk))).toBe(true);
        expect([...new Set(drawn)].sort((a, b) => a - b)).toEqual(drawn);
        if (sampling === "answer-half") expect(drawn.filter((chunk) => some.has(chunk))).toHaveLength(2);
      }
    }
    expect(Math.abs(total / 2000 - 4)).toBeLessThan(0.2);
  });
});
