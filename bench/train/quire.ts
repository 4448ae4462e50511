import { Device } from "../../src/tensor/device.js";
import { adamW } from "../../src/tensor/optim/adamw.js";
import { loadTrainable, type Trainable } from "../../src/train/trainable.js";
import { TrainingStep } from "../../src/train/training-step.js";
import { openWeightFile } from "../../src/weights/open-weight-file.js";
import type { Contender } from "../lib/contender.js";
import { learningRate, optimizer, type TrainLoad, type TrainResult, type TrainTask, trainingText } from "./task.js";

/** Quire's training step. */

let device: Device | undefined;
let model: Trainable | undefined;
let step: TrainingStep | undefined;
let load: TrainLoad | undefined;

export const contender: Contender<TrainLoad, TrainTask, TrainResult> = {
  async load(given) {
    load = given;
    device = Device.open({ device: "cpu", threads: given.threads });
    const file = await openWeightFile(given.weights);
    model = await loadTrainable(file, device);
    await file.close();
    const { sequences, length } = given.shape;
    const made = adamW(model.parameters, { ...optimizer, decays: model.decays });
    step = new TrainingStep(model, made, { sequences, length, products: given.precision });
    return {};
  },
  async run({ steps }) {
    if (step === undefined || load === undefined) throw new Error("nothing is loaded");
    const { sequences, length } = load.shape;
    const batch = { ...trainingText(sequences * length, load.seed), sequences, length };
    const losses: number[] = [];
    let optimizerSeconds = 0;
    const [clock, processor] = [performance.now(), processorSeconds()];
    for (let at = 0; at < steps; at++) {
      const found = await step.gradients(batch);
      const before = processorSeconds();
      losses.push((await step.apply(found, learningRate)).loss);
      optimizerSeconds += processorSeconds() - before;
    }
    return {
      losses,
      seconds: (performance.now() - clock) / 1000,
      processorSeconds: processorSeconds() - processor,
      optimizerSeconds,
    };
  },
  async close() {
    step?.close();
    model?.close();
    await device?.close();
  },
};

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
