import type { z } from "zod";
import { defineMethod, type MethodDefinition, type MethodFactory, type Part } from "../../method.js";
import type { Chunk } from "../document.js";

/** A selector decides which passages the model gets to see for a question, within a token budget. */
export interface Selector extends Part<"selector"> {
  select(
    question: string,
    source: CandidateSource,
    budget: EvidenceBudget,
    context: SelectContext,
  ): Promise<Evidence[]>;
}

/** A passage chosen as evidence. Scores compare within one answer only. `reason` is words for a person: why this one. */
export interface Evidence {
  readonly chunk: Chunk;
  readonly score: number;
  readonly reason: string;
  /** The selector's label. */
  readonly by: string;
}

export interface EvidenceBudget {
  /** Most tokens of all evidence together, headers included. */
  readonly tokens: number;
  /** Most passages. */
  readonly passages?: number;
}

export type SearchMode = "vector" | "text" | "hybrid";

export interface Candidate {
  readonly chunk: Chunk;
  readonly score: number;
  /** Unit length; present when the index holds vectors. */
  readonly vector?: Float32Array;
}

/** What a selector draws from: the index, or anything else that can be searched. */
export interface CandidateSource {
  search(query: string, options: { k: number; mode?: SearchMode; signal?: AbortSignal }): Promise<Candidate[]>;
  /** The chunks before and after one, in document order. */
  neighbours(chunk: Chunk, width: number): Promise<Chunk[]>;
}

/** A step of a choice, in words for a person. `fallback` says that something failed and what was used instead. */
export interface SelectNote {
  readonly kind: "search" | "rationale" | "flagged" | "dropped" | "fallback";
  readonly text: string;
  /** The passage it speaks of. */
  readonly chunk?: Chunk;
}

export interface SelectContext {
  countTokens(text: string): number;
  embed?(texts: readonly string[], signal?: AbortSignal): Promise<Float32Array[]>;
  /** Sum of natural-log probabilities of `continuation` after `prompt`, and its number of tokens. */
  logLikelihood?(
    prompt: string,
    continuation: string,
    signal?: AbortSignal,
  ): Promise<{ logProb: number; tokens: number }>;
  /** One answer of the model; `schema` is a JSON schema that the answer is forced to fit, where the model can do that. */
  generate?(
    prompt: string,
    options: { maxTokens: number; temperature?: number; seed?: number; schema?: object; signal?: AbortSignal },
  ): Promise<string>;
  /** Told of what cannot be read off the evidence: what was left out and why, what stood in for what failed. */
  onNote?(note: SelectNote): void;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

export type SelectFunction = Selector["select"];

export function selector<Options extends z.ZodObject>(
  definition: MethodDefinition<Options> & { create(options: z.output<Options>, label: string): SelectFunction },
): MethodFactory<"selector", Options, Selector> {
  const { create, ...head } = definition;
  return defineMethod({ ...head, kind: "selector" }, (options, part) => ({
    ...part,
    select: create(options, part.label),
  }));
}
