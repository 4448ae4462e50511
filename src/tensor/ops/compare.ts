import { needType } from "../check.js";
import type { Tensor } from "../tensor.js";

/** Comparisons and choices, made of steps. ggml has no booleans: yes is 1 and no is 0, in f32, and passes no gradient on. */

/** 1 where a > b. */
export function greater(a: Tensor, b: Tensor): Tensor {
  return a.sub(b).step();
}

/** 1 where two f32 tensors of whole numbers are equal. */
export function equalWhole(a: Tensor, b: Tensor): Tensor {
  return a.sub(b).abs().scale(1, -0.5).step().scale(-1, 1);
}

/** a where the condition is 1, b where it is 0. Both sides are computed, and must be finite everywhere. */
export function where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  needType("where", condition, ["f32"]);
  return condition.mul(a).add(condition.scale(-1, 1).mul(b));
}

/** The larger of two numbers, element by element; where they are equal the gradient goes to a. */
export function elementMax(a: Tensor, b: Tensor): Tensor {
  return a.add(a.sub(b).neg().relu());
}

export function elementMin(a: Tensor, b: Tensor): Tensor {
  return a.sub(a.sub(b).relu());
}
