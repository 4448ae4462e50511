import type { WeightRequest } from "../../weights/load.js";
import type { ParameterInit, ParameterSpec } from "../architecture.js";

/** What new models begin with, from the list of their weights: norms at one, biases at zero, matrices normal with a deviation of
 *  1 / sqrt(inputs), smaller where a block adds to the residual so that depth does not make it grow. Heads that may be left out
 *  are: the embedding serves as one. */
export function newParameters(requests: readonly WeightRequest[], numLayers: number): ParameterSpec[] {
  return requests
    .filter(({ optional, values, name }) => values === undefined && (optional !== true || name.endsWith(".bias")))
    .map(({ name, shape, use }) => ({
      name,
      shape,
      init: firstValues(name, shape, use, numLayers),
      decay: use !== "vector",
    }));
}

const embeddingDeviation = 0.02;

function firstValues(
  name: string,
  shape: readonly number[],
  use: WeightRequest["use"],
  numLayers: number,
): ParameterInit {
  if (use === "vector") return name.endsWith(".bias") ? "zeros" : "ones";
  if (use === "rows") return { normal: embeddingDeviation };
  const addsToResidual = name.endsWith("attn_output.weight") || name.endsWith("ffn_down.weight");
  const deviation = 1 / Math.sqrt(shape.at(-1) ?? 1);
  return { normal: addsToResidual ? deviation / Math.sqrt(2 * numLayers) : deviation };
}
