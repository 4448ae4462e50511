import { QuireError } from "../errors.js";
import type { Tensor } from "../tensor/tensor.js";
import type { WeightRequest, Weights } from "../weights/load.js";
import type { WeightFile } from "../weights/weight-file.js";
import type { Architecture, ModelConfig } from "./architecture.js";
import { biasedProduct } from "./blocks/biased-product.js";
import { layerNumbers } from "./blocks/head.js";
import { singleStack, stackedLinear } from "./blocks/stacked-linear.js";
import { type MetadataReader, metadataReader } from "./metadata-reader.js";

/** BERT, for sentence embeddings: MiniLM, BGE, E5, GTE and their kin. Every row sees its whole sequence; post-norm blocks; learnt
 *  positions. All rows are of segment 0. The result is the hidden states, which `engine/embedder.ts` pools. Paper: Devlin et al.
 *  2018, arXiv 1810.04805. */

export interface BertConfig extends ModelConfig {
  readonly intermediateSize: number;
  readonly epsilon: number;
  readonly segments: number;
  readonly activation: Activation;
}

/** GGUF does not say which; the models are trained with the exact form, "gelu". */
const activations = {
  gelu: (x: Tensor) => x.geluErf(),
  gelu_new: (x: Tensor) => x.geluTanh(),
  gelu_pytorch_tanh: (x: Tensor) => x.geluTanh(),
  relu: (x: Tensor) => x.relu(),
};

type Activation = keyof typeof activations;

export const bert: Architecture<BertConfig> = {
  name: "bert",
  kind: "encoder",
  readConfig,
  weights: (config, file) => [
    ...outerWeights(config, file),
    ...layerNumbers(config).flatMap((layer) => layerWeights(config, layer)),
  ],
  memory: (config) => layerNumbers(config).map(() => ({ kind: "none" })),
  forward: (config, weights, batch) => {
    const { numHeads, headDim } = config;
    const normed = (x: Tensor, name: string): Tensor =>
      x
        .layerNorm(config.epsilon)
        .mul(weights.get(`${name}.weight`))
        .add(weights.get(`${name}.bias`));
    const words = batch.graph.use(weights.get("token_embd.weight")).getRows(batch.tokens);
    const positions = batch.graph.use(weights.get("position_embd.weight")).getRows(batch.positions);
    const segment = batch.graph.use(weights.get("token_types.weight")).slice(0, 0, 1);
    let x = normed(words.add(positions).add(segment), "token_embd_norm");
    for (const layer of layerNumbers(config)) {
      const block = `blk.${layer}`;
      const [q, k, v] = queriesKeysValues(x, weights, `${block}.attn_qkv`).map((part) => part.splitLast(numHeads)) as [
        Tensor,
        Tensor,
        Tensor,
      ];
      let attended = batch.attend(layer, q, k, v, { scale: 1 / Math.sqrt(headDim) });
      if (layer === config.numLayers - 1) {
        attended = batch.wanted(attended);
        x = batch.wanted(x);
      }
      x = normed(dense(attended, weights, `${block}.attn_output`).add(x), `${block}.attn_output_norm`);
      const inner = activations[config.activation](dense(x, weights, `${block}.ffn_up`));
      x = normed(dense(inner, weights, `${block}.ffn_down`).add(x), `${block}.layer_output_norm`);
    }
    return x;
  },
};

function queriesKeysValues(x: Tensor, weights: Weights, group: string): Tensor[] {
  const weight = singleStack(weights, group);
  const bias = singleStack(weights, `${group}.bias`);
  if (weight === undefined || bias === undefined) return stackedLinear(x, weights, group);
  const all = biasedProduct(x, weight, bias);
  const width = weight.size(0) / 3;
  return [0, 1, 2].map((part) => all.slice(-1, part * width, width));
}

function dense(x: Tensor, weights: Weights, name: string): Tensor {
  return biasedProduct(x, weights.get(`${name}.weight`), weights.get(`${name}.bias`));
}

function readConfig(file: WeightFile): BertConfig {
  const reader = metadataReader(file, "bert");
  const hiddenSize = reader.integer(["embedding_length", "hidden_size"], { max: 2 ** 16 });
  const numHeads = reader.integer(["attention.head_count", "num_attention_heads"], { max: 1024 });
  if (hiddenSize % numHeads !== 0) {
    throw new QuireError("bad-file", `${file.path}: the heads do not share the hidden width evenly.`, {
      got: `${numHeads} heads of ${hiddenSize}`,
      expected: "a number of heads that divides the width",
    });
  }
  const words = tensorOf(file, names("token_embd.weight"));
  const segments = tensorOf(file, names("token_types.weight"));
  return {
    vocabSize: words?.shape[0] ?? reader.integer(["vocab_size"], { max: 2 ** 24 }),
    segments: segments?.shape[0] ?? reader.integer(["type_vocab_size"], { max: 1024, default: 2 }),
    hiddenSize,
    numLayers: reader.integer(["block_count", "num_hidden_layers"], { max: 1024 }),
    numHeads,
    numKvHeads: numHeads,
    headDim: hiddenSize / numHeads,
    maxPositions: reader.integer(["context_length", "max_position_embeddings"], { max: 2 ** 20 }),
    intermediateSize: reader.integer(["feed_forward_length", "intermediate_size"], { max: 2 ** 20 }),
    epsilon: reader.number(["attention.layer_norm_epsilon", "layer_norm_eps"], 1e-12),
    activation: readActivation(reader, file),
  };
}

