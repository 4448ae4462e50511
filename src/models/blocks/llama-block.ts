import type { RopeOptions } from "../../tensor/ops/attention.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Weights } from "../../weights/load.js";
import type { Batch, ModelConfig } from "../architecture.js";
import { gatedFeedForward } from "./feed-forward.js";
import { selfAttention } from "./self-attention.js";

/** A pre-norm block of Llama whose weights and memory are named apart, so that several passes share the weights: x [R, C] gives
 *  [R, C]. */
export interface LlamaBlock {
  readonly config: ModelConfig & { readonly epsilon: number };
  readonly weights: Weights;
  readonly batch: Batch;
  readonly rope: RopeOptions;
}

export interface BlockPlace {
  /** Of the weights "blk.SET.…". */
  readonly set: number;
  /** Layer of the memory. */
  readonly layer: number;
  /** Only rows whose result is wanted are needed after the attention. */
  readonly onlyWanted?: boolean;
  /** Queries [R, H, D] are all that is computed, and this answers them: [R, H·D]. */
  answer?(queries: Tensor): Tensor;
}

export function llamaBlock(x: Tensor, block: LlamaBlock, place: BlockPlace): Tensor {
  const { config, weights, batch, rope } = block;
  const { set, layer, onlyWanted = false, answer } = place;
  const norm = (rows: Tensor, name: string): Tensor =>
    rows.rmsNorm(config.epsilon).mul(weights.get(`blk.${set}.${name}.weight`));
  const normed = norm(x, "attn_norm");
  const own: Batch = { ...batch, attend: (_, ...rest) => batch.attend(layer, ...rest) };
  let attended =
    answer === undefined
      ? selfAttention(normed, set, config, weights, own, { rope, scale: 1 / Math.sqrt(config.headDim) })
      : answer(queriesOf(normed, block, set)).linear(weights.get(`blk.${set}.attn_output.weight`));
  let rows = x;
  if (onlyWanted) {
    attended = batch.wanted(attended);
    rows = batch.wanted(rows);
  }
  rows = rows.add(attended);
  return rows.add(gatedFeedForward(norm(rows, "ffn_norm"), set, weights, "swiglu"));
}

function queriesOf(normed: Tensor, { config, weights, batch, rope }: LlamaBlock, set: number): Tensor {
  const name = `blk.${set}.attn_q.weight`;
  const stack = weights
    .group(`blk.${set}.attn_qkv`)
    .find(({ members }) => members.some((member) => member.name === name));
  const member = stack?.members.find((found) => found.name === name);
  if (stack === undefined || member === undefined) throw new Error(`no ${name}`);
  const { tensor } = stack;
  // What lies repacked cannot be cut.
  const product =
    tensor.owner.repacked === true
      ? normed.linear(tensor).slice(-1, member.start, member.size)
      : normed.linear(batch.graph.use(tensor).slice(0, member.start, member.size));
  return product.splitLast(config.numHeads).rope(batch.positions, rope);
}
