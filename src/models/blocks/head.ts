import type { Tensor } from "../../tensor/tensor.js";
import type { Weights } from "../../weights/load.js";

/** Last norm and product with the head, which many models share with the embedding: x [W, C] gives logits [W, V]. */
export function languageHead(x: Tensor, weights: Weights, epsilon: number): Tensor {
  const normed = x.rmsNorm(epsilon).mul(weights.get("output_norm.weight"));
  return normed.linear(weights.optional("output.weight") ?? weights.get("token_embd.weight"));
}

export function layerNumbers(config: { readonly numLayers: number }): number[] {
  return [...Array(config.numLayers).keys()];
}
