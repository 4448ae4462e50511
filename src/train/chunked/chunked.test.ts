import { afterAll, describe, expect, it } from "vitest";
import { llama } from "../../models/llama.js";
import { adamW } from "../../tensor/optim/adamw.js";
import { RandomStream } from "../../tensor/random.js";
import { closeTestDevice, testDevice } from "../../tensor/reference.case.js";
import { newTrainable, type Trainable } from "../trainable.js";
import type { TokenBatch } from "../trainer.js";
import { TrainingStep, totalWeight } from "../training-step.js";
import { ChunkedGradients } from "./gradients.js";
import { everyChunk } from "./sampling.js";

afterAll(closeTestDevice);

const vocabulary = 24;

function tinyLlama(seed = 1): Trainable {
  const fields = new Map<string, number>([
    ["vocab_size", vocabulary],
    ["embedding_length", 32],
    ["block_count", 3],
    ["attention.head_count", 4],
    ["attention.head_count_kv", 2],
    ["feed_forward_length", 48],
    ["context_length", 256],
    ["attention.layer_norm_rms_epsilon", 1e-5],
  ]);
  return newTrainable(llama as never, fields, testDevice(1), seed);
}

function randomBatch(sequences: number, length: number, masked = false): TokenBatch {
  const random = new RandomStream(9, "data");
  const tokens = Int32Array.from({ length: sequences * length }, () => random.below(vocabulary));
  const targets = Int32Array.from({ length: sequences * length }, () => random.below(vocabulary));
  const weights = Float32Array.from(tokens, () => (masked && random.uniform() < 0.6 ? 0 : 1));
  return { tokens, targets, sequences, length, ...(masked ? { weights } : {}) };
}

function worstDifference(found: readonly Float32Array[], expected: readonly Float32Array[]): number {
  return Math.max(
    ...expected.map((gradient, index) => {
      const size = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
      const apart = gradient.reduce((sum, value, i) => sum + (value - (found[index]?.[i] ?? Number.NaN)) ** 2, 0);
      return Math.sqrt(apart) / size;
    }),
  );
}

describe("gradients chunk by chunk", () => {
  it.each([1, 7, 16, 37, 50])("equal full backpropagation with chunks of %i of 37 tokens", async (chunkSize) => {
    const model = tinyLlama();
    const batch = randomBatch(2, 37, true);
    const step = new TrainingStep(model, adamW(model.parameters), { sequences: 2, length: 37 });
    const full = await step.gradients(batch);
    const chunked = new ChunkedGradients(model, { chunkSize, choose: ({ chunks }) => everyChunk(chunks) });
    const found = await chunked.run(batch, totalWeight(batch));
    expect(found.loss).toBeCloseTo(full.loss, 5);
    expect(worstDifference(found.gradients, full.gradients)).toBeLessThan(1e-5);
    expect(await chunked.evaluate(batch, totalWeight(batch))).toBeCloseTo(full.loss, 5);
    chunked.close();
    step.close();
    model.close();
  });
});
