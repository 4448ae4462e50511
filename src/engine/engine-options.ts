import type { CachePolicy } from "../cache/policy.js";
import type { CacheType, KeyValueStore } from "../cache/store/key-values.js";
import type { DecodeEvent, Decoder, Sampler } from "../decode/decoder.js";
import type { EngineObserver } from "./engine-observer.js";
import type { PassCosts } from "./schedule/pass-costs.js";
import type { Schedule } from "./schedule/planner.js";
import type { HeldMemory } from "./sequence-options.js";

/** How an engine is opened, and what it is asked for. */

export interface EngineOptions {
  /** Most tokens of a sequence, prompt and answer together; default the model's own limit. More is for cache policies that renumber. */
  readonly contextTokens?: number;
  readonly cacheType?: CacheType;
  /** Default sarathi, 512 rows a pass. */
  readonly schedule?: Schedule;
  /** What passes cost here, for a schedule that needs it. */
  readonly costs?: PassCosts;
  /** Sequences that run at once at most; default 8. */
  readonly maxSequences?: number;
  /** Most bytes of all caches together; default half of the memory that is free. */
  readonly cacheMemoryBytes?: number;
  /** Compute what prompts have in common once; default true. */
  readonly prefixSharing?: boolean;
  readonly observer?: EngineObserver;
  /** The adapter of sequences that name none. */
  readonly adapter?: string;
  /** Milliseconds; what passes cost is read from it. Default the clock on the wall. */
  readonly now?: () => number;
}

export interface SequenceRequest {
  readonly prompt: Int32Array;
  readonly decoder: Decoder;
  readonly policy: CachePolicy;
  readonly sampler: Sampler;
  readonly maxTokens: number;
  readonly stop?: readonly string[];
  /** Go on after an end token, for timing. */
  readonly ignoreEnd?: boolean;
  readonly signal?: AbortSignal;
  /** Whom it belongs to: users share the engine fairly. */
  readonly user?: string;
  /** Sequences of different scopes share no prefixes. */
  readonly scope?: string;
  /** One of the model's adapters; null: none, also where there is one for all. */
  readonly adapter?: string | null;
  /** Memory of an earlier sequence; it belongs to the new one from here on. */
  readonly resume?: HeldMemory;
  /** Leave the memory open when the sequence is over, for `held`; give it back with `release`. */
  readonly keepMemory?: boolean;
  /** Told what the decoder does. */
  watch?(event: DecodeEvent): void;
  /** Shown the memory after each pass, once the policy has made its edits. */
  watchMemory?(store: KeyValueStore): void;
}
