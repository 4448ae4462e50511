import type { SequenceStats } from "./sequence-options.js";

/** What the engine tells whoever watches it: metrics, the live view of the scheduler, benches. Calls come from within the loop, so they
 *  must be quick and must not throw. */
export interface EngineObserver {
  onPass?(pass: ObservedPass): void;
  onToken?(token: ObservedToken): void;
  onEnd?(end: ObservedEnd): void;
}

/** One pass, when it has ended. */
export interface ObservedPass {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly ms: number;
  /** Rows of sequences that were decoding. */
  readonly decodeRows: number;
  /** Parts of prompts. */
  readonly slices: readonly { readonly request: number; readonly user: string; readonly rows: number }[];
  readonly running: number;
  readonly waiting: number;
  readonly cacheBytes: number;
  readonly cacheLimitBytes: number;
}

export interface ObservedToken {
  readonly request: number;
  readonly user: string;
  /** Since the request came in, for its first token; else since the token before. */
  readonly seconds: number;
  readonly first: boolean;
}

export interface ObservedEnd {
  readonly request: number;
  readonly user: string;
  readonly outcome: "finished" | "cancelled" | "failed";
  readonly stats: SequenceStats;
}
