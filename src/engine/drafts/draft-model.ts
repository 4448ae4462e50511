import type { KeyValueShape, KeyValueStore } from "../../cache/store/key-values.js";
import { ForwardPass } from "../forward.js";
import type { LoadedModel } from "../model.js";

/** A second model that drafts for the engine's own. */
export interface DraftModel {
  /** As a decoder names it: "exit:8". */
  readonly name: string;
  readonly model: LoadedModel;
  readonly pass: ForwardPass;
  /** Of its own memory for a sequence; undefined where it lives in the target's. */
  readonly shape: KeyValueShape | undefined;
  /** Number of weights that a row goes through. */
  readonly parameters: number;
  /** Its logits by the target's tokens. Valid until the next call. */
  readonly widen: (logits: Float32Array) => Float32Array;
  forget(store: KeyValueStore): void;
  close(): Promise<void>;
}

export interface DraftParts extends Pick<DraftModel, "name" | "model" | "shape" | "parameters"> {
  /** The target's. */
  readonly vocabSize: number;
  /** The target's tokens that its logits stand for; default: those of equal number. */
  readonly tokens?: Int32Array;
  close(): Promise<void>;
}

export function draftModel({ vocabSize, tokens, close, ...head }: DraftParts): DraftModel {
  const pass = new ForwardPass(head.model);
  return {
    ...head,
    pass,
    widen: widening(vocabSize, tokens),
    forget: (store) => pass.forget(store),
    close: async () => {
      pass.close();
      await close();
    },
  };
}

/** Tokens that the draft does not know are impossible for it; those that only it knows are left out. */
function widening(vocabSize: number, tokens: Int32Array | undefined): DraftModel["widen"] {
  let wide: Float32Array | undefined;
  return (logits) => {
    if (tokens === undefined && logits.length >= vocabSize) return logits.subarray(0, vocabSize);
    wide ??= new Float32Array(vocabSize);
    wide.fill(Number.NEGATIVE_INFINITY);
    if (tokens === undefined) wide.set(logits);
    else for (const [index, token] of tokens.entries()) wide[token] = logits[index] as number;
    return wide;
  };
}
