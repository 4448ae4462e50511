import { QuireError } from "../../errors.js";
import { ggufTokenizer } from "../../text/gguf-tokenizer.js";
import { openHfTokenizer } from "../../text/hf-tokenizer.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import { resolveModel } from "../../weights/resolve-model.js";
import { type LoadedModel, loadModel, mustBeCausal } from "../model.js";
import { draftModel } from "./draft-model.js";
import type { OpenDraft } from "./draft-models.js";
import { ownMemory } from "./own-memory.js";

/** Another model of the catalogue, or a path, with the target's tokenizer. */
export const openOtherModel: OpenDraft = async ({ model: target, tokenizer, cacheType }, detail, options) => {
  const { signal, offline, onProgress } = options;
  const { path } = await resolveModel(detail, {
    offline,
    signal,
    onProgress: ({ file, receivedBytes, totalBytes }) =>
      onProgress?.({ phase: "download", name: file, done: receivedBytes, total: totalBytes }),
  });
  const model = await loadModel(path, {
    on: target.device,
    signal,
    onProgress: (done, total) => onProgress?.({ phase: "load", name: detail, done, total }),
  });
  try {
    mustBeCausal(model);
    await mustSpeakAlike(model, detail, tokenizer);
    const shape = ownMemory(model, cacheType);
    const { parameters } = model;
    const { vocabSize } = target.config;
    return draftModel({ name: `model:${detail}`, model, shape, parameters, vocabSize, close: () => model.close() });
  } catch (error) {
    await model.close();
    throw error;
  }
};

async function mustSpeakAlike(model: LoadedModel, name: string, target: Tokenizer): Promise<void> {
  const own = model.format === "gguf" ? ggufTokenizer(model.metadata) : await openHfTokenizer(model.path);
  const { hash, vocabSize } = own;
  own.close();
  if (hash === target.hash) return;
  throw new QuireError("bad-option", `The draft ${name} has another tokenizer than the model that it drafts for.`, {
    got: `${vocabSize} tokens, ${hash.slice(0, 12)}`,
    expected: `${target.vocabSize} tokens, ${target.hash.slice(0, 12)}`,
    fix: "Choose a draft of the same family, or draft with lookup or ngram.",
  });
}
