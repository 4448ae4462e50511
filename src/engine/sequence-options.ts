import type { CachePolicy, PolicyRun } from "../cache/policy.js";
import type { KeyValueStore } from "../cache/store/key-values.js";
import type { DecodeEvent, Decoder, Sampler } from "../decode/decoder.js";
import type { Tokenizer } from "../text/tokenizer.js";
import type { DraftModel } from "./drafts/draft-model.js";
import type { Output } from "./output.js";
import type { BlockMemoryOptions } from "./views/block-memory.js";

/** What a sequence is started with, what it counts, and the memories it comes with and leaves. */

export interface SequenceOptions {
  readonly prompt: Int32Array;
  readonly decoder: Decoder;
  readonly policy: CachePolicy;
  readonly sampler: Sampler;
  readonly tokenizer: Tokenizer;
  /** A fresh output for a channel. */
  openOutput(): Output;
  readonly maxTokens: number;
  /** For decoders that read views. */
  readonly blocks: BlockMemoryOptions;
  readonly signal?: AbortSignal;
  /** Whom it belongs to, for fairness. */
  readonly user: string;
  /** Sequences of different scopes share no prefixes. */
  readonly scope?: string;
  /** The adapter that it goes through. */
  readonly adapter?: string;
  /** Leave the memory for a next turn when the sequence is over. */
  readonly keepMemory: boolean;
  /** A token came out: seconds since the request (the first) or since the token before. */
  onToken?(seconds: number, first: boolean): void;
  /** The model that its decoder drafts with. */
  readonly draft?: DraftModel;
  /** Somebody watches what the decoder does. */
  watch?(event: DecodeEvent): void;
  /** Somebody looks at the memory after each pass, once the policy has made its edits. */
  watchMemory?(store: KeyValueStore): void;
}

export interface SequenceStats {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  passes: number;
  rows: number;
  secondsQueued: number;
  secondsToFirstToken: number;
  seconds: number;
  preemptions: number;
  readonly decode: Record<string, number>;
  /** Of a model in which tokens go to different depths: how many went to each, from 1. */
  readonly depths: number[];
  /** Mean over layers. */
  cacheEntries: number;
  cacheBytes: number;
  cachePeakBytes: number;
  /** What the cache policy says of itself. */
  cachePolicy: Record<string, number>;
}

/** What a sequence leaves behind for the next turn of a chat: its memory and the tokens that are in it. */
export interface HeldMemory {
  readonly store: KeyValueStore;
  readonly tokens: Int32Array;
  readonly policyRun: PolicyRun;
  readonly policyLabel: string;
  readonly adapter?: string;
}

/** What a sequence begins with, or begins again with. */
export interface StartMemory {
  readonly store: KeyValueStore;
  /** Tokens that are in it. */
  readonly tokens: Int32Array;
  readonly policyRun: PolicyRun;
  /** The draft's own memory, empty. */
  readonly draftStore?: KeyValueStore;
}

export function noStats(promptTokens: number): SequenceStats {
  return {
    promptTokens,
    cachedTokens: 0,
    completionTokens: 0,
    passes: 0,
    rows: 0,
    secondsQueued: 0,
    secondsToFirstToken: 0,
    seconds: 0,
    preemptions: 0,
    decode: {},
    depths: [],
    cacheEntries: 0,
    cacheBytes: 0,
    cachePeakBytes: 0,
    cachePolicy: {},
  };
}
