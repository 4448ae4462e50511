import type { DecodeEvent } from "../../decode/decoder.js";
import type { GenerateResult } from "../../generate-options.js";
import type { CacheInspection } from "../../inspect/cache-inspection.js";
import type { OpenProgress } from "../../quire.js";

/** What the server needs of an engine: tokens in, pieces out. A child process, an engine in this process, and an echo without
 *  any model all fit, so routes are tested without a model. Chat templates, tokens and JSON are the server's business. */

export interface EngineClient {
  /** Of the engine that runs or ran last. */
  readonly info: EngineInfo;
  readonly state: EngineState;
  /** How often it was started again after it had died. */
  readonly restarts: number;
  generate(job: EngineJob, signal?: AbortSignal): AsyncGenerator<EnginePiece, EngineResult>;
  embed(texts: readonly string[], signal?: AbortSignal): Promise<EngineVectors>;
  /** What a cache policy keeps of a text, while so many tokens are written after it. */
  inspect(request: InspectRequest, signal?: AbortSignal): Promise<CacheInspection>;
  /** Resolves when work can be taken; rejects when the signal stops the wait or there never will be an engine again. */
  whenReady(signal?: AbortSignal): Promise<void>;
  /** Told of every pass; the result stops that. */
  onPass(listener: (pass: EnginePass) => void): () => void;
  /** Told when the state changes, with the reason where there is one. */
  onState(listener: (state: EngineState, reason?: string) => void): () => void;
  close(): Promise<void>;
}

export type EngineState = "starting" | "ready" | "down";

export interface EngineInfo {
  readonly model: string;
  /** The file or folder the tokenizer is read from. */
  readonly path: string;
  readonly contextTokens: number;
  readonly parameters: number;
  readonly device: string;
  readonly threads: number;
  readonly schedule: string;
  readonly embedder: EmbedderInfo | undefined;
}

export interface EmbedderInfo {
  readonly name: string;
  /** Names weights and settings, so that vectors of different models never mix. */
  readonly id: string;
  readonly dimensions: number;
  readonly maxTokens: number;
}

/** Plain data, so that it can go to another process. */
export interface EngineJob {
  /** Of the request; passes name it. */
  readonly id: string;
  readonly user: string;
  readonly prompt: Int32Array;
  readonly options: JobOptions;
}

export interface InspectRequest {
  readonly prompt: Int32Array;
  readonly cache: string;
  readonly maxTokens: number;
}

export interface JobOptions {
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly logitBias?: Readonly<Record<string, number>>;
  readonly seed?: number;
  readonly logprobs?: number;
  readonly stop?: readonly string[];
  /** JSON schema, as data. */
  readonly schema?: unknown;
  readonly grammar?: string;
  readonly cache?: string;
  readonly decoder?: string;
  /** One of those that were opened with the model. */
  readonly adapter?: string;
  readonly overflow?: "error" | "drop-middle" | "drop-oldest";
  readonly ignoreEnd?: boolean;
  /** Pieces tell what the decoder did. */
  readonly watch?: boolean;
}

export interface EnginePiece {
  readonly text: string;
  /** Below 0 where the text belongs to no token of its own. */
  readonly token: number;
  readonly logProb: number;
  readonly top?: readonly { readonly token: number; readonly logProb: number }[];
  /** Which of several answers or workers it belongs to; left out: the first. */
  readonly channel?: number;
  /** What the decoder did since the piece before, where that was asked for. */
  readonly events?: readonly DecodeEvent[];
}

/** What a generation gives, without the text: that has gone out in pieces. */
export type EngineResult = Pick<GenerateResult, "finishReason" | "tokens" | "answers" | "usage" | "stats">;

export interface EngineVectors {
  readonly vectors: readonly Float32Array[];
  readonly tokens: number;
  /** Numbers of the texts of which only the beginning was looked at. */
  readonly truncated: readonly number[];
}

/** What one forward pass carried. */
export interface EnginePass {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly ms: number;
  /** Rows of requests that were answering. */
  readonly decodeRows: number;
  /** Parts of prompts. */
  readonly slices: readonly { readonly request: string; readonly user: string; readonly rows: number }[];
  readonly waiting: number;
  readonly running: number;
  readonly cacheBytes: number;
  readonly cacheLimitBytes: number;
  /** Everything that runs. */
  readonly requests: readonly RequestState[];
}

export interface RequestState {
  readonly request: string;
  readonly cachedTokens: number;
  readonly cacheEntries: number;
  readonly cacheBytes: number;
}

/** How an engine with a model is opened: plain data, for this process or another. */
export interface EngineSettings {
  readonly model?: string;
  readonly device?: string;
  readonly threads?: number;
  readonly contextTokens?: number;
  readonly cacheType?: "f16" | "f32" | "q8_0";
  readonly products?: "as-stored" | "in-parts";
  readonly offline?: boolean;
  /** "sarathi:budget=512", "sarathi:tbt-target=50", "whole-prefill", ... */
  readonly schedule?: string;
  /** Sequences that run at once. */
  readonly maxSequences?: number;
  /** Most bytes of all caches together. */
  readonly cacheMemoryBytes?: number;
  readonly prefixSharing?: boolean;
  /** LoRA adapters that requests may choose: name to folder or file. */
  readonly adapters?: Readonly<Record<string, string>>;
  /** Embedding model by name or path; "none" for none. */
  readonly embedder?: string;
}

export interface OpenEngineOptions {
  readonly signal?: AbortSignal;
  onProgress?(progress: OpenProgress): void;
  onNotice?(notice: string): void;
}
