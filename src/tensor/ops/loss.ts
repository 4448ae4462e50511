import { need, needType } from "../check.js";
import { contiguous } from "../operand.js";
import { Tensor } from "../tensor.js";
import { gather, rowMax } from "./select.js";

/** log Σ exp along the last axis, [..., c] to [..., 1], safe for large numbers. */
export function logSumExp(x: Tensor): Tensor {
  needType("logSumExp", x, ["f32"]);
  const largest = rowMax(x);
  const result = x.sub(largest).exp().sumRows().log().add(largest);
  // The gradient is written by hand: it needs x alone, so nothing of the above is kept in memory for it.
  return new Tensor({
    ...result,
    op: "logSumExp",
    inputs: [x],
    gradient: (dy) => [contiguous(x).softmax().mul(dy)],
  });
}

/** Negative log-probability of each target: logits [n, classes], i32 targets [n], gives f32 [n, 1]. */
export function tokenLosses(logits: Tensor, targets: Tensor): Tensor {
  const op = "crossEntropy";
  needType(op, targets, ["i32"]);
  const fits = logits.rank === 2 && targets.rank === 1 && logits.size(0) === targets.size(0);
  need(fits, op, "one target a row", [logits, targets], "f32 [n, classes] and i32 [n]");
  return logSumExp(logits).sub(gather(logits, targets.reshape(targets.size(0), 1)));
}

/** Mean of the losses, or their mean weighted by f32 `weights` [n] of at least 0 (0 leaves a row out). Shape [1]. */
export function crossEntropy(logits: Tensor, targets: Tensor, weights?: Tensor): Tensor {
  const losses = tokenLosses(logits, targets);
  if (weights === undefined) return losses.sum().scale(1 / losses.elements);
  needType("crossEntropy", weights, ["f32"]);
  need(
    weights.rank === 1 && weights.size(0) === losses.size(0),
    "crossEntropy",
    "one weight a row",
    [logits, weights],
    "f32 [n]",
  );
  const smallest = 1e-9;
  const total = weights.sum().clamp(smallest, Number.POSITIVE_INFINITY);
  return losses.mul(weights.reshape(losses.elements, 1)).sum().div(total);
}
