import { llama } from "../models/llama.js";
import { adamW } from "../tensor/optim/adamw.js";
import { RandomStream } from "../tensor/random.js";
import { testDevice } from "../tensor/reference.case.js";
import type { DataSource } from "./data/data-source.js";
import { tokenWindows } from "./data/token-windows.js";
import type { TrainingPlan } from "./loop.js";
import { newTrainable, type Trainable } from "./trainable.js";

/** A run that takes milliseconds: a small llama on a text of three repeated letters with noise. */
export function tinyRun({
  seed = 1,
  fields = {},
  ...plan
}: { seed?: number; fields?: Record<string, number> } & Partial<TrainingPlan> = {}): {
  model: Trainable;
  plan: TrainingPlan;
} {
  const all = new Map<string, number>(
    Object.entries({
      vocab_size: 257,
      embedding_length: 32,
      block_count: 2,
      "attention.head_count": 4,
      "attention.head_count_kv": 2,
      feed_forward_length: 48,
      context_length: 64,
      "attention.layer_norm_rms_epsilon": 2 ** -17,
      ...fields,
    }),
  );
  const model = newTrainable(llama as never, all, testDevice(1), seed);
  const made: TrainingPlan = {
    model,
    optimizer: adamW(model.parameters, { decays: model.decays }),
    data: noisyText(seed),
    steps: 20,
    schedule: () => 3e-3,
    step: { sequences: 4, length: 16 },
    fingerprint: "tiny",
    ...plan,
  };
  return { model, plan: made };
}

function noisyText(seed: number): DataSource {
  const random = new RandomStream(seed, "text");
  const text = Int32Array.from({ length: 3000 }, (_, i) => (random.below(10) === 0 ? random.below(257) : 97 + (i % 3)));
  return tokenWindows(text, { name: "noise", sequences: 4, length: 16, seed, evaluationBatches: 1 });
}
