import type { z } from "zod";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../../method.js";
import type { Chunk, Document } from "../document.js";

/** A chunker cuts a document. It is deterministic for given options, model and seed; its chunks come in document order, leave
 *  nothing out and do not overlap: their texts joined are the document's text, byte for byte (held by `chunker.case.ts`). */
export interface Chunker extends Part<"chunker"> {
  chunk(document: Document, context: ChunkContext): AsyncIterable<Chunk>;
}

/** What a chunker may use. A chunker that needs a model says so in its options' text and fails with a typed error without it. */
export interface ChunkContext {
  /** Length in tokens of the model that will read the chunks; an estimate of 4 bytes a token where no model is loaded. */
  countTokens(text: string): number;
  /** Natural-log probability of each token of `text` given what precedes it, for chunkers that cut by perplexity. */
  tokenLogProbs?(text: string, signal?: AbortSignal): Promise<{ endBytes: Int32Array; logProbs: Float32Array }>;
  /** Probabilities of the labels as the next words after the prompt. */
  choose?(prompt: string, labels: readonly string[], signal?: AbortSignal): Promise<Float32Array>;
  /** Unit-length sentence embeddings, one row a text. */
  embed?(texts: readonly string[], signal?: AbortSignal): Promise<Float32Array[]>;
  readonly signal?: AbortSignal;
}

export type ChunkFunction = (document: Document, context: ChunkContext) => AsyncIterable<Chunk>;

export function chunker<Options extends z.ZodObject>(
  definition: MethodDefinition<Options> & { create(options: z.output<Options>, label: string): ChunkFunction },
): MethodFactory<"chunker", Options, Chunker> {
  const { create, ...head } = definition;
  return defineMethod({ ...head, kind: "chunker" }, (options, part) => ({
    ...part,
    chunk: create(options, part.label),
  }));
}
