import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Device } from "../../src/tensor/device.js";
import { RandomStream } from "../../src/tensor/random.js";
import { trainingRun } from "../../src/train/loop.js";
import { type OpenedRun, openRun } from "../../src/train/open-run.js";
import { parseRecipe, type Recipe } from "../../src/train/recipe.js";

/** One training of a comparison, from a recipe to what is measured of the model that comes out. Stopped, it goes on from its last
 *  checkpoint. */

export interface ArmOptions {
  readonly device: Device;
  /** Where checkpoints lie while it runs. */
  readonly folder: string;
  /** Sequences of a batch begin at one position below this, drawn for each batch. */
  readonly firstPositions?: number;
  progress(text: string): void;
}

export interface Trained {
  readonly run: OpenedRun;
  /** Of the last evaluation: its loss. */
  readonly loss: number;
  /** And named losses and figures. */
  readonly auxiliary: Readonly<Record<string, number>>;
  /** Processor seconds a step. */
  readonly stepSeconds: number;
}

export async function trainArm<Outcome>(
  recipe: Recipe,
  options: ArmOptions,
  measure: (trained: Trained) => Promise<Outcome>,
): Promise<Outcome> {
  const { device, progress, firstPositions } = options;
  const folder = join(options.folder, recipe.name);
  const run = await openRun(parseRecipe(recipe), { device, base: ".", folder, resume: true });
  try {
    const { data } = run.plan;
    const batch = (step: number) => ({
      ...data.batch(step),
      firstPosition: new RandomStream(recipe.seed ?? 1, `first position ${step}`).below(firstPositions ?? 1),
    });
    let auxiliary: Trained["auxiliary"] = {};
    let loss = Number.NaN;
    let steps = 0;
    const before = processorSeconds();
    for await (const event of trainingRun({ ...run.plan, data: { ...data, batch } })) {
      if (event.kind === "step") steps++;
      if (event.kind !== "evaluation") continue;
      ({ loss, auxiliary } = event);
      const accuracy = event.accuracy === undefined ? "" : `, ${(100 * event.accuracy).toFixed(0)} % right`;
      progress(`${recipe.name}: step ${event.step} of ${recipe.steps}, loss ${event.loss.toFixed(3)}${accuracy}`);
    }
    const stepSeconds = steps === 0 ? Number.NaN : (processorSeconds() - before) / steps;
    const outcome = await measure({ run, loss, auxiliary, stepSeconds });
    await rm(folder, { recursive: true, force: true });
    return outcome;
  } finally {
    run.close();
  }
}

export function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
