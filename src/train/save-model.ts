import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { QuireError } from "../errors.js";
import type { PreNormConfig } from "../models/blocks/pre-norm-model.js";
import { elements } from "../tensor/shape.js";
import { Storage } from "../tensor/storage.js";
import { type SmallVocabulary, vocabularyJson, vocabularyMetadata } from "../text/small-vocabulary.js";
import { writingError } from "../weights/atomic-file.js";
import type { GgufType } from "../weights/gguf-types.js";
import { writeGguf } from "../weights/gguf-write.js";
import { writeSafetensors } from "../weights/safetensors-write.js";
import type { MetadataValue } from "../weights/weight-file.js";
import type { Trainable } from "./trainable.js";

/** Writes a trained model as files that the engine opens like any other: one GGUF file, tokenizer inside, or a folder with
 *  model.safetensors, config.json and tokenizer.json. */

export interface SaveOptions {
  readonly name: string;
  /** Left out where the model's own files bring the tokenizer along. */
  readonly vocabulary?: SmallVocabulary;
  /** Kept in the file under "quire.": seed, steps, data. */
  readonly notes?: Readonly<Record<string, MetadataValue>>;
  readonly signal?: AbortSignal;
}

interface NamedValues {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export async function saveGguf(model: Trainable, file: string, options: SaveOptions): Promise<void> {
  const { name, vocabulary, notes = {}, signal } = options;
  const metadata = new Map(ggufFields(model));
  metadata.set("general.name", name);
  for (const [key, value] of vocabulary === undefined ? [] : vocabularyMetadata(vocabulary)) metadata.set(key, value);
  for (const [key, value] of Object.entries(notes)) metadata.set(`quire.${key}`, value);
  const types = new Map<string, GgufType>();
  for (const [key, value] of metadata) {
    const isFraction = typeof value === "number" && (!Number.isInteger(value) || /epsilon$|freq_base/.test(key));
    if (isFraction) types.set(key, "f32");
    if (Array.isArray(value) && value.length === 0) types.set(key, "string[]");
  }
  const tensors = read(model, "gguf").map(({ name: tensor, shape, values }) => ({
    name: tensor,
    dtype: "f32" as const,
    shape,
    data: bytesOf(values),
  }));
  await writeGguf(file, { metadata, metadataTypes: types, tensors, signal });
}

/** Published names and layout, so that other programs read it too. */
export async function saveSafetensors(model: Trainable, folder: string, options: SaveOptions): Promise<void> {
  const { vocabulary, notes = {}, signal } = options;
  const config = { ...jsonFields(model), quire: plain(notes) };
  const tensors = read(model, "safetensors").map(({ name, shape, values }) => ({
    name,
    dtype: "f32" as const,
    shape,
    data: bytesOf(values),
  }));
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writingError(folder, error);
  });
  await writeJson(path.join(folder, "config.json"), config);
  if (vocabulary !== undefined) {
    const { tokenizer, config: settings } = vocabularyJson(vocabulary);
    await writeJson(path.join(folder, "tokenizer.json"), tokenizer);
    await writeJson(path.join(folder, "tokenizer_config.json"), settings);
  }
  await writeSafetensors(path.join(folder, "model.safetensors"), { tensors, signal, notes: { format: "pt" } });
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, undefined, 2)}\n`).catch((error: unknown) => {
    throw writingError(file, error);
  });
}

/** What a file of the model's own says of it; a new model's fields get the architecture's prefix. */
function ggufFields({ metadata, architecture }: Trainable): [string, MetadataValue][] {
  const isPlain = (key: string): boolean =>
    /^(general|tokenizer|quire)\./.test(key) || key.startsWith(architecture.name);
  return [...metadata]
    .filter(([key]) => key !== "general.file_type" && !key.startsWith("safetensors."))
    .map(([key, value]) => [isPlain(key) ? key : `${architecture.name}.${key}`, value]);
}

/** GGUF names of the fields that config.json knows under others. */
const publishedFields: Readonly<Record<string, string>> = {
  embedding_length: "hidden_size",
  block_count: "num_hidden_layers",
  "attention.head_count": "num_attention_heads",
  "attention.head_count_kv": "num_key_value_heads",
  "attention.key_length": "head_dim",
  feed_forward_length: "intermediate_size",
  context_length: "max_position_embeddings",
  "attention.layer_norm_rms_epsilon": "rms_norm_eps",
  "rope.freq_base": "rope_theta",
};

function jsonFields({ metadata, architecture, config }: Trainable): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    model_type: architecture.name,
    vocab_size: config.vocabSize,
    tie_word_embeddings: true,
    torch_dtype: "float32",
  };
  for (const [key, value] of metadata) {
    if (/^(general|tokenizer|quire|safetensors)\./.test(key)) continue;
    const bare = key.startsWith(`${architecture.name}.`) ? key.slice(architecture.name.length + 1) : key;
    fields[publishedFields[bare] ?? bare] = asJson(value);
  }
  return fields;
}

function plain(notes: Readonly<Record<string, MetadataValue>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(notes).map(([key, value]) => [key, asJson(value)]));
}

function asJson(value: MetadataValue): unknown {
  if (typeof value === "bigint") return Number(value);
  return ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<number>, Number) : value;
}

/** Weights one by one, under the names of the format. */
function read(model: Trainable, format: "gguf" | "safetensors"): NamedValues[] {
  const result: NamedValues[] = [];
  for (const parameter of model.parameters) {
    const storage = parameter.owner;
    if (!(storage instanceof Storage)) throw new Error(`${parameter.name} lies in no storage`);
    for (const { name, shape, start, from } of model.members.get(parameter.name) ?? []) {
      const values = new Float32Array(elements(shape));
      storage.read(parameter, values, 4 * start);
      result.push({
        name: (format === "gguf" ? from[0] : from[1]) ?? name,
        shape,
        values: inOrderOf(format, model, name, values),
      });
    }
  }
  return result;
}

/** Llama's GGUF files rotate neighbouring numbers, its published safetensors the two halves of a head: rows of queries and keys
 *  lie in another order. */
function inOrderOf(format: "gguf" | "safetensors", model: Trainable, name: string, values: Float32Array): Float32Array {
  const rotary = (model.config as Partial<PreNormConfig>).rotary;
  if (rotary === undefined || !/attn_[qk]\.weight$/.test(name)) return values;
  const inGguf = pairsInGguf.has(model.architecture.name) ? "pairs" : rotary.style;
  const wanted = format === "gguf" ? inGguf : "neox";
  if (rotary.style === wanted) return values;
  const { headDim, hiddenSize } = model.config;
  if (rotary.dims !== headDim) {
    throw new QuireError("unsupported", `${model.architecture.name} cannot be written in this layout.`, {
      got: `${rotary.dims} of ${headDim} dimensions are rotated`,
      fix: `Save it as ${format === "gguf" ? "safetensors" : "GGUF"}.`,
    });
  }
  const sorted = new Float32Array(values.length);
  const half = headDim / 2;
  for (let row = 0; row < values.length / hiddenSize; row++) {
    const place = row % headDim;
    const partner =
      wanted === "neox" ? (place % 2) * half + Math.floor(place / 2) : (place % half) * 2 + Math.floor(place / half);
    const to = row - place + partner;
    sorted.set(values.subarray(row * hiddenSize, (row + 1) * hiddenSize), to * hiddenSize);
  }
  return sorted;
}

const pairsInGguf: ReadonlySet<string> = new Set(["llama"]);

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
