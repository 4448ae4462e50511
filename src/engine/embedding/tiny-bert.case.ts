import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PlainBert } from "../../models/bert-reference.case.js";
import { writeGguf } from "../../weights/gguf-write.js";
import { writeSafetensors } from "../../weights/safetensors-write.js";
import type { MetadataValue } from "../../weights/weight-file.js";

/** A small BERT with random weights, as a folder of safetensors or as GGUF, and as what the plain reference takes. */

export interface TinyOptions {
  readonly layers?: number;
  readonly heads?: number;
  readonly width?: number;
  readonly inner?: number;
  readonly positions?: number;
  readonly activation?: PlainBert["activation"];
  readonly seed?: number;
}

export interface TinyBert extends Required<TinyOptions>, PlainBert {
  readonly tensors: ReadonlyMap<string, { shape: number[]; values: Float32Array }>;
}

const letters = [..."abcdefghijklmnopqrstuvwxyz0123456789.,!?-你世界"];
export const tinyVocabulary = [
  ...["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
  ...letters,
  ...letters.map((letter) => `##${letter}`),
  ...["the", "fox", "##ing", "jump"],
];

export function tinyBert(options: TinyOptions = {}): TinyBert {
  const given = { layers: 2, heads: 4, width: 64, inner: 96, positions: 80, activation: "gelu", seed: 1, ...options };
  const { layers, width, inner, positions } = given;
  const random = randomNumbers(given.seed);
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  const add = (name: string, shape: number[], spread: number, centre = 0) => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    tensors.set(name, { shape, values: Float32Array.from({ length: size }, () => centre + spread * random()) });
  };
  const norm = (name: string) => {
    add(`${name}.weight`, [width], 0.3, 1);
    add(`${name}.bias`, [width], 0.3);
  };
  const dense = (name: string, rows: number, columns: number) => {
    add(`${name}.weight`, [rows, columns], 3 / Math.sqrt(columns));
    add(`${name}.bias`, [rows], 0.3);
  };
  add("embeddings.word_embeddings.weight", [tinyVocabulary.length, width], 1);
  add("embeddings.position_embeddings.weight", [positions, width], 0.5);
  add("embeddings.token_type_embeddings.weight", [2, width], 0.5);
  norm("embeddings.LayerNorm");
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `encoder.layer.${layer}.${part}`;
    for (const part of ["query", "key", "value"]) dense(name(`attention.self.${part}`), width, width);
    dense(name("attention.output.dense"), width, width);
    norm(name("attention.output.LayerNorm"));
    dense(name("intermediate.dense"), inner, width);
    dense(name("output.dense"), width, inner);
    norm(name("output.LayerNorm"));
  }
  return {
    ...(given as Required<TinyOptions>),
    epsilon: 1e-12,
    tensors,
    tensor: (name) => tensors.get(name)!.values,
  };
}

export interface FolderOptions {
  /** The tensors' name in the file; default the published one. */
  readonly rename?: (name: string) => string;
  readonly pooling?: string;
  readonly modules?: readonly string[];
  readonly maxTokens?: number;
  readonly config?: Record<string, unknown>;
}

export async function writeTinyFolder(folder: string, model: TinyBert, options: FolderOptions = {}): Promise<void> {
  const {
    rename = (name) => name,
    pooling = "mean_tokens",
    modules = ["Transformer", "Pooling", "Normalize"],
  } = options;
  await mkdir(join(folder, "1_Pooling"), { recursive: true });
  await writeSafetensors(join(folder, "model.safetensors"), {
    tensors: [...model.tensors].map(([name, { shape, values }]) => ({
      name: rename(name),
      dtype: "f32",
      shape,
      data: bytesOf(values),
    })),
  });
  const files: Record<string, unknown> = {
    "config.json": {
      model_type: "bert",
      hidden_size: model.width,
      num_hidden_layers: model.layers,
      num_attention_heads: model.heads,
      intermediate_size: model.inner,
      hidden_act: model.activation,
      max_position_embeddings: model.positions,
      layer_norm_eps: model.epsilon,
      vocab_size: tinyVocabulary.length,
      ...options.config,
    },
    "tokenizer.json": tokenizerJson(),
    "modules.json": modules.map((type, idx) => ({
      idx,
      name: String(idx),
      path: type === "Pooling" ? "1_Pooling" : "",
      type: `sentence_transformers.models.${type}`,
    })),
    "1_Pooling/config.json": { word_embedding_dimension: model.width, [`pooling_mode_${pooling}`]: true },
    ...(options.maxTokens === undefined
      ? {}
      : { "sentence_bert_config.json": { max_seq_length: options.maxTokens, do_lower_case: false } }),
  };
  for (const [name, value] of Object.entries(files)) await writeFile(join(folder, name), JSON.stringify(value));
}

