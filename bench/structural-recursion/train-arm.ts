import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Device } from "../../src/tensor/device.js";
import { trainingRun } from "../../src/train/loop.js";
import { openRun } from "../../src/train/open-run.js";
import { parseRecipe, type Recipe } from "../../src/train/recipe.js";
import { type Judgement, judgeTrained } from "../../src/train/recursion/judge-trained.js";
import { cacheFolder } from "../../src/weights/cache-folder.js";
import { type Arm, learningRate, modelSize, sequences } from "./arms.js";

/** Trains one arm with one seed, or goes on where an earlier run was stopped, and puts it before the suite. */

export interface ArmOutcome extends Judgement {
  readonly weights: number;
  readonly seconds: number;
  readonly lastLoss: number;
}

export interface ArmRun {
  readonly arm: Arm;
  readonly seed: number;
  readonly steps: number;
  /** Cases of a test set. */
  readonly cases: number;
  readonly device: Device;
  /** Names the checkpoint. */
  readonly key: string;
  progress(text: string): void;
}

export async function trainArm({ arm, seed, steps, cases, device, key, progress }: ArmRun): Promise<ArmOutcome> {
  const folder = join(cacheFolder(), "bench", `structural-recursion-${key}`);
  const run = await openRun(parseRecipe(recipeOf(arm, seed, steps)), { device, base: ".", folder, resume: true });
  try {
    const training = trainingRun(run.plan);
    let event = await training.next();
    for (; !event.done; event = await training.next()) {
      if (event.value.kind !== "evaluation") continue;
      const { step, loss, accuracy = 0 } = event.value;
      progress(`step ${step} of ${steps}, kept back ${loss.toFixed(3)}, ${(100 * accuracy).toFixed(0)} % right`);
    }
    const { seconds, curve } = event.value;
    const tokenOf = (symbol: string): number => run.tokenizer.encode(symbol)[0] as number;
    const judgement = await judgeTrained(run.model, arm, { tokenOf, seed, cases });
    await rm(folder, { recursive: true, force: true });
    return {
      ...judgement,
      weights: run.model.count,
      seconds,
      lastLoss: curve.evaluations.at(-1)?.loss ?? Number.NaN,
    };
  } finally {
    run.close();
  }
}

export function recipeOf(arm: Arm, seed: number, steps: number): Recipe {
  return {
    name: "structural-recursion",
    model: { architecture: arm.architecture, ...modelSize, fields: { ...arm.fields } },
    data: { task: arm.task, evaluationExamples: 256 },
    batch: { sequences, length: arm.task.longest - 1 },
    steps,
    optimizer: { name: "adamw", learningRate },
    evaluateEvery: Math.max(1, Math.round(steps / 5)),
    checkpointSeconds: 30,
    seed,
  };
}
