import type { CachePolicy, PolicyRun } from "../cache/policy.js";
import type { KeyValueStore, Reservation } from "../cache/store/key-values.js";
import type { Choice, Decoder, RowsRequest, RowsResult, Sampler, SequenceMemory } from "../decode/decoder.js";
import { isQuireError, QuireError } from "../errors.js";
import { AsyncQueue } from "./async-queue.js";
import type { Segment } from "./forward.js";
import type { FinishReason, Output, OutputPiece } from "./output.js";
import { PolicyDriver } from "./policy-driver.js";

/** One sequence in the engine: its decoder (a suspended generator), its memory, and what came out of it so far. */

export interface SequenceOptions {
  readonly prompt: Int32Array;
  readonly decoder: Decoder;
  readonly policy: CachePolicy;
  readonly sampler: Sampler;
  readonly output: Output;
  readonly maxTokens: number;
  readonly signal?: AbortSignal;
}

export interface SequenceStats {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  passes: number;
  rows: number;
  secondsToFirstToken: number;
  seconds: number;
  readonly decode: Record<string, number>;
  cacheEntries: number;
  cacheBytes: number;
}

/** What a sequence leaves behind for the next turn of a chat: its memory and the tokens that are in it. */
export interface HeldMemory {
  readonly store: KeyValueStore;
  readonly tokens: Int32Array;
  readonly policyRun: PolicyRun;
  readonly policyLabel: string;
}

export class Sequence {
  readonly id: number;
  readonly pieces = new AsyncQueue<OutputPiece>();
  readonly store: KeyValueStore;
  readonly stats: SequenceStats;
  readonly signal: AbortSignal | undefined;
  finishReason: FinishReason | undefined;
  /** Set when the generator has ended or failed. */
  over = false;
  error: unknown;

  readonly #options: SequenceOptions;
  readonly #policy: PolicyDriver;
  readonly #generator: Generator<RowsRequest, void, RowsResult>;
  readonly #held: number[];
  readonly #started = performance.now();
  #request: RowsRequest | undefined;
  #done = 0;
  /** Logits of finished slices, where more than one slice was needed and all are wanted. */
  #kept: Float32Array[] = [];
  #newest: Reservation | undefined;

