import { createHash } from "node:crypto";
import path from "node:path";
import { QuireError } from "../errors.js";
import { architectureNamed } from "../models/registry.js";
import type { Device } from "../tensor/device.js";
import { adamW } from "../tensor/optim/adamw.js";
import { muon } from "../tensor/optim/muon.js";
import type { Optimizer } from "../tensor/optim/optimizer.js";
import { cosineSchedule, plateauSchedule, type Schedule } from "../tensor/optim/schedule.js";
import { sgd } from "../tensor/optim/sgd.js";
import type { Tensor } from "../tensor/tensor.js";
import { ggufTokenizer } from "../text/gguf-tokenizer.js";
import { openHfTokenizer } from "../text/hf-tokenizer.js";
import {
  byteVocabulary,
  type SmallVocabulary,
  symbolVocabulary,
  vocabularyMetadata,
} from "../text/small-vocabulary.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { openWeightFile } from "../weights/open-weight-file.js";
import type { MetadataValue } from "../weights/weight-file.js";
import type { DataSource } from "./data/data-source.js";
import { taskExamples } from "./data/task-examples.js";
import { readTokens } from "./data/text-files.js";
import { tokenWindows } from "./data/token-windows.js";
import type { TrainingPlan } from "./loop.js";
import { type LoraModel, loadLora } from "./lora.js";
import type { NewModelRecipe, ParsedRecipe } from "./recipe.js";
import { taskOf } from "./tasks/every-task.js";
import { endSymbol, type Task } from "./tasks/task.js";
import { loadTrainable, newTrainable, type Trainable, type TrainableModel } from "./trainable.js";
import type { Trainer } from "./trainer.js";

/** From a recipe to a run that can start: model, tokenizer, data, optimiser. */

export interface OpenedRun {
  readonly plan: TrainingPlan;
  readonly model: Trainable;
  /** The same, where an adapter is learnt and not the model's own weights. */
  readonly adapter: LoraModel | undefined;
  readonly tokenizer: Tokenizer;
  /** Of a new model; a model that was trained before brings its own. */
  readonly vocabulary: SmallVocabulary | undefined;
  close(): void;
}

export interface OpenRunOptions {
  readonly device: Device;
  /** Where paths in the recipe begin. */
  readonly base: string;
  readonly folder?: string;
  readonly resume?: boolean;
  /** Files of the model that `from` names, found on this machine. */
  readonly modelPath?: string;
  /** The recipe's trainer, made ready. */
  readonly trainer?: Trainer;
  readonly signal?: AbortSignal;
}

export async function openRun(recipe: ParsedRecipe, options: OpenRunOptions): Promise<OpenedRun> {
  const { device, folder, resume, base, signal } = options;
  const task = taskIn(recipe);
  const vocabulary = "from" in recipe.model ? undefined : vocabularyFor(task);
  const { model, tokenizer, adapter } =
    "from" in recipe.model
      ? await startedFrom(options.modelPath ?? recipe.model.from, recipe, device)
      : madeNew(recipe.model, recipe, vocabulary ?? byteVocabulary(), device);
  try {
    checkVocabulary(tokenizer, model);
    const data = await dataOf(recipe, task, tokenizer, base, signal);
    const { optimizer, close } = optimizerOf(recipe, model);
    const { sequences, length, microbatch, recompute } = recipe.batch;
    const { auxiliary, clip, steps, evaluateEvery, patience, checkpointSeconds } = recipe;
    const plan: TrainingPlan = {
      ...{ model, optimizer, data, steps, folder, resume, patience, checkpointSeconds },
      evaluateEvery,
      schedule: scheduleOf(recipe),
      step: { sequences, length, microbatch, recompute, auxiliary, clip, ...waysOf(recipe, options) },
      fingerprint: fingerprintOf(recipe),
    };
    return {
      ...{ plan, model, adapter, tokenizer, vocabulary },
      close: () => {
        close();
        tokenizer.close();
        model.close();
      },
    };
  } catch (error) {
    tokenizer.close();
    model.close();
    throw error;
  }
}

/** What decides the course of a run: longer ones, and ones that save otherwise, may go on from its checkpoints only where the
 *  schedule is the same too. */
export function fingerprintOf(recipe: ParsedRecipe): string {
  const { title: _, save: __, checkpointSeconds: ___, data, ...rest } = recipe;
  const source = "task" in data && typeof data.task !== "string" ? { ...data, task: data.task.name } : data;
  return createHash("sha256")
    .update(JSON.stringify({ ...rest, data: source }))
    .digest("hex")
    .slice(0, 16);
}

function taskIn({ data }: ParsedRecipe): Task | undefined {
  if (!("task" in data)) return undefined;
  return typeof data.task === "string" ? taskOf(data.task) : data.task;
}

function vocabularyFor(task: Task | undefined): SmallVocabulary {
  if (task === undefined) return byteVocabulary();
  return symbolVocabulary(task.vocabulary, task.vocabulary.includes(endSymbol) ? endSymbol : undefined);
}

