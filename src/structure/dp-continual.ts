import { z } from "zod";
import { mechanisms } from "./continual-plan.js";
import { type CountersInput, PrivateCounters } from "./private-counters.js";
import { structure } from "./structure.js";

export { type Plan, planRelease, sensitivityOf } from "./continual-plan.js";
export { type ByteSource, DiscreteNoise, secureBytes, seededBytes } from "./discrete-noise.js";
export { epsilonOf, type LedgerEntry, type PrivacyBudget, PrivacyLedger, rhoOf } from "./privacy-budget.js";
export { type CountersInput, PrivateCounters, type ShownCount, type UsageEvent } from "./private-counters.js";

/** DP under continual observation: counts and top lists shown at every moment that tell almost nothing about any one event or user.
 *  Paper    Jain, Raskhodnikova, Sivakumar, Smith: The Price of Differential Privacy under Continual Observation, 2021, arXiv 2112.00828.
 *           Page: docs/methods/dp-continual.md
 *  Takes    labels [D], announced; then events (labels, whole amounts) between ticks 1..T   (D counts, horizon T)
 *  Gives    counters that run: counts, their maximum, or the top labels after each tick, each with its 95% error; the chosen plan and its bound
 *  Cost     tree: O(D) amortised a tick, D · log2 T numbers; sqrt: O(D · t) a tick, D · T numbers; recompute: D numbers
 *  Differs  from the paper: noise is whole numbers with exact probabilities from secure bytes, the exponential mechanism accepts and rejects exactly
 *           instead of adding Gumbel noise; a node's noise is drawn when first read; bounds hold with probability 2/3 by a union bound
 *  Not      rate limits or exact metrics: those stay for the operator's own view, and beside these figures they would undo them
 *  Errors   bad-option: epsilon or delta promise nothing, user level without a cap; budget-exceeded: the horizon or the ledger is used up;
 *           bad-file: damaged state; bad-input: unknown label, amount not whole, clock going backwards */
export const dpContinual = structure({
  name: "dp-continual",
  title: "Shows running counts and top lists that hide any one event or user",
  arxiv: "2112.00828",
  options: z.object({
    epsilon: z.number().default(1).describe("privacy of the whole window: 0.1 to 4"),
    delta: z.number().default(1e-6).describe("0 for pure privacy, else below 1 / users"),
    horizon: z
      .int()
      .min(1)
      .max(2 ** 24)
      .default(16384)
      .describe("ticks of a window; none is shown beyond"),
    publish: z
      .enum(["counts", "max", "top"])
      .default("counts")
      .describe("what is shown; trees show all of it at no further cost"),
    k: z.int().min(1).default(10).describe("length of the top list"),
    mechanism: z
      .enum(["auto", ...mechanisms])
      .default("auto")
      .describe("auto takes the smallest bound"),
    interval: z
      .int()
      .min(1)
      .optional()
      .describe("recompute: ticks between releases; default where both errors balance"),
    reuseChildren: z
      .boolean()
      .default(false)
      .describe("trees: nodes' estimates use their children's, about half the variance"),
    unit: z
      .enum(["event", "user"])
      .default("event")
      .describe("what is hidden: one event, or all of one user's in the window"),
    neighbours: z
      .enum(["remove", "swap"])
      .default("remove")
      .describe("hidden is whether it happened, or also which it was"),
    labelsPerEvent: z.int().min(1).default(1).describe("labels one event may count under"),
    maxPerEvent: z.int().min(1).default(1).describe("most one event adds to a label"),
    maxPerUser: z.int().min(1).optional().describe("unit=user: events counted per user and window"),
    eventsPerTick: z
      .number()
      .gt(0)
      .default(1)
      .describe("events expected in a tick; only for choosing, not for privacy"),
    monotone: z.boolean().default(true).describe("show counts that never fall and are at least 0"),
  }),
  create: (options) => (input: CountersInput) => new PrivateCounters(options, input),
});