function readActivation(reader: MetadataReader, file: WeightFile): Activation {
  const name = reader.text(["hidden_act"], "gelu") ?? "gelu";
  const positions = reader.text(["position_embedding_type"], "absolute");
  if (Object.hasOwn(activations, name) && positions === "absolute") return name as Activation;
  throw new QuireError("unsupported", `${file.path}: this form of BERT is not supported.`, {
    got: { hidden_act: name, position_embedding_type: positions },
    expected: `absolute positions, and one of ${Object.keys(activations).join(", ")}`,
  });
}

/** GGUF name to the published one. */
const outer: Record<string, string> = {
  token_embd: "embeddings.word_embeddings",
  position_embd: "embeddings.position_embeddings",
  token_types: "embeddings.token_type_embeddings",
  token_embd_norm: "embeddings.LayerNorm",
};

const inLayer: Record<string, string> = {
  attn_q: "attention.self.query",
  attn_k: "attention.self.key",
  attn_v: "attention.self.value",
  attn_output: "attention.output.dense",
  attn_output_norm: "attention.output.LayerNorm",
  ffn_up: "intermediate.dense",
  ffn_down: "output.dense",
  layer_output_norm: "output.LayerNorm",
};

/** Published files name tensors from the model or from the whole network with its head, and norms the old way or the new one. */
function names(gguf: string): string[] {
  const [, layer, part = "", suffix = ""] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(gguf) ?? [];
  const published = layer === undefined ? outer[part] : `encoder.layer.${layer}.${inLayer[part]}`;
  const older = suffix === "weight" ? "gamma" : "beta";
  const suffixes = part.endsWith("_norm") ? [suffix, older] : [suffix];
  return [gguf, ...suffixes.flatMap((end) => [`${published}.${end}`, `bert.${published}.${end}`])];
}

function tensorOf(file: WeightFile, candidates: readonly string[]): { readonly shape: readonly number[] } | undefined {
  return candidates.map((name) => file.tensors.get(name)).find((entry) => entry !== undefined);
}

function request(name: string, shape: number[], use: WeightRequest["use"], group?: string): WeightRequest {
  return { name, from: names(name), shape, use, ...(group === undefined ? {} : { group }) };
}

function outerWeights(config: BertConfig, file: WeightFile): WeightRequest[] {
  const { vocabSize, hiddenSize: c, maxPositions, segments } = config;
  // The table may hold more positions than the model admits to.
  const positions = tensorOf(file, names("position_embd.weight"))?.shape[0] ?? maxPositions;
  return [
    request("token_embd.weight", [vocabSize, c], "rows"),
    request("position_embd.weight", [Math.max(positions, maxPositions), c], "rows"),
    request("token_types.weight", [segments, c], "vector"),
    request("token_embd_norm.weight", [c], "vector"),
    request("token_embd_norm.bias", [c], "vector"),
  ];
}

function layerWeights(config: BertConfig, layer: number): WeightRequest[] {
  const { hiddenSize: c, intermediateSize: f } = config;
  const block = `blk.${layer}`;
  const qkv = ["attn_q", "attn_k", "attn_v"].map((part) => `${block}.${part}`);
  const norm = (part: string) =>
    ["weight", "bias"].map((suffix) => request(`${block}.${part}.${suffix}`, [c], "vector"));
  const linear = (part: string, rows: number, columns: number) => [
    request(`${block}.${part}.weight`, [rows, columns], "product"),
    request(`${block}.${part}.bias`, [rows], "vector"),
  ];
  return [
    ...qkv.map((name) => request(`${name}.weight`, [c, c], "product", `${block}.attn_qkv`)),
    ...qkv.map((name) => request(`${name}.bias`, [c], "vector", `${block}.attn_qkv.bias`)),
    ...linear("attn_output", c, c),
    ...norm("attn_output_norm"),
    ...linear("ffn_up", f, c),
    ...linear("ffn_down", c, f),
    ...norm("layer_output_norm"),
  ];
}