  constructor(
    id: number,
    options: SequenceOptions,
    memory: { store: KeyValueStore; tokens: Int32Array; policyRun: PolicyRun },
  ) {
    this.id = id;
    this.#options = options;
    this.signal = options.signal;
    this.store = memory.store;
    this.#held = Array.from(memory.tokens);
    this.#policy = new PolicyDriver({
      policy: options.policy,
      run: memory.policyRun,
      store: memory.store,
      promptTokens: options.prompt.length,
      maxNewTokens: options.maxTokens,
    });
    this.stats = {
      promptTokens: options.prompt.length,
      cachedTokens: memory.tokens.length,
      completionTokens: 0,
      passes: 0,
      rows: 0,
      secondsToFirstToken: 0,
      seconds: 0,
      decode: {},
      cacheEntries: 0,
      cacheBytes: 0,
    };
    this.#generator = options.decoder.decode({
      prompt: options.prompt,
      memory: this.#memory(),
      sampler: options.sampler,
      emit: (choice) => this.#emit(choice),
      remaining: () => options.output.remaining(),
      stats: this.stats.decode,
    });
    this.#advance(undefined);
  }

  /** Rows of the current request that were not evaluated yet. */
  get wantedRows(): number {
    return this.#request === undefined ? 0 : this.#request.tokens.length - this.#done;
  }

  get wantsWhole(): boolean {
    return this.#request?.sees !== undefined;
  }

  /** The next `rows` rows of the request, with slots reserved for them. */
  segment(rows: number): Segment {
    const request = this.#request as RowsRequest;
    const tokens = request.tokens.subarray(this.#done, this.#done + rows);
    const base = this.store.tokens;
    const positions = Int32Array.from(tokens, (_, row) => base + row);
    if (request.sees?.kind === "tree") {
      const { parents } = request.sees;
      for (let row = 0; row < rows; row++) {
        const parent = parents[row] ?? -1;
        positions[row] = parent < 0 ? base : (positions[parent] ?? base) + 1;
      }
    }
    const slots = this.store.reserve(rows, positions);
    this.#newest = slots;
    this.#held.push(...tokens);
    return { store: this.store, tokens, positions, slots, wanted: this.#wanted(rows), sees: request.sees };
  }

  #wanted(rows: number): Int32Array {
    const request = this.#request as RowsRequest;
    if (request.want === "all") return Int32Array.from({ length: rows }, (_, row) => row);
    const isLast = this.#done + rows === request.tokens.length;
    return request.want === "last" && isLast ? Int32Array.of(rows - 1) : new Int32Array(0);
  }

  /** Takes the results of a segment; resumes the decoder when its request is complete. */
  resume(rows: number, logits: (index: number) => Float32Array): void {
    const request = this.#request as RowsRequest;
    const start = this.#done;
    this.#done += rows;
    this.stats.passes++;
    this.stats.rows += rows;
    const complete = this.#done === request.tokens.length;
    this.#policy.afterPass(this.wantedRows);
    if (!complete) {
      if (request.want === "all") for (let row = 0; row < rows; row++) this.#kept.push(logits(row).slice());
      return;
    }
    const kept = this.#kept;
    this.#kept = [];
    this.#advance({
      logits: (row) => {
        if (request.want === "all") return row < start ? (kept[row] as Float32Array) : logits(row - start);
        if (request.want === "last" && row === request.tokens.length - 1) return logits(0);
        throw new QuireError("bad-input", `The decoder asked for logits of row ${row}, which it did not want.`);
      },
    });
  }

  /** Ends the sequence; `error` reaches whoever reads it. */
  end(error?: unknown): void {
    if (this.over) return;
    this.over = true;
    this.error = error;
    this.stats.seconds = (performance.now() - this.#started) / 1000;
    this.stats.cacheEntries = this.store.entries;
    this.stats.cacheBytes = this.store.sizeBytes;
    if (error === undefined) {
      const text = this.#options.output.flush();
      if (text !== "") this.pieces.push({ text, token: -1, logProb: 0 });
    }
    this.pieces.end(error);
  }

  /** The memory for a next turn: tokens whose keys and values are in it. */
  held(): HeldMemory {
    return {
      store: this.store,
      tokens: Int32Array.from(this.#held),
      policyRun: this.#policy.run,
      policyLabel: this.#options.policy.label,
    };
  }

  #emit(choice: Choice): boolean {
    const { output } = this.#options;
    const piece = output.push(choice);
    if (piece !== undefined) {
      if (this.stats.completionTokens === 0)
        this.stats.secondsToFirstToken = (performance.now() - this.#started) / 1000;
      this.stats.completionTokens = output.tokens;
      this.pieces.push(piece);
    }
    this.finishReason = output.finish;
    return output.finish !== undefined;
  }

  #advance(result: RowsResult | undefined): void {
    try {
      const next = result === undefined ? this.#generator.next(undefined as never) : this.#generator.next(result);
      this.#done = 0;
      if (next.done === true) {
        this.#request = undefined;
        this.end();
        return;
      }
      if (next.value.tokens.length === 0)
        throw new QuireError("bad-input", `${this.#options.decoder.name} asked for no rows.`);
      this.#request = next.value;
    } catch (error) {
      this.#request = undefined;
      this.end(
        isQuireError(error)
          ? error
          : new QuireError(
              "bad-input",
              `The decoder ${this.#options.decoder.name} failed: ${(error as Error).message}`,
              { cause: error },
            ),
      );
    }
  }

  #memory(): SequenceMemory {
    const { store } = this;
    const held = this.#held;
    const newest = () => this.#newest;
    return {
      get length() {
        return store.tokens;
      },
      rewind: (length) => {
        store.rewind(length);
        held.length = Math.min(held.length, length);
      },
      keepRows: (rows, kept) => {
        const slots = newest();
        if (slots?.positions.length !== rows)
          throw new QuireError("bad-input", "Only the rows of the newest request can be kept or taken back.");
        const tokens = held.splice(held.length - rows);
        held.push(...Array.from(kept, (row) => tokens[row] ?? 0));
        store.keepOf(slots, kept);
      },
    };
  }
}
