import type { Tensor } from "../../tensor/tensor.js";
import type { Weights } from "../../weights/load.js";
import { singleStack, stackedLinear } from "./stacked-linear.js";

/** Gated feed-forward: down(activation(gate(x)) · up(x)), x [R, C] to [R, C], the residual not added. */
export function gatedFeedForward(x: Tensor, layer: number, weights: Weights, gate: "swiglu" | "geglu"): Tensor {
  const group = `blk.${layer}.ffn_gate_up`;
  const stack = singleStack(weights, group);
  let hidden: Tensor;
  if (stack !== undefined) {
    const both = x.linear(stack);
    hidden = gate === "swiglu" ? both.swiglu() : both.geglu();
  } else {
    const [gated, up] = stackedLinear(x, weights, group) as [Tensor, Tensor];
    hidden = gate === "swiglu" ? gated.swiglu(up) : gated.geglu(up);
  }
  return hidden.linear(weights.get(`blk.${layer}.ffn_down.weight`));
}
