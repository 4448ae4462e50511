import type { KeyValueShape, KeyValueStore } from "../../cache/store/key-values.js";
import { appendRun, cutRun, type EntryRun, entryWidths, readRun } from "./entry-run.js";
import { type PrefixMatch, type PrefixNode, PrefixTree } from "./prefix-tree.js";

/** Beginnings that sequences have in common are computed once: what a sequence has evaluated is copied into a tree of runs, and a new
 *  sequence whose text begins alike gets a copy from there. Each memory stays private and contiguous, so attention knows nothing
 *  of sharing; copying a token takes a small part of the time of computing it. */

export interface PrefixCounters {
  /** Tokens of prompts that were looked up, and those of them that were found. */
  queries: number;
  hits: number;
}

export interface FoundPrefix {
  readonly tokens: number;
  readonly match: PrefixMatch<EntryRun>;
}

export class SharedPrefixes {
  readonly counters: PrefixCounters = { queries: 0, hits: 0 };
  readonly #tree: PrefixTree<EntryRun>;
  readonly #tokenBytes: number;
  readonly #mostBytes: number;

  constructor(shape: KeyValueShape, { mostBytes, page = 16 }: { mostBytes: number; page?: number }) {
    const widths = entryWidths(shape);
    this.#tokenBytes = widths.reduce((sum, bytes) => sum + bytes, 0);
    this.#mostBytes = mostBytes;
    this.#tree = new PrefixTree({ page, split: (run, at) => cutRun(run, at, widths), free: () => {} });
  }

  get bytes(): number {
    return this.#tree.tokens * this.#tokenBytes;
  }

  get tokens(): number {
    return this.#tree.tokens;
  }

  /** How many of the first tokens are held. */
  known(tokens: Int32Array, scope?: string): number {
    return this.#tree.match(tokens, { scope, touch: false }).length;
  }

  /** Finds the longest beginning of at most `most` tokens and keeps it from being evicted until `done`. */
  find(tokens: Int32Array, most: number, scope?: string): FoundPrefix & { done(): void } {
    const match = this.#tree.match(tokens.subarray(0, most), { scope });
    const last: PrefixNode<EntryRun> | undefined = match.runs.at(-1)?.node;
    if (last !== undefined) this.#tree.lock(last);
    return { tokens: match.length, match, done: () => last !== undefined && this.#tree.unlock(last) };
  }

  /** Copies what was found into an empty memory. */
  copyInto(store: KeyValueStore, { match }: FoundPrefix): void {
    for (const { node, count } of match.runs) appendRun(store, node.value, count);
  }

  /** Takes over what a memory holds beyond what is known. `makeRoom` is asked for bytes and may answer no. */
  learn(store: KeyValueStore, tokens: Int32Array, makeRoom: (bytes: number) => boolean, scope?: string): void {
    this.#tree.insert(
      tokens,
      (from, to) => {
        const bytes = (to - from) * this.#tokenBytes;
        if (bytes > this.#mostBytes) return undefined;
        this.evict(this.bytes + bytes - this.#mostBytes);
        return this.bytes + bytes <= this.#mostBytes && makeRoom(bytes) ? readRun(store, from, to) : undefined;
      },
      scope,
    );
  }

  /** Frees at least so many bytes, as far as possible; returns how many. */
  evict(bytes: number): number {
    if (bytes <= 0) return 0;
    return this.#tree.evict(Math.ceil(bytes / this.#tokenBytes)) * this.#tokenBytes;
  }
}
