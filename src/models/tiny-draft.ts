import { QuireError } from "../errors.js";
import type { Tensor } from "../tensor/tensor.js";
import type { MetadataValue, WeightFile } from "../weights/weight-file.js";
import type { Architecture, ModelConfig } from "./architecture.js";
import { layerNumbers } from "./blocks/head.js";
import { layerWeights } from "./blocks/layer-weights.js";
import { type LlamaBlock, llamaBlock } from "./blocks/llama-block.js";
import { metadataReader } from "./metadata-reader.js";

/** A tiny model that drafts for one larger one: the target's embedding rows, projected to a small width, a few Llama blocks, projected
 *  back, and of the target's head only the rows of frequent tokens. Only what lies between embedding and head is its own.
 *
 *  File: GGUF with `general.architecture` = "tiny-draft"; fields tiny-draft.{block_count, embedding_length, feed_forward_length,
 *  attention.head_count, attention.head_count_kv, attention.layer_norm_rms_epsilon, context_length, rope.freq_base,
 *  target.embedding_length, target.vocab_size, target.tokenizer} and tiny-draft.tokens, i32 [n] (the tokens it can propose, ascending);
 *  tensors draft_in.weight [C, T], blk.i.*, output_norm.weight [C], draft_out.weight [T, C]; C its width, T the target's.
 *  Letters otherwise as in architecture.ts. */

export interface TinyDraftConfig extends ModelConfig {
  readonly intermediateSize: number;
  readonly epsilon: number;
  readonly theta: number;
  readonly targetHidden: number;
  /** Hash of the target's tokenizer. */
  readonly targetTokenizer: string;
  /** Tokens that it can propose, ascending. */
  readonly proposed: Int32Array;
}

export const tinyDraftName = "tiny-draft";

/** What the target lends: names of weights that are added to the file's own when it is loaded. */
export const lent = { embedding: "target_embd.weight", head: "target_head.weight" } as const;

/** Logits f32 [W, n] of the tokens that it can propose. */
export const tinyDraft: Architecture<TinyDraftConfig> = {
  name: tinyDraftName,
  kind: "causal",
  readConfig,
  weights: (config) => {
    const { hiddenSize: c, targetHidden: t, proposed, intermediateSize, numLayers, vocabSize } = config;
    const own = (name: string, shape: number[], use: "product" | "vector" | "rows") =>
      ({ name, from: [name], shape, use }) as const;
    return [
      own(lent.embedding, [vocabSize, t], "rows"),
      own("draft_in.weight", [c, t], "product"),
      ...[...Array(numLayers).keys()].flatMap((layer) => layerWeights(config, layer, { intermediateSize })),
      own("output_norm.weight", [c], "vector"),
      own("draft_out.weight", [t, c], "product"),
      own(lent.head, [proposed.length, t], "product"),
    ];
  },
  memory: (config) =>
    layerNumbers(config).map(() => ({ kind: "keys-values", kvHeads: config.numKvHeads, headDim: config.headDim })),
  forward: (config, weights, batch) => {
    const { epsilon, headDim, theta, numLayers } = config;
    const rope = { style: "pairs", dims: headDim, theta, scale: 1 } as const;
    const block: LlamaBlock = { config, weights, batch, rope };
    const embedded = batch.graph.use(weights.get(lent.embedding)).getRows(batch.tokens);
    let x: Tensor = embedded.linear(weights.get("draft_in.weight"));
    for (const layer of layerNumbers(config)) {
      x = llamaBlock(x, block, { set: layer, layer, onlyWanted: layer === numLayers - 1 });
      batch.afterLayer?.(layer, x);
    }
    const normed = x.rmsNorm(epsilon).mul(weights.get("output_norm.weight"));
    return normed.linear(weights.get("draft_out.weight")).linear(weights.get(lent.head));
  },
};

function readConfig(file: WeightFile): TinyDraftConfig {
  const reader = metadataReader(file, tinyDraftName);
  const hiddenSize = reader.integer(["embedding_length"], { max: 2 ** 16 });
  const numHeads = reader.integer(["attention.head_count"], { max: 1024 });
  const numKvHeads = reader.integer(["attention.head_count_kv"], { max: 1024, default: numHeads });
  if (hiddenSize % (2 * numHeads) !== 0 || numHeads % numKvHeads !== 0) {
    throw new QuireError("bad-file", `${file.path}: this arrangement of heads cannot be.`, {
      got: `${numHeads} query heads and ${numKvHeads} kv heads of a width of ${hiddenSize}`,
      expected: "an even width a head, and kv heads that divide the query heads",
    });
  }
  const vocabSize = reader.integer(["target.vocab_size"], { max: 2 ** 24 });
  return {
    ...{ vocabSize, hiddenSize, numHeads, numKvHeads, headDim: hiddenSize / numHeads },
    numLayers: reader.integer(["block_count"], { max: 64 }),
    maxPositions: reader.integer(["context_length"]),
    intermediateSize: reader.integer(["feed_forward_length"], { max: 2 ** 20 }),
    epsilon: reader.number(["attention.layer_norm_rms_epsilon"], 1e-5),
    theta: reader.number(["rope.freq_base"], 10_000),
    targetHidden: reader.integer(["target.embedding_length"], { max: 2 ** 20 }),
    targetTokenizer: reader.text(["target.tokenizer"]) ?? "",
    proposed: readProposed(file, vocabSize),
  };
}

function readProposed(file: WeightFile, vocabSize: number): Int32Array {
  const given = file.metadata.get(`${tinyDraftName}.tokens`);
  const tokens = given instanceof Int32Array ? given : new Int32Array(0);
  const ascending = tokens.every((token, i) => token > (tokens[i - 1] ?? -1) && token < vocabSize);
  if (tokens.length > 0 && ascending) return tokens;
  throw new QuireError("bad-file", `${file.path}: the field ${tinyDraftName}.tokens cannot be used.`, {
    got: given === undefined ? "nothing" : `${tokens.length} numbers`,
    expected: `i32, ascending, each below ${vocabSize}`,
  });
}

/** The metadata of a file, for whoever writes one. */
export function tinyDraftMetadata(config: TinyDraftConfig): [key: string, value: MetadataValue][] {
  const own = (name: string, value: MetadataValue): [string, MetadataValue] => [`${tinyDraftName}.${name}`, value];
  return [
    ["general.architecture", tinyDraftName],
    own("block_count", config.numLayers),
    own("embedding_length", config.hiddenSize),
    own("feed_forward_length", config.intermediateSize),
    own("attention.head_count", config.numHeads),
    own("attention.head_count_kv", config.numKvHeads),
    own("attention.layer_norm_rms_epsilon", config.epsilon),
    own("context_length", config.maxPositions),
    own("rope.freq_base", Float32Array.of(config.theta)),
    own("target.embedding_length", config.targetHidden),
    own("target.vocab_size", config.vocabSize),
    own("target.tokenizer", config.targetTokenizer),
    own("tokens", config.proposed),
  ];
}
