import { afterAll, describe, expect, it } from "vitest";
import { llama } from "../models/llama.js";
import { adamW } from "../tensor/optim/adamw.js";
import { RandomStream } from "../tensor/random.js";
import { closeTestDevice, testDevice } from "../tensor/reference.case.js";
import { newTrainable, type Trainable } from "./trainable.js";
import type { TokenBatch } from "./trainer.js";
import { TrainingStep } from "./training-step.js";

afterAll(closeTestDevice);

const [sequences, length, vocabulary] = [8, 12, 24];

function tinyLlama(seed = 1): Trainable {
  const fields = new Map<string, number>([
    ["vocab_size", vocabulary],
    ["embedding_length", 32],
    ["block_count", 2],
    ["attention.head_count", 4],
    ["attention.head_count_kv", 2],
    ["feed_forward_length", 48],
    ["context_length", 64],
    ["attention.layer_norm_rms_epsilon", 1e-5],
  ]);
  return newTrainable(llama as never, fields, testDevice(1), seed);
}

function randomBatch(): TokenBatch {
  const random = new RandomStream(9, "data");
  const text = Int32Array.from({ length: sequences * (length + 1) }, () => random.below(vocabulary));
  const tokens = text.filter((_, i) => i % (length + 1) < length);
  const targets = text.filter((_, i) => i % (length + 1) > 0);
  return { tokens, targets, sequences, length };
}

describe("a training step on a small llama", () => {
  it("learns eight sequences by heart", async () => {
    const model = tinyLlama();
    const step = new TrainingStep(model, adamW(model.parameters, { beta2: 0.99, weightDecay: 0 }), {
      sequences,
      length,
    });
    const batch = randomBatch();
    const losses: number[] = [];
    for (let at = 0; at < 200; at++) losses.push((await step.step(batch, 1e-2 * Math.min(1, (at + 1) / 10))).loss);
    expect(losses[0]).toBeGreaterThan(2.5);
    expect(losses.at(-1)).toBeLessThan(0.05);
    step.close();
    model.close();
  });

  it("gives the same losses and gradients whole, in parts, recomputed, and with logits of chosen rows", async () => {
    const model = tinyLlama();
    const random = new RandomStream(3, "weights");
    const batch = {
      ...randomBatch(),
      weights: random.uniformArray(sequences * length, -1, 1).map((w) => Math.max(0, w)),
    };
    const forms = [
      {},
      { microbatch: 2 },
      { recompute: true },
      { targetRows: 70 },
      { recompute: true, targetRows: 60, microbatch: 4 },
    ];
    let first: { loss: number; gradients: Float32Array[] } | undefined;
    for (const form of forms) {
      const step = new TrainingStep(model, adamW(model.parameters), { sequences, length, ...form });
      const { loss, gradients } = await step.gradients(batch);
      first ??= { loss, gradients: gradients.map((gradient) => gradient.slice()) };
      expect(loss).toBeCloseTo(first.loss, 5);
      for (const [index, gradient] of gradients.entries()) {
        const expected = first.gradients[index] as Float32Array;
        const size = Math.max(...expected.map(Math.abs));
        const worst = Math.max(...gradient.map((value, i) => Math.abs(value - (expected[i] as number))));
        expect(worst / size).toBeLessThan(1e-4);
      }
      step.close();
    }
    model.close();
  });
});
