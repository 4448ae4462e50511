import { requantised } from "../../weights/requantise.js";
import { loadModel } from "../model.js";
import { draftModel } from "./draft-model.js";
import type { OpenDraft } from "./draft-models.js";
import { ownMemory } from "./own-memory.js";

/** The target's own file with fewer bits a weight. It agrees with the target more often than any other draft, and costs half of it. */
export const openLowBit: OpenDraft = async ({ model: target, cacheType }, detail, { signal, onProgress }) => {
  const name = `low-bit:${detail}`;
  const path = await requantised(target.path, detail, {
    device: target.device,
    signal,
    onProgress: (done, total) => onProgress?.({ phase: "requantise", name, done, total }),
  });
  const model = await loadModel(path, {
    on: target.device,
    signal,
    onProgress: (done, total) => onProgress?.({ phase: "load", name, done, total }),
  });
  try {
    const shape = ownMemory(model, cacheType);
    const { parameters } = model;
    const { vocabSize } = target.config;
    return draftModel({ name, model, shape, parameters, vocabSize, close: () => model.close() });
  } catch (error) {
    await model.close();
    throw error;
  }
};
