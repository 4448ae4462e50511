import { Device } from "../../src/tensor/device.js";
import type { Recipe } from "../../src/train/recipe.js";
import { addSeed, FinishedRuns } from "../lib/finished-runs.js";
import type { Bench, BenchOptions, Column, Findings, Row } from "../lib/report.js";
import type { Spread } from "../lib/statistics.js";
import { trainArm } from "../lib/train-arm.js";
import { type LengthTask, lengthTasks, longestOf, type Score, scoreAt } from "./lengths.js";
import { chase, type Ponder, ponder } from "./ponder.js";

/** The Universal Transformer beside plain transformers of the same blocks: with as many blocks (more weights), and with as many
 *  weights (narrower). Lengths beyond those trained; steps by hops of a question. */

interface Outcome {
  readonly weights: number;
  readonly stepSeconds: number;
  readonly scores?: readonly Score[];
  readonly ponder?: Ponder;
}

interface Size {
  readonly seeds: number;
  readonly steps: number;
  readonly chaseSteps: number;
  readonly questions: number;
}

const full: Size = { seeds: 3, steps: 1500, chaseSteps: 2000, questions: 128 };
const quick: Size = { seeds: 1, steps: 60, chaseSteps: 60, questions: 32 };

const depth = 4;

/** A block of width C has about 8C² weights here, so half the width has a quarter. */
const arms = {
  universal: { title: "universal transformer, 4 steps", hiddenSize: 32, fields: { steps: depth } },
  deep: { title: "plain, 4 blocks (equal depth)", hiddenSize: 32, fields: { steps: 1, blocks_per_step: depth } },
  narrow: { title: "plain, 4 blocks (equal weights)", hiddenSize: 16, fields: { steps: 1, blocks_per_step: depth } },
} as const;

const chaseArms = {
  halting: {
    title: "universal transformer, halting, at most 6 steps",
    fields: { steps: 6, "halting.halted": "freeze", "halting.output": "sum", "halting.bias": 0 },
    auxiliary: { ponder: 0.01 },
  },
  deep: { title: "plain, 6 blocks", fields: { steps: 1, blocks_per_step: 6 }, auxiliary: {} },
} as const;

const columns: Record<string, Column> = {
  answers: { title: "answers right", unit: "%", digits: 0, better: "higher" },
  symbols: { title: "symbols right", unit: "%", digits: 0, better: "higher" },
  steps: { title: "steps", unit: "", digits: 2, better: "lower" },
  weights: { title: "weights without embeddings", unit: "k", digits: 1, better: "neither" },
  stepMs: { title: "processor time a training step", unit: "ms", digits: 1, better: "lower" },
  computed: { title: "rows computed", unit: "%", digits: 0, better: "lower" },
  stagedMs: { title: "512 tokens, step by step", unit: "ms", digits: 2, better: "lower" },
  wholeMs: { title: "512 tokens, all rows", unit: "ms", digits: 2, better: "lower" },
};

function recipeOf(task: LengthTask, arm: keyof typeof arms, seed: number, { steps }: Size): Recipe {
  const made = task.make(1, task.trained);
  const { hiddenSize, fields } = arms[arm];
  return {
    name: `${task.name}-${arm}-${seed}`,
    model: {
      architecture: "universal-transformer",
      ...{ hiddenSize, layers: 1, heads: 4, innerSize: 2 * hiddenSize, context: 128, fields },
    },
    data: { task: made, evaluationExamples: 64 },
    batch: { sequences: 32, length: made.longest - 1 },
    ...{ steps, seed, evaluateEvery: Math.max(1, Math.round(steps / 3)) },
    optimizer: { name: "adamw", learningRate: 4e-3 },
  };
}

