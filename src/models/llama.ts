import type { WeightFile } from "../weights/weight-file.js";
import type { Architecture, ModelConfig } from "./architecture.js";
import { gatedFeedForward } from "./blocks/feed-forward.js";
import { languageHead, layerNumbers } from "./blocks/head.js";
import { layerWeights, outerWeights } from "./blocks/layer-weights.js";
import { readModelConfig } from "./blocks/model-config.js";
import { type RotaryConfig, readRotary, ropeOptions, rotaryWeights } from "./blocks/rotary.js";
import { selfAttention } from "./blocks/self-attention.js";
import { metadataReader } from "./metadata-reader.js";

/** Llama: SmolLM2, Llama 2 and 3 (with its scaling of positions), Mistral and their kin. Pre-norm blocks of grouped attention
 *  and a SwiGLU feed-forward. Paper: Touvron et al. 2023, arXiv 2302.13971. */

export interface LlamaConfig extends ModelConfig {
  readonly intermediateSize: number;
  readonly epsilon: number;
  readonly rotary: RotaryConfig;
}

export const llama: Architecture<LlamaConfig> = {
  name: "llama",
  kind: "causal",
  readConfig: (file: WeightFile) => {
    const reader = metadataReader(file, "llama");
    const config = readModelConfig(reader, file);
    return { ...config, rotary: readRotary(reader, file, config.headDim, "pairs") };
  },
  weights: (config) => [
    ...outerWeights(config),
    ...rotaryWeights(config.rotary),
    ...layerNumbers(config).flatMap((layer) =>
      layerWeights(config, layer, { intermediateSize: config.intermediateSize }),
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
      let attended = selfAttention(normed, layer, config, weights, batch, { rope, scale });
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