function madeNew(recipe: NewModelRecipe, { batch, seed }: ParsedRecipe, vocabulary: SmallVocabulary, device: Device) {
  const tokenizer = ggufTokenizer(vocabularyMetadata(vocabulary));
  const { hiddenSize, heads, kvHeads = heads, layers, epsilon, theta } = recipe;
  if (recipe.headDim === undefined && hiddenSize % heads !== 0) {
    throw new QuireError("bad-option", "The heads do not share the width evenly.", {
      got: `${heads} heads, width ${hiddenSize}`,
      expected: "a width divisible by the heads, or headDim",
    });
  }
  const fields = new Map<string, MetadataValue>([
    ["vocab_size", tokenizer.vocabSize],
    ["embedding_length", hiddenSize],
    ["block_count", layers],
    ["attention.head_count", heads],
    ["attention.head_count_kv", kvHeads],
    ["attention.key_length", recipe.headDim ?? hiddenSize / heads],
    ["attention.value_length", recipe.headDim ?? hiddenSize / heads],
    ["feed_forward_length", recipe.innerSize ?? Math.ceil((8 * hiddenSize) / 3 / 16) * 16],
    ["context_length", recipe.context ?? 2 * batch.length],
    ["attention.layer_norm_rms_epsilon", epsilon],
    ["rope.freq_base", theta],
    ...Object.entries(recipe.fields),
  ]);
  return {
    model: newTrainable(architectureNamed(recipe.architecture), fields, device, seed),
    tokenizer,
    adapter: undefined,
  };
}

function waysOf({ products, seed }: ParsedRecipe, { trainer }: OpenRunOptions) {
  return { products, seed, trainer };
}

interface StartedModel {
  readonly model: Trainable;
  readonly adapter: LoraModel | undefined;
  readonly tokenizer: Tokenizer;
}

async function startedFrom(place: string, { model, seed }: ParsedRecipe, device: Device): Promise<StartedModel> {
  const options = "from" in model ? model.adapter : undefined;
  const file = await openWeightFile(place);
  try {
    const tokenizer =
      file.format === "gguf"
        ? ggufTokenizer(file.metadata)
        : await openHfTokenizer("folder" in file ? file.folder : path.dirname(place));
    if (options === undefined) return { model: await loadTrainable(file, device), tokenizer, adapter: undefined };
    const adapter = await loadLora(file, device, { ...options, seed });
    return { model: adapter, tokenizer, adapter };
  } finally {
    await file.close();
  }
}

function checkVocabulary(tokenizer: Tokenizer, model: TrainableModel): void {
  if (tokenizer.vocabSize <= model.config.vocabSize) return;
  throw new QuireError("bad-input", "The tokenizer knows more tokens than the model.", {
    got: tokenizer.vocabSize,
    expected: `at most ${model.config.vocabSize}`,
    fix: "Use the tokenizer that belongs to the model.",
  });
}

async function dataOf(
  { data, batch, seed }: ParsedRecipe,
  task: Task | undefined,
  tokenizer: Tokenizer,
  base: string,
  signal: AbortSignal | undefined,
): Promise<DataSource> {
  const shape = { sequences: batch.sequences, length: batch.length, seed };
  if (task !== undefined && "task" in data) {
    const known = new Map(task.vocabulary.map((symbol) => [symbol, tokenOf(symbol, tokenizer)]));
    return taskExamples(task, {
      ...shape,
      learn: data.learn,
      evaluationExamples: data.evaluationExamples,
      tokenOf: (symbol) => known.get(symbol) ?? tokenOf(symbol, tokenizer),
    });
  }
  if (!("text" in data)) throw new Error("data without task or text");
  const read = (places: readonly string[]): Promise<Int32Array> =>
    readTokens(
      places.map((place) => path.resolve(base, place)),
      tokenizer,
      signal,
    );
  const validation = data.validation === undefined ? undefined : await read(data.validation);
  const name = data.text.map((place) => path.basename(place)).join(", ");
  return tokenWindows(await read(data.text), { ...shape, name, validation, evaluationBatches: data.evaluationBatches });
}

function tokenOf(symbol: string, tokenizer: Tokenizer): number {
  const tokens = tokenizer.encode(symbol);
  const [token] = tokens;
  if (token !== undefined && tokens.length === 1) return token;
  throw new QuireError("bad-input", `The tokenizer has no single token for ${JSON.stringify(symbol)}.`, {
    got: [...tokens],
    expected: "one token",
    fix: "Train a new model, whose vocabulary is the task's.",
  });
}

function optimizerOf(
  { optimizer: options }: ParsedRecipe,
  model: Trainable,
): { optimizer: Optimizer; close: () => void } {
  const { parameters } = model;
  const decays = (parameter: Tensor): boolean => model.decays(parameter);
  const isEmbedding = ({ name }: Tensor): boolean => /embd|embedding|^output\.weight$/.test(name);
  if (options.name === "sgd") return { optimizer: sgd(parameters, { ...options, decays }), close: () => undefined };
  if (options.name === "adamw") {
    const rateOf = (parameter: Tensor): number => (isEmbedding(parameter) ? options.embeddingRate : 1);
    return { optimizer: adamW(parameters, { ...options, decays, rateOf }), close: () => undefined };
  }
  const optimizer = muon(parameters, {
    ...options,
    isMatrix: (parameter) => !isEmbedding(parameter),
    adamW: { beta2: 0.95, weightDecay: options.weightDecay, decays },
  });
  return { optimizer, close: () => optimizer.close() };
}

function scheduleOf({ schedule, optimizer, steps }: ParsedRecipe): Schedule {
  const peak = optimizer.learningRate;
  const warmup = Math.round(schedule.warmup * steps);
  const floor = schedule.floor * peak;
  if (schedule.kind === "cosine") return cosineSchedule({ peak, warmup, total: steps, floor });
  const decay = schedule.kind === "constant" ? 0 : Math.min(Math.round(schedule.decay * steps), steps - warmup);
  return plateauSchedule({ peak, warmup, total: steps, decay, floor: schedule.kind === "constant" ? peak : floor });
}