function chaseRecipe(arm: keyof typeof chaseArms, seed: number, { chaseSteps: steps }: Size): Recipe {
  const task = chase();
  const { fields, auxiliary } = chaseArms[arm];
  return {
    name: `chase-${arm}-${seed}`,
    model: {
      architecture: "universal-transformer",
      ...{ hiddenSize: 32, layers: 1, heads: 4, innerSize: 64, context: 512, fields },
    },
    data: { task, evaluationExamples: 64 },
    batch: { sequences: 32, length: task.longest - 1 },
    ...{ steps, seed, auxiliary, evaluateEvery: Math.max(1, Math.round(steps / 4)) },
    optimizer: { name: "adamw", learningRate: 4e-3 },
  };
}

export const universalTransformerBench: Bench = { title: "Universal Transformer", run };

async function run(options: BenchOptions): Promise<Findings> {
  const size = options.quick ? quick : full;
  const finished = new FinishedRuns<Outcome>("universal-transformer", 1, { size, arms, chaseArms, seed: options.seed });
  const device = Device.open({ device: "cpu", threads: options.threads ?? 1 });
  const seeds = Array.from({ length: size.seeds }, (_, index) => options.seed + index);
  const shared = { device, folder: finished.folder, progress: options.progress };
  const outcomes = new Map<string, Outcome[]>();
  let ofSeed = new Map<string, Outcome | undefined>();
  const keep = async (key: string, name: string, work: () => Promise<Outcome>): Promise<void> => {
    ofSeed.set(key, options.saved === true ? await finished.get(name) : await finished.once(name, work));
  };
  try {
    // Seed by seed, so that a run that was stopped has something of everything.
    for (const seed of seeds) {
      for (const task of lengthTasks) {
        for (const arm of Object.keys(arms) as (keyof typeof arms)[]) {
          const recipe = recipeOf(task, arm, seed, size);
          await keep(`${task.name} ${arm}`, recipe.name, () =>
            trainArm(recipe, { ...shared, firstPositions: longestOf(task) }, async ({ run: opened, stepSeconds }) => {
              const scores: Score[] = [];
              for (const length of task.tested) scores.push(await scoreAt(opened.model, task, length, size.questions));
              return { weights: blockWeights(opened.model), stepSeconds, scores };
            }),
          );
        }
      }
      for (const arm of Object.keys(chaseArms) as (keyof typeof chaseArms)[]) {
        const recipe = chaseRecipe(arm, seed, size);
        await keep(`chase ${arm}`, recipe.name, () =>
          trainArm(recipe, shared, async ({ run: opened, stepSeconds }) => ({
            ...{ weights: blockWeights(opened.model), stepSeconds },
            ponder: await ponder(opened, size.questions),
          })),
        );
      }
      addSeed(outcomes, ofSeed);
      ofSeed = new Map();
    }
  } finally {
    await device.close();
  }
  return findings(outcomes, size, options.saved === true);
}

/** Weights of the blocks: those of embeddings depend on the task alone. */
function blockWeights({ parameters }: { parameters: readonly { name: string; elements: number }[] }): number {
  return parameters.filter(({ name }) => name.startsWith("blk.")).reduce((sum, { elements }) => sum + elements, 0);
}

