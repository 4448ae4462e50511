import type { z } from "zod";
import { QuireError } from "../../errors.js";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../../method.js";
import type { TextScoring } from "../../text/text-scoring.js";
import type { Chunk, Document } from "../document.js";

/** A chunker cuts a document. It is deterministic for given options, model and seed; its chunks come in document order, leave
 *  nothing out and do not overlap: their texts joined are the document's text, byte for byte (held by `chunker.case.ts`). */
export interface Chunker extends Part<"chunker"> {
  /** It asks the language model of its context; its chunks are then also named by that model. */
  readonly asksModel: boolean;
  /** It needs sentence embeddings. */
  readonly embeds: boolean;
  chunk(document: Document, context: ChunkContext): AsyncIterable<Chunk>;
}

/** What a chunker may use. One that needs more than is there fails with a typed error. */
export interface ChunkContext {
  /** Length in tokens of the model that will read the chunks; an estimate of 4 bytes a token where no model is loaded. */
  countTokens(text: string): number;
  /** Bytes at which the tokens of a text end, where the tokenizer is known. */
  tokenEnds?(text: string): Int32Array;
  readonly model?: ChunkModel;
  /** Unit-length sentence embeddings, one row a text. */
  embed?(texts: readonly string[], signal?: AbortSignal): Promise<Float32Array[]>;
  /** Told what a reader should know: that a model's answer could not be used, and what was done instead. */
  note?(notice: string): void;
  readonly signal?: AbortSignal;
}

export interface ChunkModel {
  readonly id: string;
  readonly contextTokens: number;
  readonly parameters?: number;
  readonly scoring?: TextScoring;
  /** What the model answers, in JSON that fits the schema. */
  answer?(
    prompt: string,
    request: { readonly schema: object; readonly maxTokens: number; readonly signal?: AbortSignal },
  ): Promise<string>;
}

export type ChunkFunction = (document: Document, context: ChunkContext) => AsyncIterable<Chunk>;

export function chunker<Options extends z.ZodObject>(
  definition: MethodDefinition<Options> & {
    /** With which options it asks a model; default never. */
    asksModel?(options: z.output<Options>): boolean;
    /** Default false. */
    embeds?: boolean;
    create(options: z.output<Options>, label: string): ChunkFunction;
  },
): MethodFactory<"chunker", Options, Chunker> {
  const { create, asksModel, embeds = false, ...head } = definition;
  return defineMethod({ ...head, kind: "chunker" }, (options, part) => ({
    ...part,
    asksModel: asksModel?.(options) ?? false,
    embeds,
    chunk: create(options, part.label),
  }));
}

/** What chunks are named after: the chunker, and the model where one decides. */
export function chunkerName({ label, asksModel }: Pick<Chunker, "label" | "asksModel">, model?: ChunkModel): string {
  return asksModel ? `${label}@${model?.id ?? "none"}` : label;
}

export function mustScore({ model }: ChunkContext, name: string): ChunkModel & { readonly scoring: TextScoring } {
  if (model?.scoring !== undefined) return model as ChunkModel & { readonly scoring: TextScoring };
  throw new QuireError("unsupported", `${name} needs probabilities from a language model.`, {
    got: model === undefined ? "no model" : `${model.id}, which gives none`,
    expected: "a model on this machine, or an endpoint that gives log-probabilities",
    fix: "Choose a model (--model), or a chunker that needs none, such as recursive.",
  });
}
