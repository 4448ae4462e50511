import type { SelectContext } from "../corpus/select/selector.js";
import type { LanguageModel } from "./language-model.js";

/** How likely a model finds a continuation after a prompt, where it gives probabilities at all; selectors value passages by it. */
export function likelihoodOf(model: LanguageModel | undefined): SelectContext["logLikelihood"] {
  const scoring = model?.scoring;
  if (scoring === undefined) return undefined;
  if (scoring.logLikelihood !== undefined) return scoring.logLikelihood.bind(scoring);
  return async (prompt, continuation, signal) => {
    let logProb = 0;
    let tokens = 0;
    // A token that straddles the seam counts as one of the continuation's.
    const seam = Buffer.byteLength(prompt);
    for await (const { endBytes, logProbs } of scoring.tokenLogProbs(prompt + continuation, { signal })) {
      for (const [i, end] of endBytes.entries()) {
        if (end <= seam) continue;
        logProb += logProbs[i]!;
        tokens += 1;
      }
    }
    return { logProb, tokens };
  };
}
