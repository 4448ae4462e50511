import type { Device } from "../../src/tensor/device.js";
import { adamW } from "../../src/tensor/optim/adamw.js";
import { cosineSchedule } from "../../src/tensor/optim/schedule.js";
import { loadLora } from "../../src/train/lora.js";
import { secoSpaco } from "../../src/train/seco-spaco.js";
import type { TokenBatch } from "../../src/train/trainer.js";
import { TrainingStep } from "../../src/train/training-step.js";
import { openWeightFile } from "../../src/weights/open-weight-file.js";
import type { Method } from "./step.js";

/** What a method learns in a few steps, from the same text in the same order as the others. */

export interface Learnt {
  /** Mean over the last quarter of the steps. */
  readonly loss: number;
  /** On text kept back, afterwards. */
  readonly held: number;
  readonly seconds: number;
}

export interface LearnOptions {
  readonly method: Exclude<Method, "recompute">;
  readonly model: string;
  readonly tokens: Int32Array;
  readonly device: Device;
  readonly seed: number;
  readonly length: number;
  readonly chunk: number;
  readonly steps: number;
  readonly rate: number;
  /** SpaCO learns from one chunk in so many. */
  readonly sparsity: number;
}

const heldTokens = 1024;

export async function learn(options: LearnOptions): Promise<Learnt> {
  const { method, tokens, device, seed, length, chunk, steps, rate, sparsity } = options;
  const file = await openWeightFile(options.model);
  const model = await loadLora(file, device, { seed });
  await file.close();
  const budget = Math.max(2, Math.round(length / chunk / sparsity));
  const trainer = method === "full" ? undefined : secoSpaco(method === "seco" ? { chunk } : { chunk, budget });
  const optimizer = adamW(model.parameters, { beta2: 0.95, weightDecay: 0.05 });
  const step = new TrainingStep(model, optimizer, { sequences: 1, length, trainer, seed });
  const schedule = cosineSchedule({ peak: rate, warmup: Math.ceil(steps / 10), total: steps });
  const losses: number[] = [];
  const started = performance.now();
  for (let at = 0; at < steps; at++) {
    const batch = batchAt(tokens, (at * length) % (tokens.length - heldTokens - length - 1), length);
    losses.push((await step.step(batch, schedule(at))).loss);
  }
  const seconds = (performance.now() - started) / 1000;
  step.close();
  const reader = secoSpaco({ chunk: 256 }).create(model, seed);
  const held = await reader.evaluate(batchAt(tokens, tokens.length - heldTokens - 1, heldTokens));
  reader.close();
  model.close();
  const late = losses.slice(-Math.max(1, Math.round(steps / 4)));
  return { loss: late.reduce((sum, loss) => sum + loss, 0) / late.length, held, seconds };
}

function batchAt(tokens: Int32Array, from: number, length: number): TokenBatch {
  const [own, targets] = [tokens.slice(from, from + length), tokens.slice(from + 1, from + length + 1)];
  return { tokens: own, targets, sequences: 1, length };
}
