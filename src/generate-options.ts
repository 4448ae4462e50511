import type { CachePolicy } from "./cache/policy.js";
import type { AnswerNotes, DecodeEvent, Decoder } from "./decode/decoder.js";
import type { SamplerOptions } from "./decode/sample/sampler-options.js";

/** What users say about one generation, and what they get back. */

export interface GenerateOptions extends SamplerOptions {
  /** Most tokens of the answer; default 512. */
  maxTokens?: number;
  stop?: readonly string[];
  /** JSON schema or zod schema that the answer is forced to fit; the parsed answer is in `value`. */
  schema?: unknown;
  /** GBNF grammar that the answer is forced to fit. */
  grammar?: string;
  /** "window:budget=512", or a part. */
  cache?: string | CachePolicy;
  /** "prompt-lookup:draft=8", or a part. */
  decoder?: string | Decoder;
  /** One of the adapters that were opened with the model; null for none, also where one is used by default. */
  adapter?: string | null;
  /** What to do with a prompt that is longer than the context: fail (default), or leave out tokens of its middle or its beginning;
   *  `usage.droppedTokens` says how many. */
  overflow?: "error" | "drop-middle" | "drop-oldest";
  /** Go on after the model wants to stop, for timing. */
  ignoreEnd?: boolean;
  /** Whom the request belongs to: users share the engine fairly. */
  user?: string;
  /** Requests of different scopes share no prefixes: what one asks cannot be told from how fast another is answered. */
  prefixScope?: string;
  signal?: AbortSignal;
  /** Told what the decoder does: drafts and what was accepted, branches, workers. */
  onDecode?(event: DecodeEvent): void;
}

export interface GeneratePiece {
  readonly text: string;
  readonly token: number;
  readonly logProb: number;
  readonly top?: readonly { token: number; logProb: number }[];
  /** Which of several answers or workers it belongs to; left out: the first. */
  readonly channel?: number;
}

/** One answer of several, or one worker's text. */
export interface Answer extends AnswerNotes {
  readonly text: string;
  readonly tokens: readonly number[];
  /** The parsed answer, where a schema was given and the answer is whole. */
  readonly value?: unknown;
  /** Natural logarithm, of all its tokens. */
  readonly logProb: number;
  readonly finishReason: "stop" | "length";
}

export interface GenerateResult {
  readonly text: string;
  /** The parsed answer, where a schema was given and the answer is whole. */
  readonly value?: unknown;
  readonly finishReason: "stop" | "length";
  readonly tokens: readonly number[];
  /** All answers, the first among them, where the decoder gives several. */
  readonly answers?: readonly Answer[];
  readonly usage: {
    readonly promptTokens: number;
    readonly cachedTokens: number;
    readonly droppedTokens: number;
    readonly completionTokens: number;
    readonly secondsToFirstToken: number;
    readonly seconds: number;
  };
  readonly stats: {
    readonly passes: number;
    readonly tokensPerPass: number;
    readonly decode: Readonly<Record<string, number>>;
    /** Of a model in which tokens go to different depths: the mean, and how many went to each from 1. */
    readonly depth?: { readonly mean: number; readonly tokens: readonly number[] };
    readonly cache: {
      readonly entries: number;
      readonly bytes: number;
      /** The most bytes at once, the prompt included. */
      readonly peakBytes: number;
      /** What the policy counts of its own work. */
      readonly policy: Readonly<Record<string, number>>;
    };
  };
}
