import type { RopeOptions } from "../../tensor/ops/attention.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Weights } from "../../weights/load.js";
import type { AttendOptions, Batch, ModelConfig } from "../architecture.js";
import { stackedLinear } from "./stacked-linear.js";

/** Causal self-attention with grouped heads and rotary positions: x [R, C] gives [R, C], the residual not added.
 *  `normalise` treats queries and keys per head before they are rotated (Qwen 3, Gemma 3). */
export function selfAttention(
  x: Tensor,
  layer: number,
  config: ModelConfig,
  weights: Weights,
  batch: Batch,
  options: AttendOptions & { rope: RopeOptions; normalise?: (x: Tensor, which: "q" | "k") => Tensor },
): Tensor {
  const { numHeads, numKvHeads, headDim } = config;
  const { rope, normalise } = options;
  const stacks = weights.group(`blk.${layer}.attn_qkv`);
  const heads = (part: Tensor, count: number): Tensor => part.splitLast(count);
  let queries: Tensor;
  let keys: Tensor;
  let values: Tensor;
  let unrotated: () => { queries: Tensor; keys: Tensor };
  const biased = weights.has(`blk.${layer}.attn_qkv.bias`);
  if (stacks.length === 1 && normalise === undefined && !biased) {
    // One product, one rotation: queries and keys are rotated together.
    const all = x.linear((stacks[0] as (typeof stacks)[number]).tensor);
    const both = heads(all.slice(-1, 0, (numHeads + numKvHeads) * headDim), numHeads + numKvHeads);
    unrotated = () => ({ queries: both.slice(1, 0, numHeads), keys: both.slice(1, numHeads, numKvHeads) });
    const rotated = both.rope(batch.positions, rope);
    queries = rotated.slice(1, 0, numHeads);
    keys = rotated.slice(1, numHeads, numKvHeads);
    values = heads(all.slice(-1, (numHeads + numKvHeads) * headDim, numKvHeads * headDim), numKvHeads);
  } else {
    const [q, k, v] = stackedLinear(x, weights, `blk.${layer}.attn_qkv`) as [Tensor, Tensor, Tensor];
    const prepare = (part: Tensor, count: number, which: "q" | "k"): Tensor => {
      const split = heads(part, count);
      return normalise === undefined ? split : normalise(split, which);
    };
    const [plainQueries, plainKeys] = [prepare(q, numHeads, "q"), prepare(k, numKvHeads, "k")];
    unrotated = () => ({ queries: plainQueries, keys: plainKeys });
    queries = plainQueries.rope(batch.positions, rope);
    keys = plainKeys.rope(batch.positions, rope);
    values = heads(v, numKvHeads);
  }
  const attended = batch.attend(layer, queries, keys, values, {
    ...options,
    unrotated: () => ({ ...unrotated(), rotate: (part, positions) => part.rope(positions, rope) }),
  });
  return attended.linear(weights.get(`blk.${layer}.attn_output.weight`));
}
