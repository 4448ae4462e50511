import type { Tensor } from "../tensor/tensor.js";
import type { WeightFile } from "../weights/weight-file.js";
import type { Architecture, ModelConfig } from "./architecture.js";
import { gatedFeedForward } from "./blocks/feed-forward.js";
import { languageHead, layerNumbers } from "./blocks/head.js";
import { layerWeights, outerWeights } from "./blocks/layer-weights.js";
import { readModelConfig } from "./blocks/model-config.js";
import { type RotaryConfig, readRotary, ropeOptions, rotaryWeights } from "./blocks/rotary.js";
import { selfAttention } from "./blocks/self-attention.js";
import { metadataReader } from "./metadata-reader.js";

/** Qwen 3 (dense): Llama's block, queries and keys normalised per head before they are rotated in halves. Paper: Yang et al.
 *  2025, arXiv 2505.09388. */

export interface Qwen3Config extends ModelConfig {
  readonly intermediateSize: number;
  readonly epsilon: number;
  readonly rotary: RotaryConfig;
}

export const qwen3: Architecture<Qwen3Config> = {
  name: "qwen3",
  kind: "causal",
  readConfig: (file: WeightFile) => {
    const reader = metadataReader(file, "qwen3");
    const config = readModelConfig(reader, file);
    return { ...config, rotary: readRotary(reader, file, config.headDim, "neox") };
  },
  weights: (config) => [
    ...outerWeights(config),
    ...rotaryWeights(config.rotary),
    ...layerNumbers(config).flatMap((layer) =>
      layerWeights(config, layer, { intermediateSize: config.intermediateSize, queryKeyNorms: true }),
    ),
  ],
  memory: (config) =>
    layerNumbers(config).map(() => ({ kind: "keys-values", kvHeads: config.numKvHeads, headDim: config.headDim })),
  forward: (config, weights, batch) => {
    const rope = ropeOptions(config.rotary, weights);
    const scale = 1 / Math.sqrt(config.headDim);
    let x = batch.graph.use(weights.get("token_embd.weight")).getRows(batch.tokens);
    for (const layer of layerNumbers(config)) {
      const normed = x.rmsNorm(config.epsilon).mul(weights.get(`blk.${layer}.attn_norm.weight`));
      const normalise = (part: Tensor, which: "q" | "k"): Tensor =>
        part.rmsNorm(config.epsilon).mul(weights.get(`blk.${layer}.attn_${which}_norm.weight`));
      let attended = selfAttention(normed, layer, config, weights, batch, { rope, scale, normalise });
      if (layer === config.numLayers - 1) {
        attended = batch.wanted(attended);
        x = batch.wanted(x);
      }
      x = x.add(attended);
      const inner = x.rmsNorm(config.epsilon).mul(weights.get(`blk.${layer}.ffn_norm.weight`));
      x = x.add(gatedFeedForward(inner, layer, weights, "swiglu"));
    }
    return languageHead(x, weights, config.epsilon);
  },
};
