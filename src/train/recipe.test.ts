import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { isQuireError, type QuireError } from "../errors.js";
import { tinyShape, writeTinyModel } from "../models/tiny-models.case.js";
import { closeTestDevice, testDevice } from "../tensor/reference.case.js";
import { byteVocabulary, vocabularyMetadata } from "../text/small-vocabulary.js";
import { openGguf } from "../weights/gguf.js";
import { writeGguf } from "../weights/gguf-write.js";
import { dataOf } from "../weights/tensor-data.js";
import { trainingRun } from "./loop.js";
import { fingerprintOf, openRun } from "./open-run.js";
import { newModel, parseRecipe, type Recipe, recipeSchema } from "./recipe.js";

afterAll(closeTestDevice);

const recipe: Recipe = {
  name: "tiny",
  model: { architecture: "llama", hiddenSize: 32, layers: 1, heads: 4 },
  data: { task: "addition" },
  batch: { sequences: 4, length: 12 },
  steps: 3,
};

function refusal(change: object): QuireError {
  try {
    parseRecipe({ ...recipe, ...change });
  } catch (error) {
    if (isQuireError(error)) return error as QuireError;
  }
  throw new Error("was not refused");
}

describe("a recipe", () => {
  it("has a default for everything else", () => {
    const parsed = parseRecipe(recipe);
    expect(parsed.optimizer).toMatchObject({ name: "adamw", beta2: 0.95 });
    expect(parsed.schedule).toEqual({ kind: "plateau", warmup: 0.05, decay: 0.2, floor: 0 });
    expect(parsed.seed).toBe(1);
  });

  it.each([
    [{ step: 4 }, /no "step"/, /^Did you mean steps/],
    [{ batch: { sequences: 4, lenght: 12 } }, /no "batch.lenght"/, "Did you mean length?"],
    [{ model: { ...recipe.model, hidenSize: 3 } }, /no "model.hidenSize"/, /hiddenSize/],
    [{ data: { tasks: "addition" } }, /no "data.tasks"/, "Did you mean task?"],
    [{ optimizer: { name: "muon", beta1: 0.9 } }, /no "optimizer.beta1"/, undefined],
    [{ optimizer: { name: "adam" } }, /optimizer/, undefined],
    [{ steps: 0 }, /steps cannot be used/, undefined],
    [{ model: { architecture: "llama", hiddenSize: 32.5, layers: 1, heads: 4 } }, /model.hiddenSize/, undefined],
    [{ name: "Bad Name" }, /small letters/, undefined],
  ])("is refused with %j", (change, message, fix) => {
    const error = refusal(change);
    expect(error.code).toBe("bad-option");
    expect(error.message).toMatch(message);
    if (fix !== undefined) expect(error.fix).toMatch(fix);
  });

  it("is refused where it is none", () => {
    expect(() => parseRecipe(undefined)).toThrow(/no recipe/);
    expect(() => parseRecipe([recipe])).toThrow(/no recipe/);
  });

  it("has every key documented", async () => {
    const page = await readFile(new URL("../../docs/guide/recipes.md", import.meta.url), "utf8");
    for (const key of Object.keys(recipeSchema.shape)) expect(page).toContain(`| \`${key}\` |`);
    for (const key of Object.keys(newModel.shape)) expect(page).toContain(`\`${key}\``);
  });

  it("may change its title, its format and its checkpoints and still go on from them", () => {
    const print = (change: object): string => fingerprintOf(parseRecipe({ ...recipe, ...change }));
    expect(print({ title: "other", save: "safetensors", checkpointSeconds: 5 })).toBe(print({}));
    expect(print({ seed: 2 })).not.toBe(print({}));
    expect(print({ steps: 4 })).not.toBe(print({}));
  });
});

describe("an opened run", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "quire-recipe-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const open = (change: object) =>
    openRun(parseRecipe({ ...recipe, ...change }), { device: testDevice(1), base: folder });

  it.each([{ name: "adamw", embeddingRate: 0.5 }, { name: "muon" }, { name: "sgd" }])(
    "trains on a task with %j",
    async (optimizer) => {
      const run = await open({ optimizer });
      const events = [];
      for await (const event of trainingRun(run.plan)) events.push(event);
      expect(events.filter(({ kind }) => kind === "step")).toHaveLength(3);
      expect(events.find(({ kind }) => kind === "evaluation")).toMatchObject({ accuracy: expect.any(Number) });
      run.close();
    },
  );

  it("trains on text, in bf16 too, with the loss of f32 nearly", async () => {
    await writeFile(path.join(folder, "text.txt"), "Nothing is as it was. ".repeat(100));
    const losses: number[] = [];
    for (const products of ["f32", "bf16"]) {
      const run = await open({ data: { text: ["text.txt"] }, products, steps: 6 });
      let last = 0;
      for await (const event of trainingRun(run.plan)) if (event.kind === "step") last = event.loss;
      losses.push(last);
      run.close();
    }
    expect(losses[1]).not.toBe(losses[0]);
    expect(losses[1]).toBeCloseTo(losses[0] as number, 2);
  });

  it("refuses text that is none, too little text, and heads that do not fit", async () => {
    await writeFile(path.join(folder, "short.txt"), "short");
    await writeFile(path.join(folder, "binary.txt"), new Uint8Array(100));
    await expect(open({ data: { text: ["missing.txt"] } })).rejects.toMatchObject({ code: "not-found" });
    await expect(open({ data: { text: ["short.txt"] } })).rejects.toThrow(/shorter than one sequence/);
    await expect(open({ data: { text: ["binary.txt"] } })).rejects.toThrow(/no text/);
    await expect(open({ data: { task: "additon" } })).rejects.toMatchObject({ code: "not-found" });
    await expect(open({ model: { ...recipe.model, heads: 5 } })).rejects.toThrow(/heads/);
    await expect(open({ model: { ...recipe.model, architecture: "lama" } })).rejects.toThrow(/not supported/);
    await expect(open({ auxiliary: { ponder: 1 } }).then((run) => trainingRun(run.plan).next())).rejects.toThrow(
      /no loss called "ponder"/,
    );
  });

  it("goes on from a trained model with its own tokenizer, and refuses one that does not fit", async () => {
    const withTokenizer = async (vocab: number): Promise<string> => {
      const tiny = await writeTinyModel(tinyShape("llama", vocab));
      const file = await openGguf(tiny.path);
      const target = path.join(folder, `${vocab}.gguf`);
      await writeGguf(target, {
        metadata: [...file.metadata, ...vocabularyMetadata(byteVocabulary())],
        metadataTypes: new Map([["tokenizer.ggml.merges", "string[]"]]),
        tensors: [...file.tensors.values()].map((entry) => ({ ...entry, data: dataOf(file, entry) })),
      });
      await file.close();
      await rm(path.dirname(tiny.path), { recursive: true });
      return target;
    };
    await writeFile(path.join(folder, "text.txt"), "Nothing is as it was. ".repeat(100));
    const started = async (vocab: number) =>
      open({ model: { from: await withTokenizer(vocab) }, data: { text: ["text.txt"] } });
    const run = await started(300);
    let first = 0;
    let last = 0;
    for await (const event of trainingRun({ ...run.plan, steps: 8 })) {
      if (event.kind !== "step") continue;
      if (first === 0) first = event.loss;
      last = event.loss;
    }
    expect(last).toBeLessThan(first);
    run.close();
    await expect(started(200)).rejects.toThrow(/more tokens than the model/);
  });
});
