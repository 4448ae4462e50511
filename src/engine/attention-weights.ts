import { fixedInput } from "../cache/reading/fixed-input.js";
import type { Scoring } from "../cache/store/query-ring.js";
import type { Graph } from "../tensor/graph.js";
import type { Tensor } from "../tensor/tensor.js";

/** Attention weights in the open, beside the fused attention that makes the output: only for layers that a policy watches. */

/** Soft-max of queries [H, R, D] over keys [K, E, D] as the layer does it, f32 [H, R, E]. `bias` f32 [K, E] is added to the logits
 *  of every query head of the group. */
export function attentionWeights(
  queries: Tensor,
  keys: Tensor,
  mask: Tensor,
  { scale, softcap = 0 }: Scoring,
  bias?: Tensor,
): Tensor {
  const [heads = 1, rows = 1] = queries.shape;
  const groups = keys.size(0);
  // One row: the heads of a group meet each key together, which then is read once.
  const products =
    rows === 1
      ? queries
          .reshape(groups, heads / groups, queries.size(2))
          .linear(keys)
          .reshape(heads, 1, keys.size(1))
      : queries.linear(keys);
  const capped =
    softcap > 0
      ? products
          .scale(scale / softcap)
          .tanh()
          .scale(softcap)
      : products;
  const rest = softcap > 0 ? 1 : scale;
  return (bias === undefined ? capped : addBias(capped, bias.scale(1 / rest))).softmax({ mask, scale: rest });
}

function addBias(scores: Tensor, bias: Tensor): Tensor {
  const [heads = 1, rows = 1, entries = 1] = scores.shape;
  const groups = bias.size(0);
  return scores
    .reshape(groups, (heads / groups) * rows, entries)
    .add(bias.reshape(groups, 1, entries))
    .reshape(heads, rows, entries);
}

/** Rows that are weighed at once: their weights stay in the processor's cache. */
const blockRows = 64;

/** Nodes of a graph that `columnSums` or `weightedAttention` may make. */
export function openNodes(rows: number): number {
  return Math.ceil(rows / blockRows) * 20 + 12;
}

/** Attention that each entry receives from the rows, mean over the query heads of its group, f32 [K, E]. `reach` says how many
 *  entries the rows before a number can see at most, so that the rest is left out. */
export function columnSums(
  graph: Graph,
  queries: Tensor,
  keys: Tensor,
  mask: Tensor,
  scoring: Scoring,
  { reach, bias }: { reach: (rows: number) => number; bias?: Tensor },
): Tensor {
  const rows = queries.size(1);
  let total: Tensor | undefined;
  for (let start = 0; start < rows; start += blockRows) {
    const count = Math.min(blockRows, rows - start);
    const seen = Math.min(reach(start + count), keys.size(1));
    const ownMask = mask.slice(0, start, count).slice(1, 0, seen);
    const weights = attentionWeights(
      queries.slice(1, start, count),
      keys.slice(1, 0, seen),
      seen === keys.size(1) ? mask.slice(0, start, count) : ownMask.cont(),
      scoring,
      bias?.slice(1, 0, seen).cont(),
    );
    const sums = sumOfRows(graph, weights, keys.size(0));
    total = total === undefined ? sums : total.pad([0, 0], [0, seen - total.size(1)]).add(sums);
  }
  const whole = total as Tensor;
  return whole.pad([0, 0], [0, keys.size(1) - whole.size(1)]);
}

/** Attention in the open, where entries stand for several tokens: fused attention takes no addend a head finer than f16. Queries
 *  [H, R, D], keys and values [K, E, D], `bias` f32 [K, E]; gives [R, H·D]. */
export function weightedAttention(
  queries: Tensor,
  keys: Tensor,
  values: Tensor,
  mask: Tensor,
  scoring: Scoring,
  bias: Tensor,
): Tensor {
  const [heads = 1, rows = 1, width = 1] = queries.shape;
  const [groups = 1, entries = 1] = values.shape;
  let result: Tensor | undefined;
  for (let start = 0; start < rows; start += blockRows) {
    const count = Math.min(blockRows, rows - start);
    const ownMask = mask.slice(0, start, count);
    const weights = attentionWeights(queries.slice(1, start, count), keys, ownMask, scoring, bias);
    const byGroup = weights.reshape(groups, (heads / groups) * count, entries).transpose();
    const attended = values.outerSum(byGroup).reshape(heads, count, width);
    const flat = count === 1 ? attended : attended.permute(1, 0, 2).cont();
    const block = flat.reshape(count, heads * width);
    result = result === undefined ? block : result.concat(block, 0);
  }
  return result as Tensor;
}

/** Weights [H, R, E] added up over rows, mean over the heads of each of `groups` groups: [groups, E]. */
export function sumOfRows(graph: Graph, weights: Tensor, groups: number): Tensor {
  const [heads = 1, rows = 1, entries = 1] = weights.shape;
  const perGroup = (heads / groups) * rows;
  const share = shareOf(graph, groups, perGroup, groups / heads);
  return weights.reshape(groups, perGroup, entries).outerSum(share).reshape(groups, entries);
}

/** The same factor for every row, [groups, rows, 1]. */
function shareOf(graph: Graph, groups: number, rows: number, factor: number): Tensor {
  return fixedInput(graph, `share ${groups} ${rows} ${factor}`, () => ({
    values: new Float32Array(groups * rows).fill(factor),
    shape: [groups, rows, 1],
  }));
}
