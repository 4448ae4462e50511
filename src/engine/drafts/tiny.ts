import { QuireError } from "../../errors.js";
import { lent, type TinyDraftConfig, tinyDraft, tinyDraftName } from "../../models/tiny-draft.js";
import { rowBytes } from "../../tensor/dtype.js";
import { elements } from "../../tensor/shape.js";
import { loadWeights } from "../../weights/load.js";
import { openWeightFile } from "../../weights/open-weight-file.js";
import type { TensorEntry, WeightFile } from "../../weights/weight-file.js";
import type { LoadedModel } from "../model.js";
import { draftModel } from "./draft-model.js";
import type { DraftTarget, OpenDraft } from "./draft-models.js";
import { ownMemory } from "./own-memory.js";

/** A tiny draft from its file. The target lends its embedding as it lies in memory, and rows of its head from its file. */
export const openTinyDraft: OpenDraft = async (target, path, { signal, onProgress }) => {
  const name = `tiny:${path}`;
  const file = await openWeightFile(path);
  try {
    if (file.metadata.get("general.architecture") !== tinyDraftName) {
      throw new QuireError("bad-file", `${path} is no tiny draft.`, {
        got: file.metadata.get("general.architecture"),
        expected: tinyDraftName,
        fix: "Whole models draft as model:PATH.",
      });
    }
    const config = tinyDraft.readConfig(file);
    mustFit(config, path, target);
    const targetFile = await openWeightFile(target.model.path);
    try {
      const whole = withHead(file, targetFile, config.proposed, target.model);
      const requests = tinyDraft.weights(config, whole).filter((request) => request.name !== lent.embedding);
      const { device } = target.model;
      const own = await loadWeights(whole, requests, device, {
        signal,
        onProgress: (done, total) => onProgress?.({ phase: "load", name, done, total }),
      });
      const embedding = target.model.weights.get("token_embd.weight");
      const weights: typeof own = {
        ...own,
        get: (wanted) => (wanted === lent.embedding ? embedding : own.get(wanted)),
      };
      const parameters =
        [...file.tensors.values()].reduce((sum, { shape }) => sum + elements(shape), 0) +
        config.proposed.length * config.targetHidden;
      const close = async () => own.close();
      const { metadata, format } = file;
      const model = { path, architecture: tinyDraft, config, weights, device, metadata, format, parameters, close };
      const { vocabSize } = target.model.config;
      const shape = ownMemory(model as unknown as LoadedModel, target.cacheType);
      return draftModel({
        ...{ name, model: model as unknown as LoadedModel, shape, parameters, vocabSize },
        tokens: config.proposed,
        close,
      });
    } finally {
      await targetFile.close();
    }
  } finally {
    await file.close();
  }
};

function mustFit(config: TinyDraftConfig, path: string, { model, tokenizer }: DraftTarget): void {
  const { hiddenSize, vocabSize } = model.config;
  if (config.targetTokenizer !== tokenizer.hash) {
    throw new QuireError("bad-option", `The draft ${path} has another tokenizer than the model that it drafts for.`, {
      got: config.targetTokenizer.slice(0, 12),
      expected: tokenizer.hash.slice(0, 12),
      fix: "Use the draft with the model that it was made for.",
    });
  }
  if (config.targetHidden === hiddenSize && config.vocabSize === vocabSize) return;
  throw new QuireError("bad-option", `The draft ${path} was made for a model of another size.`, {
    got: `${config.vocabSize} tokens of width ${config.targetHidden}`,
    expected: `${vocabSize} tokens of width ${hiddenSize}`,
    fix: "Use the draft with the model that it was made for.",
  });
}

/** The draft's file with the head's rows of some tokens as one more tensor. */
function withHead(file: WeightFile, target: WeightFile, tokens: Int32Array, { path }: LoadedModel): WeightFile {
  const names = ["output.weight", "lm_head.weight", "token_embd.weight", "model.embed_tokens.weight"];
  const whole = names.map((name) => target.tensors.get(name)).find((entry) => entry !== undefined);
  if (whole === undefined)
    throw new QuireError("bad-file", `${path} has no head that a draft could use.`, { expected: names });
  const width = whole.shape[1] ?? 1;
  const bytes = rowBytes(whole.dtype, width);
  const head: TensorEntry = {
    ...whole,
    name: lent.head,
    shape: [tokens.length, width],
    sizeBytes: tokens.length * bytes,
  };
  let rows: Promise<Uint8Array> | undefined;
  const gather = async (): Promise<Uint8Array> => {
    const gathered = new Uint8Array(head.sizeBytes);
    for (const [i, token] of tokens.entries())
      await target.read(whole, token * bytes, gathered.subarray(i * bytes, (i + 1) * bytes));
    return gathered;
  };
  return {
    ...file,
    tensors: new Map([...file.tensors, [lent.head, head]]),
    read: async (entry, offset, into) => {
      if (entry !== head) return file.read(entry, offset, into);
      rows ??= gather();
      into.set((await rows).subarray(offset, offset + into.byteLength));
    },
  };
}
