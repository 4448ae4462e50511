import { QuireError } from "../../errors.js";
import { draftModel } from "./draft-model.js";
import type { OpenDraft } from "./draft-models.js";

/** The target's own first layers, and its head behind them. It needs no memory of its own: those layers' keys and values are the
 *  target's. Models that were not trained for it say little in their first layers. */
export const openEarlyExit: OpenDraft = async ({ model }, detail) => {
  const { config, architecture } = model;
  const layers = Number(detail);
  if (!/^\d+$/.test(detail) || layers < 1 || layers >= config.numLayers) {
    throw new QuireError("bad-option", `The draft exit:${detail} cannot be had.`, {
      got: detail,
      expected: `a number of layers from 1 to ${config.numLayers - 1}`,
    });
  }
  if (architecture.stages?.(config) !== undefined) {
    throw new QuireError("unsupported", `${architecture.name} does not run layer by layer and has no early exit.`, {
      got: `exit:${detail}`,
      fix: "Draft with lookup, ngram or another model.",
    });
  }
  const outer = config.vocabSize * config.hiddenSize;
  const parameters = outer + Math.round(((model.parameters - outer) * layers) / config.numLayers);
  return draftModel({
    name: `exit:${detail}`,
    model: { ...model, config: { ...config, numLayers: layers }, parameters },
    shape: undefined,
    parameters,
    vocabSize: config.vocabSize,
    close: async () => {},
  });
};
