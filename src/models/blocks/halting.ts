import { stopGradient } from "../../tensor/autodiff.js";
import { greater } from "../../tensor/ops/compare.js";
import type { Tensor } from "../../tensor/tensor.js";

/** Adaptive computation time (Graves 2016, arXiv 1603.08983): every row sums up probabilities of stopping and stops where they reach
 *  1 - epsilon; its output is the mean of its states weighted by them. All tensors here are f32 [R, 1], yes is 1 and no is 0. */

export interface Halting {
  /** Sum of the probabilities so far. */
  readonly halted: Tensor;
  /** Rows that take the step. */
  readonly runs: Tensor;
}

export interface HaltingStep {
  /** Of the state after this step in the output; 0 for rows that do not take it. */
  readonly weight: Tensor;
  /** What is left of 1 for rows that stop here, else 0. */
  readonly remainder: Tensor;
  readonly next: Halting;
}

export function firstHalting(like: Tensor): Halting {
  const ones = (like.graph as NonNullable<Tensor["graph"]>).range(1, 1).repeat(like.size(0), 1);
  return { halted: ones.scale(0), runs: ones };
}

/** `probability`: of stopping, read before the step. `isLast`: whoever still runs stops here, so that weights add up to 1. */
export function haltingStep(
  { halted, runs }: Halting,
  probability: Tensor,
  { epsilon, isLast }: { epsilon: number; isLast: boolean },
): HaltingStep {
  const reaches = greater(halted.add(probability).scale(1, epsilon - 1), halted.scale(0));
  const stops = isLast ? runs : stopGradient(reaches.mul(runs));
  const goesOn = stopGradient(runs.sub(stops));
  const remainder = halted.scale(-1, 1).mul(stops);
  const weight = probability.mul(goesOn).add(remainder);
  return { weight, remainder, next: { halted: halted.add(weight), runs: goesOn } };
}

/** a where `condition` is 1, b where it is 0: exactly the one or the other. Rows of any width. */
export function choose(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  return a.mul(condition).add(b.mul(condition.scale(-1, 1)));
}
