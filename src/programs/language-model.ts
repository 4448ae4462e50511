import type { TextScoring } from "../text/text-scoring.js";

/** What a program needs of a model. The local engine and any OpenAI-compatible endpoint both fit, so one tree of calls runs on
 *  either. Token counts of an endpoint whose tokenizer is unknown are estimates, and `exactCounts` says so. */
export interface LanguageModel {
  readonly id: string;
  /** The window: prompt and answer together, in tokens. */
  readonly contextTokens: number;
  readonly exactCounts: boolean;
  /** Number of weights, where known: programs ask small models shorter, simpler questions. */
  readonly parameters?: number;
  countTokens(text: string): number;
  /** Bytes at which the tokens of a text end, where the tokenizer is known. */
  tokenEnds?(text: string): Int32Array;
  /** Probabilities of texts, where they can be had. */
  readonly scoring?: TextScoring;
  generate(request: GenerationRequest): Promise<Generation>;
}

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: string;
}

export interface GenerationRequest {
  readonly messages: readonly ChatMessage[];
  readonly maxTokens: number;
  /** 0 = greedy. */
  readonly temperature?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  /** JSON schema that the answer is forced to fit. */
  readonly schema?: object;
  readonly signal?: AbortSignal;
  /** Called with each piece of text as it comes out, whole characters only. */
  onText?(text: string): void;
}

export interface Generation {
  readonly text: string;
  readonly finishReason: "stop" | "length";
  readonly usage: CallUsage;
}

export interface CallUsage {
  readonly promptTokens: number;
  /** Of the prompt's tokens, those whose keys and values were still there. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly seconds: number;
}
