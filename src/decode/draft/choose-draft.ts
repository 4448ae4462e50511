import { z } from "zod";
import { QuireError } from "../../errors.js";
import type { DecodeContext } from "../decoder.js";
import type { Draft } from "./draft.js";
import { LookupDraft } from "./lookup.js";
import { ModelDraft } from "./model-draft.js";
import { NgramDraft } from "./ngram.js";

/** The option `draft` of decoders that speculate, and the draft that it means. Drafts that are models are loaded by the engine, which
 *  knows them under the same words. */

const onHost = ["lookup", "ngram"] as const;
const models = {
  exit: "exit:LAYERS (the target's first layers)",
  "low-bit": "low-bit:TYPE (the target, requantised)",
  tiny: "tiny:FILE",
  model: "model:NAME",
} as const;
const known = [...onHost, ...Object.values(models)].join(", ");

export const draftOption = z
  .string()
  .refine((text) => isOnHost(text) || isModel(text), { error: `must be one of: ${known}` })
  .describe(`where drafts come from: ${known}`);

/** What the engine is to load for a draft; undefined where it needs nothing. */
export function engineDraft(draft: string): string | undefined {
  return isOnHost(draft) ? undefined : draft;
}

/** A draft for one sequence. */
export function openDraft(draft: string, context: Pick<DecodeContext, "draft" | "tokenizer">): Draft {
  if (draft === "lookup") return new LookupDraft();
  if (draft === "ngram") return new NgramDraft({ vocabSize: context.tokenizer.vocabSize });
  if (!isModel(draft)) {
    throw new QuireError("bad-option", `There is no draft "${draft}".`, { got: draft, expected: known });
  }
  if (context.draft === undefined)
    throw new QuireError("bad-input", `The draft ${draft} was not loaded for this sequence.`);
  return new ModelDraft(context.draft);
}

function isOnHost(draft: string): boolean {
  return (onHost as readonly string[]).includes(draft);
}

function isModel(draft: string): boolean {
  const colon = draft.indexOf(":");
  return colon > 0 && Object.hasOwn(models, draft.slice(0, colon)) && draft.length > colon + 1;
}
