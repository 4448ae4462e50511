import type { Tensor } from "../../tensor/tensor.js";
import type { Architecture, ModelConfig } from "../architecture.js";
import { metadataReader } from "../metadata-reader.js";
import { gatedFeedForward } from "./feed-forward.js";
import { languageHead, layerNumbers } from "./head.js";
import { layerWeights, outerWeights } from "./layer-weights.js";
import { readModelConfig } from "./model-config.js";
import { newParameters } from "./new-parameters.js";
import { type RotaryConfig, readRotary, ropeOptions, rotaryWeights } from "./rotary.js";
import { selfAttention } from "./self-attention.js";

/** The model that Llama, Qwen 2 and Qwen 3 are: blocks of grouped attention and a SwiGLU feed-forward, each behind an RMS norm and
 *  added to what came in; they differ in three switches. */

export interface PreNormConfig extends ModelConfig {
  readonly intermediateSize: number;
  readonly epsilon: number;
  readonly rotary: RotaryConfig;
}

export interface PreNormModel {
  readonly name: string;
  /** How GGUF files of this model lay out what is rotated. */
  readonly rotation: "pairs" | "neox";
  /** Queries, keys and values have biases. */
  readonly biases?: boolean;
  /** Queries and keys are normalised per head before they are rotated. */
  readonly queryKeyNorms?: boolean;
}

export function preNormModel({ name, rotation, biases, queryKeyNorms }: PreNormModel): Architecture<PreNormConfig> {
  return {
    name,
    kind: "causal",
    readConfig: (file) => {
      const reader = metadataReader(file, name);
      const config = readModelConfig(reader, file);
      return { ...config, rotary: readRotary(reader, file, config.headDim, rotation) };
    },
    weights: (config) => [
      ...outerWeights(config),
      ...rotaryWeights(config.rotary),
      ...layerNumbers(config).flatMap((layer) =>
        layerWeights(config, layer, {
          ...{ intermediateSize: config.intermediateSize, biases, queryKeyNorms },
          interleaved: config.rotary.style === "pairs",
        }),
      ),
    ],
    parameters: (config) =>
      newParameters(
        [
          ...outerWeights(config),
          ...layerNumbers(config).flatMap((layer) =>
            layerWeights(config, layer, { intermediateSize: config.intermediateSize, biases, queryKeyNorms }),
          ),
        ],
        config.numLayers,
      ),
    memory: (config) =>
      layerNumbers(config).map(() => ({ kind: "keys-values", kvHeads: config.numKvHeads, headDim: config.headDim })),
    forward: (config, weights, batch) => {
      const { epsilon } = config;
      const rope = ropeOptions(config.rotary, weights);
      const scale = 1 / Math.sqrt(config.headDim);
      let x = batch.graph.use(weights.get("token_embd.weight")).getRows(batch.tokens);
      for (const layer of layerNumbers(config)) {
        const own = (part: string): Tensor => weights.get(`blk.${layer}.${part}.weight`);
        const normalise = (part: Tensor, which: "q" | "k"): Tensor =>
          part.rmsNorm(epsilon).mul(own(`attn_${which}_norm`));
        const block = (before: Tensor): Tensor => {
          let rows = before;
          let attended = selfAttention(rows.rmsNorm(epsilon).mul(own("attn_norm")), layer, config, weights, batch, {
            rope,
            scale,
            ...(queryKeyNorms === true ? { normalise } : {}),
          });
          if (layer === config.numLayers - 1) {
            attended = batch.wanted(attended);
            rows = batch.wanted(rows);
          }
          rows = rows.add(attended);
          return rows.add(gatedFeedForward(rows.rmsNorm(epsilon).mul(own("ffn_norm")), layer, weights, "swiglu"));
        };
        x = batch.recompute === undefined ? block(x) : batch.recompute(x, block);
        batch.afterLayer?.(layer, x);
      }
      return languageHead(x, weights, epsilon);
    },
  };
}
