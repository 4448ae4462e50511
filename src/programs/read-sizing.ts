import { makespan, totals } from "./decompose/call-tree.js";
import { type Calibration, choose, errorAt, geometricSizes, withSeconds } from "./decompose/planner.js";
import type { LanguageModel } from "./language-model.js";
import { planRead, type ReadInput, type ReadOptions, type ReadPlan } from "./read.js";

/** How much `read` gives to one call, where the user leaves it open and the model has been measured: of the part sizes at which it reads
 *  about as rightly as it can, the one that is done soonest. Without measurements a part is what the window holds. */

export interface ReadSizing {
  readonly part: number;
  readonly plan: ReadPlan;
  readonly seconds: number;
  /** What the model got wrong with prompts of that length when it was measured. */
  readonly error: number | undefined;
}

const leastPart = 128;

export function sizeReading(
  input: Pick<ReadInput, "instruction" | "chunks">,
  model: Pick<LanguageModel, "contextTokens" | "countTokens">,
  settings: Partial<ReadOptions>,
  { calibration, workers = 1 }: { readonly calibration: Calibration; readonly workers?: number },
): ReadSizing {
  const { part: _, ...rest } = settings;
  const widest = planRead(input, model, rest);
  const largest = Math.max(...widest.parts.map(({ tokens }) => tokens));
  const rows = geometricSizes(Math.min(leastPart, largest), largest).map((part) => {
    const plan = planRead(input, model, { ...rest, part: Math.max(50, part) });
    const tree = withSeconds(plan.tree, calibration.costs);
    const longest = Math.max(...plan.parts.map(({ tokens }) => tokens));
    return {
      size: part,
      plan,
      seconds: makespan(tree, workers),
      promptTokens: totals(tree).promptTokens,
      error: errorAt(calibration.errors, longest, ({ promptTokens }) => promptTokens),
      refused: undefined,
    };
  });
  const { size, plan, seconds, error } = choose(rows, model);
  return { part: Math.max(50, size), plan, seconds, error };
}