function findings(outcomes: ReadonlyMap<string, Outcome[]>, size: Size, saved: boolean): Findings {
  const rows: Row[] = [];
  const ratios: Record<string, number> = {};
  for (const task of lengthTasks) {
    for (const [at, length] of task.tested.entries()) {
      for (const [arm, { title }] of Object.entries(arms)) {
        const found = outcomes.get(`${task.name} ${arm}`) ?? [];
        if (found.length === 0) continue;
        const score = (one: Outcome) => one.scores?.[at] ?? { answers: Number.NaN, symbols: Number.NaN };
        rows.push({
          setting: `${task.name}, ${length} symbols${length > task.trained ? "" : " (trained)"}`,
          contender: title,
          measures: {
            answers: range(found.map((one) => 100 * score(one).answers)),
            symbols: range(found.map((one) => 100 * score(one).symbols)),
            weights: range(found.map(({ weights }) => weights / 1000)),
            stepMs: range(found.map(({ stepSeconds }) => 1000 * stepSeconds)),
          },
        });
      }
    }
    const beyond = (arm: string): number => {
      const found = outcomes.get(`${task.name} ${arm}`) ?? [];
      return mean(found.flatMap(({ scores = [] }) => scores.slice(1).map(({ symbols }) => symbols)));
    };
    ratios[`${task.name}: symbols beyond the trained length, universal - equal depth`] =
      beyond("universal") - beyond("deep");
    ratios[`${task.name}: symbols beyond the trained length, universal - equal weights`] =
      beyond("universal") - beyond("narrow");
  }
  for (const [arm, { title }] of Object.entries(chaseArms)) {
    const found = outcomes.get(`chase ${arm}`) ?? [];
    if (found.length === 0) continue;
    const halts = arm === "halting";
    for (const hops of [1, 2, 3]) {
      rows.push({
        setting: `pointer chase, ${hops} hop${hops === 1 ? "" : "s"}`,
        contender: title,
        measures: {
          answers: range(found.map((one) => 100 * (one.ponder?.right[hops - 1] ?? Number.NaN))),
          ...(halts ? { steps: range(found.map((one) => one.ponder?.steps[hops - 1] ?? Number.NaN)) } : {}),
        },
      });
    }
    rows.push({
      setting: "pointer chase, served",
      contender: title,
      measures: {
        weights: range(found.map(({ weights }) => weights / 1000)),
        stepMs: range(found.map(({ stepSeconds }) => 1000 * stepSeconds)),
        ...(halts
          ? {
              steps: range(found.map((one) => one.ponder?.meanSteps ?? Number.NaN)),
              computed: range(found.map((one) => 100 * (one.ponder?.computed ?? Number.NaN))),
              stagedMs: range(found.map((one) => one.ponder?.stagedMs ?? Number.NaN)),
            }
          : {}),
        wholeMs: range(found.map((one) => one.ponder?.wholeMs ?? Number.NaN)),
      },
    });
    if (!halts) continue;
    const steps = (hops: number) => mean(found.map((one) => one.ponder?.steps[hops - 1] ?? Number.NaN));
    ratios["steps at 2 hops - at 1 hop"] = steps(2) - steps(1);
    ratios["steps at 3 hops - at 2 hops"] = steps(3) - steps(2);
    ratios["rows computed / all rows"] = mean(found.map((one) => one.ponder?.computed ?? Number.NaN));
    ratios["time step by step / all rows"] = mean(
      found.map((one) => (one.ponder?.stagedMs ?? Number.NaN) / (one.ponder?.wholeMs ?? Number.NaN)),
    );
  }
  const seeds = Math.min(size.seeds, ...[...outcomes.values()].map(({ length }) => length));
  return {
    title: "Universal Transformer: lengths beyond those trained, and steps by hops",
    summary:
      "Every contender is made of the same blocks, trained on the same batches in the same order, with the same optimiser and one learning rate. Means over seeds, brackets: smallest and largest. Symbols are counted after right symbols. Batches begin at positions drawn at random, so that all positions asked have been seen. With halting, steps are those that the engine took, row by row, when the saved model was opened again.",
    columns,
    rows,
    ratios,
    targets: { "steps at 2 hops - at 1 hop": { atLeast: 0 }, "rows computed / all rows": { atMost: 1 } },
    checks: [],
    charts: [{ measure: "symbols", title: "Symbols right, by length" }],
    versions: {},
    notes: [
      ...(saved ? ["Printed from what a run had measured that was not finished (`--saved`)."] : []),
      `${seeds} of ${size.seeds} seeds, ${size.steps} steps of 32 examples (pointer chase: ${size.chaseSteps}), width 32 (16 where weights are equal), learning rate 4e-3, not searched for.`,
      "The plain transformers add the signals of position once, before the first block.",
      "Much smaller and shorter than the paper's models (1 to 40 symbols, millions of weights): what is missing here may come with size.",
    ],
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function range(values: readonly number[]): Spread {
  const known = values.filter((value) => !Number.isNaN(value));
  return { value: mean(known), low: Math.min(...known), high: Math.max(...known), n: known.length };
}
