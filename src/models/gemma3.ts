import type { Tensor } from "../tensor/tensor.js";
import type { WeightFile } from "../weights/weight-file.js";
import type { Architecture, ModelConfig } from "./architecture.js";
import { gatedFeedForward } from "./blocks/feed-forward.js";
import { languageHead, layerNumbers } from "./blocks/head.js";
import { layerWeights, outerWeights } from "./blocks/layer-weights.js";
import { readModelConfig } from "./blocks/model-config.js";
import { type RotaryConfig, readRotary, ropeOptions } from "./blocks/rotary.js";
import { selfAttention } from "./blocks/self-attention.js";
import { metadataReader } from "./metadata-reader.js";

/** Gemma 3 (text): five layers that see a sliding window, then one that sees everything; norms before and after each half of a
 *  block; queries and keys normalised per head; embeddings scaled by sqrt(C); GeGLU. Paper: Gemma Team 2025, arXiv 2503.19786.
 *  Window layers rotate with their own base and are never scaled. GGUF stores norm weights as 1 + w; published safetensors store
 *  w, so those gain 1 when they are loaded: such files are refused until that is done here. */

export interface Gemma3Config extends ModelConfig {
  readonly intermediateSize: number;
  readonly epsilon: number;
  readonly slidingWindow: number;
  /** Every n-th layer sees everything. */
  readonly globalEvery: number;
  readonly rotary: RotaryConfig;
  readonly localTheta: number;
  readonly queryScale: number;
}

const norms = ["post_attention_norm", "post_ffw_norm"];

export const gemma3: Architecture<Gemma3Config> = {
  name: "gemma3",
  kind: "causal",
  readConfig: (file: WeightFile) => {
    const reader = metadataReader(file, "gemma3");
    const config = readModelConfig(reader, file);
    // The 27B model scales by C / H instead of the head's width.
    const isLargest = config.numLayers === 62;
    const queryWidth = isLargest ? config.hiddenSize / config.numHeads : config.headDim;
    return {
      ...config,
      slidingWindow: reader.integer(["attention.sliding_window", "sliding_window"], { default: 512 }),
      globalEvery: reader.integer(["attention.sliding_window_pattern", "sliding_window_pattern"], {
        default: 6,
        max: 1024,
      }),
      rotary: {
        ...readRotary(reader, file, config.headDim, "neox"),
        theta: reader.number(["rope.freq_base", "rope_theta"], 1_000_000),
      },
      localTheta: reader.number(["rope.freq_base_swa", "rope_local_base_freq"], 10_000),
      queryScale: 1 / Math.sqrt(queryWidth),
    };
  },
  weights: (config) => [
    ...outerWeights(config),
    ...layerNumbers(config).flatMap((layer) =>
      layerWeights(config, layer, {
        intermediateSize: config.intermediateSize,
        queryKeyNorms: true,
        extraNorms: norms,
      }),
    ),
  ],
  memory: (config) =>
    layerNumbers(config).map((layer) => ({
      kind: "keys-values",
      kvHeads: config.numKvHeads,
      headDim: config.headDim,
      ...(isGlobal(config, layer) ? {} : { window: config.slidingWindow }),
    })),
  forward: (config, weights, batch) => {
    const globalRope = ropeOptions(config.rotary, weights);
    const localRope = { ...globalRope, theta: config.localTheta, scale: 1 };
    const normed = (x: Tensor, name: string): Tensor => x.rmsNorm(config.epsilon).mul(weights.get(name));
    let x = batch.graph.use(weights.get("token_embd.weight")).getRows(batch.tokens).scale(Math.sqrt(config.hiddenSize));
    for (const layer of layerNumbers(config)) {
      const global = isGlobal(config, layer);
      // Queries are scaled before attention rounds them to f16, so that texts agree with llama.cpp's to the last token.
      const normalise = (part: Tensor, which: "q" | "k"): Tensor => {
        const unit = normed(part, `blk.${layer}.attn_${which}_norm.weight`);
        return which === "q" ? unit.scale(config.queryScale) : unit;
      };
      let attended = selfAttention(normed(x, `blk.${layer}.attn_norm.weight`), layer, config, weights, batch, {
        rope: global ? globalRope : localRope,
        scale: 1,
        normalise,
        ...(global ? {} : { window: config.slidingWindow }),
      });
      if (layer === config.numLayers - 1) {
        attended = batch.wanted(attended);
        x = batch.wanted(x);
      }
      x = x.add(normed(attended, `blk.${layer}.post_attention_norm.weight`));
      const inner = gatedFeedForward(normed(x, `blk.${layer}.ffn_norm.weight`), layer, weights, "geglu");
      x = x.add(normed(inner, `blk.${layer}.post_ffw_norm.weight`));
      batch.afterLayer?.(layer, x);
    }
    return languageHead(x, weights, config.epsilon);
  },
};

function isGlobal(config: Gemma3Config, layer: number): boolean {
  return (layer + 1) % config.globalEvery === 0;
}
