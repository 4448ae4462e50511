import type { Architecture } from "./architecture.js";
import { chooses, type MorConfig, readMorConfig } from "./mor/config.js";
import { morForward } from "./mor/forward.js";
import { morStages } from "./mor/stages.js";
import { morParameters, morWeights } from "./mor/weights.js";

/** Mixture-of-Recursions: a shared stack of layers that each token passes one to several times, with entries only for passes it made.
 *  Paper    Bae et al. 2025, "Mixture-of-Recursions: Learning Dynamic Recursive Depths for Adaptive Token-Level Computation",
 *           arXiv 2507.10524. Page: docs/methods/mor.md
 *  Takes    rows [R, C]; a first and a last Llama block, a stack of shared ones, a router
 *  Does     runs the stack once for all rows, then again for those that a router chooses, each time among those of the time before;
 *           "expert": every recursion chooses rows by their score, with a gate; "token": every row chooses its depth once
 *  Cost     with balanced depths (N + 1) / 2N of a plain model of the unrolled depth N recursions: products, entries, and what is read
 *           of them; kv = "shared" holds 1 / N of the entries and reads all of them
 *  Differs  from the paper: serving chooses by score > 0 and looks at no later row (its released code takes the largest over the whole
 *           text); the gate of token choice counts once, at the end, as in its code;
 *           the router with a hidden layer uses the tanh form of GELU
 *  Not      the balancing without a loss (its bias is read and used, not learnt), the second router for inference, shared entries that
 *           later recursions update; universal-transformer (every row may stop at any step, nothing is chosen)
 *  Errors   bad-file or unsupported where a field is out of range or the copies of a shared weight differ; bad-input where a score is
 *           not a number, naming recursion and position */
export const mor: Architecture<MorConfig> = {
  name: "mor",
  kind: "causal",
  readConfig: readMorConfig,
  weights: morWeights,
  parameters: morParameters,
  memory: (config) => {
    const { numKvHeads: kvHeads, headDim, recursions, sharedLayers, outerLayers, kv } = config;
    const layer = { kind: "keys-values", kvHeads, headDim } as const;
    const outer = outerLayers ? [layer] : [];
    const passes = Array.from({ length: kv === "shared" ? 1 : recursions }, (_, index) => {
      const own = chooses(config, index + 1) ? { ...layer, list: index + 1 } : layer;
      return new Array<typeof own>(sharedLayers).fill(own);
    });
    return [...outer, ...passes.flat(), ...outer];
  },
  forward: (config, weights, batch) => {
    const compact = config.router.kind === "expert" && config.kv === "recursion";
    return morForward(config, weights, batch, compact ? "compact" : "masked");
  },
  // Where nothing is chosen, one graph does.
  stages: (config) => (config.router.kind === "none" ? undefined : morStages(config)),
};
