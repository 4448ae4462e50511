import { stopGradient } from "../../tensor/autodiff.js";
import { logSumExp } from "../../tensor/ops/loss.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Weights } from "../../weights/load.js";
import type { MorConfig, RouterConfig } from "./config.js";

/** The routers of Mixture-of-Recursions. Scores stay f32. */

interface Routed {
  readonly config: MorConfig;
  readonly weights: Weights;
}

/** Expert choice: how much recursion `r` (from 1) wants each row, x [R, C] to [R, 1]. */
export function routerScores({ config, weights }: Routed, x: Tensor, r: number): Tensor {
  return x.linear(weights.get(`router.${r}.weight`)).scale(1 / config.router.temperature);
}

/** What a recursion adds to its rows: its result times the gate, or as it is. */
export function gateOf({ router }: MorConfig, result: Tensor, scores: Tensor): Tensor {
  return router.gating === "additive" ? result : result.mul(gate(router, scores));
}

function gate({ gate: kind, alpha }: RouterConfig, scores: Tensor): Tensor {
  if (kind === "softmax") return scores.softmax().scale(alpha);
  if (kind === "identity") return scores.scale(alpha);
  return (kind === "tanh" ? scores.tanh() : scores.sigmoid()).scale(alpha);
}

/** Token choice: how much each row wants each depth, x [R, C] to [R, N]. */
export function depthScores({ config, weights }: Routed, x: Tensor): Tensor {
  const { net, temperature } = config.router;
  const input = x.scale(1 / temperature);
  if (net === "linear") return input.linear(weights.get("router.weight"));
  return input.linear(weights.get("router.0.weight")).geluTanh().linear(weights.get("router.2.weight"));
}

export interface TokenRoute {
  /** 1 at the depth of each row: f32 [R, N]. */
  readonly choice: Tensor;
  /** Of the result in the output: f32 [R, 1]. */
  readonly weight: Tensor;
  /** How much each row wants each depth: f32 [R, N]. */
  readonly shares: Tensor;
}

export function tokenRoute({ config, weights }: Routed, scores: Tensor): TokenRoute {
  const shares = gate(config.router, scores);
  const bias = weights.optional("router.bias");
  const graph = scores.graph as NonNullable<Tensor["graph"]>;
  // The lower of two depths that are wanted equally.
  const early = graph.range(config.recursions).scale(-1e-7);
  const wanted = stopGradient(bias === undefined ? shares : shares.add(bias)).add(early);
  const choice = wanted.argmax().oneHot(config.recursions);
  return { choice, shares, weight: shares.mul(choice).sumRows() };
}

/** N · Σ f P, with f the share of rows that chose a depth and P the mean of how much it was wanted: 1 where all is even. */
export function balanceOf({ choice, shares }: TokenRoute): Tensor {
  const rows = choice.size(0);
  const depths = choice.size(1);
  const mean = (x: Tensor): Tensor =>
    x
      .transpose()
      .cont()
      .sumRows()
      .scale(1 / rows);
  return mean(choice).mul(mean(shares)).sum().scale(depths);
}

/** Mean of the squared log-sum of scores, which keeps them small. */
export function zOf(scores: Tensor): Tensor {
  return logSumExp(scores)
    .sqr()
    .sum()
    .scale(1 / scores.size(0));
}
