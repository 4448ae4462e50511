import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { llama } from "../models/llama.js";
import { closeTestDevice, testDevice } from "../tensor/reference.case.js";
import { byteVocabulary, vocabularyMetadata } from "../text/small-vocabulary.js";
import { readAdapter } from "../weights/adapter-file.js";
import { openWeightFile } from "../weights/open-weight-file.js";
import { trainingRun } from "./loop.js";
import { openRun } from "./open-run.js";
import { parseRecipe } from "./recipe.js";
import { saveGguf } from "./save-model.js";
import { secoSpaco } from "./seco-spaco.js";
import { newTrainable } from "./trainable.js";

afterAll(closeTestDevice);

it("a recipe learns an adapter chunk by chunk: the loss falls, the model stays, the file fits the model", async () => {
  const folder = await mkdtemp(join(tmpdir(), "quire-lora-run-"));
  const vocabulary = byteVocabulary();
  const tokens = vocabularyMetadata(vocabulary).get("tokenizer.ggml.tokens") as readonly string[];
  const fields = {
    vocab_size: tokens.length,
    embedding_length: 32,
    block_count: 2,
    "attention.head_count": 4,
    feed_forward_length: 48,
    context_length: 256,
    "attention.layer_norm_rms_epsilon": 1e-5,
  };
  const base = newTrainable(llama as never, new Map(Object.entries(fields)), testDevice(1), 1);
  const model = join(folder, "base.gguf");
  await saveGguf(base, model, { name: "base", vocabulary });
  base.close();
  await writeFile(join(folder, "text.txt"), "the quick brown fox jumps over the lazy dog. ".repeat(200));
  const recipe = parseRecipe({
    name: "tiny",
    model: { from: "base.gguf", adapter: { rank: 4, targets: ["q_proj", "v_proj", "down_proj"] } },
    data: { text: ["text.txt"], evaluationBatches: 1 },
    batch: { sequences: 2, length: 40 },
    trainer: "seco-spaco:chunk=16",
    steps: 30,
    evaluateEvery: 10,
    optimizer: { name: "adamw", learningRate: 2e-2, weightDecay: 0 },
  });
  const trainer = secoSpaco({ chunk: 16 });
  const run = await openRun(recipe, { device: testDevice(1), base: folder, modelPath: model, trainer });
  const losses: number[] = [];
  for await (const event of trainingRun(run.plan)) if (event.kind === "evaluation") losses.push(event.loss);
  expect(losses).toHaveLength(3);
  expect(losses.at(-1)).toBeLessThan((losses[0] as number) - 0.1);
  expect(run.model.parameters).toHaveLength(12);
  await run.adapter?.save(join(folder, "adapter"));
  const learnt = run.adapter?.matrices();
  run.close();
  const file = await openWeightFile(model);
  const adapter = await readAdapter(join(folder, "adapter"), llama.weights(llama.readConfig(file), file));
  await file.close();
  expect(adapter.matrices).toEqual(learnt);
  expect(adapter.scale).toBe(2);
  await rm(folder, { recursive: true });
});
