import type { Tensor } from "../../tensor/tensor.js";
import type { Weights } from "../../weights/load.js";

/** Layer norm with gain and bias: `name.weight` and `name.bias`, [C]. */
export function layerNorm(x: Tensor, weights: Weights, name: string, epsilon: number): Tensor {
  return x
    .layerNorm(epsilon)
    .mul(weights.get(`${name}.weight`))
    .add(weights.get(`${name}.bias`));
}
