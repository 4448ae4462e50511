import type { Tensor } from "../../tensor/tensor.js";
import { languageHead } from "../blocks/head.js";
import { type LlamaBlock, llamaBlock } from "../blocks/llama-block.js";
import { lastMemoryLayer, type MorConfig, memoryLayer } from "./config.js";

/** The layers of Mixture-of-Recursions: the shared ones, once through, and what follows the recursions. */

export interface MorModel extends LlamaBlock {
  readonly config: MorConfig;
}

/** The last layer and the logits, x [R, C] to [W, V]. */
export function morHead(model: MorModel, x: Tensor): Tensor {
  const { config, weights, batch } = model;
  const last = config.outerLayers
    ? llamaBlock(x, model, { set: config.sharedLayers + 1, layer: lastMemoryLayer(config), onlyWanted: true })
    : batch.wanted(x);
  return languageHead(last, weights, config.epsilon);
}

/** One pass through the shared layers, in recursion `r` (from 1). `answer`: who answers queries instead of `attend`, by layer. */
export function morRecursion(
  model: MorModel,
  x: Tensor,
  r: number,
  answer?: (queries: Tensor, j: number) => Tensor,
): Tensor {
  const { config } = model;
  let rows = x;
  for (let j = 0; j < config.sharedLayers; j++) {
    rows = llamaBlock(rows, model, {
      set: (config.outerLayers ? 1 : 0) + j,
      layer: memoryLayer(config, r, j),
      ...(answer === undefined ? {} : { answer: (queries: Tensor) => answer(queries, j) }),
    });
  }
  return rows;
}
