import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { Quire } from "../quire.js";
import { RandomStream } from "../tensor/random.js";
import { closeTestDevice, testDevice } from "../tensor/reference.case.js";
import { greedyAnswers } from "./greedy-answers.js";
import { trainingRun } from "./loop.js";
import { openRun } from "./open-run.js";
import { parseRecipe } from "./recipe.js";
import { judgeTrained } from "./recursion/judge-trained.js";
import { saveGguf } from "./save-model.js";
import { successor } from "./tasks/successor.js";
import { promptAndAnswer } from "./tasks/task.js";

afterAll(closeTestDevice);

const task = successor({ lengths: [1, 6], longest: 9 });
const recipe = parseRecipe({
  name: "small",
  model: { architecture: "llama", hiddenSize: 32, layers: 2, heads: 2, innerSize: 48, context: 64 },
  data: { task, evaluationExamples: 16 },
  batch: { sequences: 16, length: task.longest - 1 },
  steps: 60,
  optimizer: { name: "adamw", learningRate: 5e-3 },
});

it("says what the served model says, and judges it by test set", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "quire-greedy-"));
  const run = await openRun(recipe, { device: testDevice(1), base: "." });
  try {
    const training = trainingRun(run.plan);
    while (!(await training.next()).done);
    const tokenOf = (symbol: string): number => run.tokenizer.encode(symbol)[0] as number;
    const random = new RandomStream(1);
    const examples = [...task.edgeCases("by-depth", 8, random), ...task.edgeCases("longer", 6, random)];
    const options = { tokenOf, vocabulary: task.vocabulary, sequences: 8 };
    const { right, answers } = await greedyAnswers(run.model, examples, options);
    // Half-trained: some answers are right, some end, some do not.
    expect(right).toContain(false);
    const file = path.join(folder, "small.gguf");
    await saveGguf(run.model, file, { name: "small", vocabulary: run.vocabulary });
    await using quire = await Quire.open(file, { device: "cpu", threads: 1, cacheType: "f32" });
    for (const [place, example] of examples.entries()) {
      const { prompt, answer } = promptAndAnswer(example)!;
      const { text } = await quire.complete(prompt.join(""), { maxTokens: answer.length + 7, temperature: 0 });
      const { said, ended } = answers[place]!;
      expect(right[place]).toBe(ended && [...said, "\n"].join() === answer.join());
      expect(text).toBe(said.join(""));
    }
    const few = await greedyAnswers(run.model, examples, { ...options, mostSpelledOut: 1 });
    expect(few.right).toEqual(right);
    expect(few.answers.filter((answer) => answer?.right === false)).toHaveLength(1);

    const judged = { task, function: "succ", asked: "answer" } as const;
    const { sets, depths, analysis } = await judgeTrained(run.model, judged, { tokenOf, seed: 1, cases: 10 });
    expect(Object.keys(sets)).toEqual(["natural", ...task.edgeSets]);
    const all = Object.values(sets).reduce((sum, { cases }) => sum + cases, 0);
    expect(Object.values(depths).reduce((sum, { cases }) => sum + cases, 0)).toBe(all);
    expect(analysis.failures).toBeGreaterThan(0);
    expect(analysis.cases).toBeLessThanOrEqual(all);
  } finally {
    run.close();
    await rm(folder, { recursive: true, force: true });
  }
});