function tokenizerJson(): unknown {
  const special = (id: number) => ({
    id,
    content: tinyVocabulary[id],
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [0, 1, 2, 3, 4].map(special),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [
        { SpecialToken: { id: "[CLS]", type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { SpecialToken: { id: "[SEP]", type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
        "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
      },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tinyVocabulary.map((text, id) => [text, id])),
    },
  };
}

/** Names as llama.cpp writes them. */
const ggufNames: [RegExp, string][] = [
  [/^embeddings\.word_embeddings/, "token_embd"],
  [/^embeddings\.position_embeddings/, "position_embd"],
  [/^embeddings\.token_type_embeddings/, "token_types"],
  [/^embeddings\.LayerNorm/, "token_embd_norm"],
  [/^encoder\.layer\.(\d+)\.attention\.self\.query/, "blk.$1.attn_q"],
  [/^encoder\.layer\.(\d+)\.attention\.self\.key/, "blk.$1.attn_k"],
  [/^encoder\.layer\.(\d+)\.attention\.self\.value/, "blk.$1.attn_v"],
  [/^encoder\.layer\.(\d+)\.attention\.output\.dense/, "blk.$1.attn_output"],
  [/^encoder\.layer\.(\d+)\.attention\.output\.LayerNorm/, "blk.$1.attn_output_norm"],
  [/^encoder\.layer\.(\d+)\.intermediate\.dense/, "blk.$1.ffn_up"],
  [/^encoder\.layer\.(\d+)\.output\.dense/, "blk.$1.ffn_down"],
  [/^encoder\.layer\.(\d+)\.output\.LayerNorm/, "blk.$1.layer_output_norm"],
];

export async function writeTinyGguf(path: string, model: TinyBert, poolingType: number): Promise<void> {
  const metadata: [string, MetadataValue][] = [
    ["general.architecture", "bert"],
    ["general.name", "tiny"],
    ["bert.block_count", model.layers],
    ["bert.context_length", model.positions],
    ["bert.embedding_length", model.width],
    ["bert.feed_forward_length", model.inner],
    ["bert.attention.head_count", model.heads],
    ["bert.attention.layer_norm_epsilon", model.epsilon],
    ["bert.attention.causal", false],
    ["bert.pooling_type", poolingType],
    ["tokenizer.ggml.model", "bert"],
    // The start of a word is marked, not its continuation.
    [
      "tokenizer.ggml.tokens",
      tinyVocabulary.map((text) =>
        /^\[.+\]$/.test(text) ? text : text.startsWith("##") ? text.slice(2) : `\u2581${text}`,
      ),
    ],
    ["tokenizer.ggml.token_type", Int32Array.from(tinyVocabulary, (_, id) => (id < 5 ? 3 : 1))],
    ["tokenizer.ggml.bos_token_id", 2],
    ["tokenizer.ggml.cls_token_id", 2],
    ["tokenizer.ggml.seperator_token_id", 3],
    ["tokenizer.ggml.unknown_token_id", 1],
    ["tokenizer.ggml.padding_token_id", 0],
  ];
  await writeGguf(path, {
    metadata,
    tensors: [...model.tensors].map(([name, { shape, values }]) => ({
      name: ggufNames.reduce((text, [pattern, to]) => text.replace(pattern, to), name),
      dtype: "f32",
      shape,
      data: bytesOf(values),
    })),
  });
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Repeatable numbers from -1 to 1. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
