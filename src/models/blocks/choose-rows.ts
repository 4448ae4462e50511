import { stopGradient } from "../../tensor/autodiff.js";
import { knowBelow } from "../../tensor/indices.js";
import type { Tensor } from "../../tensor/tensor.js";

/** Rows chosen by a score: which of them, and what a router is to learn from it. Scores are f32 [S · p, 1], S sequences of p rows. */

/** The `count` rows of each sequence with the largest scores (the earlier of two that are equal), in the order of the text: i32
 *  [S · count], numbers among all rows. */
export function largestRows(scores: Tensor, sequences: number, count: number): Tensor {
  const graph = scores.graph as NonNullable<Tensor["graph"]>;
  const rows = scores.elements / sequences;
  const early = graph.range(rows).scale(-1e-7);
  const order = stopGradient(scores).reshape(sequences, rows).add(early).argsort("descending");
  const chosen = order.slice(-1, 0, count).cont().cast("f32");
  const inOrder = chosen.gather(chosen.argsort("ascending"));
  const starts = graph.range(sequences, 0, rows).reshape(sequences, 1);
  const numbers = inOrder
    .add(starts)
    .cast("i32")
    .reshape(sequences * count);
  knowBelow(numbers, sequences * rows);
  return numbers;
}

/** The numbers at these places, both i32: numbers [p], places [k], gives [k] below `below`. */
export function numbersAt(numbers: Tensor, places: Tensor, below: number): Tensor {
  const found = numbers.reshape(numbers.elements, 1).getRows(places).reshape(places.elements);
  knowBelow(found, below);
  return found;
}

/** 1 in these rows of `count`, else 0: f32 [count, 1]. */
export function marked(rows: Tensor, count: number): Tensor {
  const graph = rows.graph as NonNullable<Tensor["graph"]>;
  return graph.range(1, 1).repeat(rows.elements, 1).scatterAdd(rows, count);
}

/** How badly sigmoid(scores) says which rows are chosen (1 or 0): the mean over `among` rows, those where `counts` is 1. */
export function choiceLoss(scores: Tensor, chosen: Tensor, among: number, counts?: Tensor): Tensor {
  const losses = scores.softplus().sub(scores.mul(chosen));
  return (counts === undefined ? losses : losses.mul(counts)).sum().scale(1 / among);
}

/** Share of `among` rows where a score above 0 says what `chosen` says. */
export function agreement(scores: Tensor, chosen: Tensor, among: number, counts?: Tensor): Tensor {
  const differs = stopGradient(scores).step().sub(chosen).abs();
  return (counts === undefined ? differs : differs.mul(counts)).sum().scale(-1 / among, 1);
}
