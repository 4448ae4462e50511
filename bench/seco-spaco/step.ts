import { readFileSync, writeFileSync } from "node:fs";
import { freemem } from "node:os";
import { Device } from "../../src/tensor/device.js";
import { adamW } from "../../src/tensor/optim/adamw.js";
import { type LoraModel, loadLora } from "../../src/train/lora.js";
import { secoSpaco } from "../../src/train/seco-spaco.js";
import type { TokenBatch } from "../../src/train/trainer.js";
import { TrainingStep } from "../../src/train/training-step.js";
import { openWeightFile } from "../../src/weights/open-weight-file.js";
import type { Contender } from "../lib/contender.js";

/** Gradients of one long sequence, in a process of its own: what they cost in memory and time, and what they are. */

export type Method = "full" | "recompute" | "seco" | "spaco";

export interface StepLoad {
  readonly model: string;
  readonly threads: number;
}

export interface StepTask {
  readonly method: Method;
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
  readonly chunk: number;
  readonly budget: number;
  readonly seed: number;
}

export interface StepOutcome {
  /** The method's intermediate results have no room on this machine; then nothing else is known. */
  readonly needsBytes?: number;
  readonly loss: number;
  readonly seconds: number;
  readonly processorSeconds: number;
  /** Of the whole process, at its highest during the step, and before it. */
  readonly peakBytes: number;
  readonly restBytes: number;
  readonly gradient: Float32Array;
}

let model: LoraModel;
let device: Device;

export const contender: Contender<StepLoad, StepTask, StepOutcome> = {
  async load({ model: path, threads }) {
    device = Device.open({ device: "cpu", threads });
    const file = await openWeightFile(path);
    model = await loadLora(file, device, { rank: 8, targets: ["q_proj", "v_proj"], seed: 1 });
    await file.close();
    // With B at zero A would have no gradient, and half of what is compared would be nothing.
    model.load(
      new Map([...model.matrices()].map(([name, { rank, a, b }]) => [name, { rank, a, b: b.map((_, i) => waves(i)) }])),
    );
    return {};
  },
  async run(task) {
    const batch: TokenBatch = { ...task, sequences: 1, length: task.tokens.length };
    let step: TrainingStep;
    try {
      step = stepFor(task);
    } catch {
      return nothing(Number.POSITIVE_INFINITY);
    }
    try {
      if (step.sizeBytes > 0.9 * freemem()) return nothing(step.sizeBytes);
      forgetPeak();
      const restBytes = status("VmRSS");
      const before = process.cpuUsage();
      const started = performance.now();
      const { loss, gradients } = await step.gradients(batch);
      const { user, system } = process.cpuUsage(before);
      return {
        loss,
        seconds: (performance.now() - started) / 1000,
        processorSeconds: (user + system) / 1e6,
        peakBytes: status("VmHWM"),
        restBytes,
        gradient: joined(gradients),
      };
    } finally {
      step.close();
    }
  },
  async close() {
    model.close();
    await device.close();
  },
};

function stepFor({ method, tokens, chunk, budget, seed }: StepTask): TrainingStep {
  const shape = { sequences: 1, length: tokens.length, seed };
  const optimizer = adamW(model.parameters);
  if (method === "full") return new TrainingStep(model, optimizer, shape);
  if (method === "recompute") return new TrainingStep(model, optimizer, { ...shape, recompute: true });
  const trainer =
    method === "seco" ? secoSpaco({ chunk }) : secoSpaco({ chunk, budget, sampling: "fixed", "hop-cap": 2 });
  return new TrainingStep(model, optimizer, { ...shape, trainer });
}

function nothing(needsBytes: number): StepOutcome {
  const unknown = Number.NaN;
  return {
    ...{ needsBytes, loss: unknown, seconds: unknown, processorSeconds: unknown, peakBytes: unknown },
    ...{ restBytes: unknown, gradient: new Float32Array(0) },
  };
}

function waves(i: number): number {
  return 0.02 * Math.sin(1 + 0.7 * i);
}

function joined(arrays: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/** Bytes of this process: resident now (VmRSS), or at its highest (VmHWM). */
function status(field: string): number {
  const line = readFileSync("/proc/self/status", "utf8").match(new RegExp(`${field}:\\s+(\\d+) kB`));
  return line === null ? process.memoryUsage().rss : 1024 * Number(line[1]);
}

/** The highest begins again from what is resident now. */
function forgetPeak(): void {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Elsewhere the highest of the whole life counts.
  }
}
