import type { KeyValueStore, Reservation } from "../cache/store/key-values.js";
import type { RowsRequest, RowsResult, SequenceMemory } from "../decode/decoder.js";
import { isQuireError, QuireError } from "../errors.js";
import { AsyncQueue } from "./async-queue.js";
import { BranchMemory } from "./branch-memory.js";
import { type ChannelResult, Channels } from "./channels.js";
import { DraftMemory } from "./drafts/draft-memory.js";
import type { DraftModel } from "./drafts/draft-model.js";
import type { Segment } from "./forward.js";
import type { FinishReason, OutputPiece } from "./output.js";
import { type PassObservations, PolicyDriver } from "./policy-driver.js";
import {
  type HeldMemory,
  noStats,
  type SequenceOptions,
  type SequenceStats,
  type StartMemory,
} from "./sequence-options.js";
import { BlockMemory } from "./views/block-memory.js";
import { lastRows } from "./views/view-rows.js";

/** One sequence in the engine: its decoder (a suspended generator), its memory, and what came out of it so far. It waits without a
 *  memory until it is admitted, and again after it was preempted; then its tokens are evaluated anew before the decoder goes on,
 *  which knows nothing of it. */

export class Sequence {
  readonly id: number;
  readonly pieces = new AsyncQueue<OutputPiece>();
  readonly stats: SequenceStats;
  readonly signal: AbortSignal | undefined;
  readonly options: SequenceOptions;
  /** Milliseconds since 1970. */
  readonly startedAt = Date.now();
  /** Set when the generator has ended or failed. */
  over = false;
  error: unknown;

  #memory: { readonly store: KeyValueStore; readonly policy: PolicyDriver } | undefined;
  #generator: Generator<RowsRequest, void, RowsResult> | undefined;
  readonly #held: number[] = [];
  readonly #channels: Channels;
  /** Tokens that were in the memory when it was taken away, and how many of them are in again. */
  #replay: Int32Array = new Int32Array(0);
  #replayed = 0;
  #request: RowsRequest | undefined;
  #requests = 0;
  #done = 0;
  /** Logits of finished slices, where more than one slice was needed and all are wanted. */
  #kept: Float32Array[] = [];
  #newest: Reservation | undefined;
  #draft: DraftMemory | undefined;
  #draftStore: KeyValueStore | undefined;
  readonly #branches: BranchMemory | undefined;
  readonly #blocks: BlockMemory | undefined;
  /** Tokens before the first that saw a later one. */
  #causal = Number.POSITIVE_INFINITY;

  constructor(id: number, options: SequenceOptions) {
    this.id = id;
    this.options = options;
    this.signal = options.signal;
    if (options.decoder.shapesMemory === "branches")
      this.#branches = new BranchMemory(() => this.#mustHaveMemory().store);
    if (options.decoder.shapesMemory === "views")
      this.#blocks = new BlockMemory(() => this.#mustHaveMemory().store, options.blocks);
    this.stats = noStats(options.prompt.length);
    this.#channels = new Channels(options, this.stats, this.pieces);
  }

  get store(): KeyValueStore | undefined {
    return this.#memory?.store;
  }

  /** Memories of its own beside that one. */
  get blockStores(): readonly KeyValueStore[] {
    return (this.#blocks?.pools ?? []).map(({ store }) => store);
  }

  /** Gives them back. */
  closeBlocks(): void {
    this.#blocks?.close();
  }

  get draftStore(): KeyValueStore | undefined {
    return this.#draftStore;
  }

  /** The model that its next rows go through, where that is not the engine's own. */
  get drafting(): DraftModel | undefined {
    const isDrafts = this.#request?.by === "draft" && this.#replayed === this.#replay.length;
    return isDrafts ? this.options.draft : undefined;
  }

  /** It was admitted at least once. */
  get begun(): boolean {
    return this.#generator !== undefined;
  }

  /** Admits it, with a memory that holds some of its first tokens. */
  begin({ store, tokens, policyRun, draftStore }: StartMemory): void {
    const { options } = this;
    this.#draftStore = draftStore;
    // What a draft's memory lost it is fed again by the decoder itself.
    this.#draft?.attach(draftStore ?? store);
    if (options.draft !== undefined) this.#draft ??= new DraftMemory(options.draft, draftStore ?? store);
    const policy = new PolicyDriver({
      policy: options.policy,
      run: policyRun,
      store,
      promptTokens: options.prompt.length,
      maxNewTokens: options.maxTokens,
    });
    this.#memory = { store, policy };
    this.#held.push(...tokens);
    if (this.#generator !== undefined) {
      this.#replayed = tokens.length;
      return;
    }
    this.stats.cachedTokens = tokens.length;
    this.stats.secondsQueued = this.#channels.seconds;
    this.#generator = options.decoder.decode({
      prompt: options.prompt,
      memory: this.#memoryForDecoder(),
      draft: this.#draft?.context,
      tokenizer: options.tokenizer,
      ...this.#channels.channel(0),
      channel: (index) => this.#channels.channel(index),
      watch: options.watch,
      stats: this.stats.decode,
    });
    this.#advance(undefined);
  }

  /** Whether its memory may be taken away and computed anew: what a policy has dropped cannot be had again in the same way, except
   *  from the very beginning. */
  get canPreempt(): boolean {
    if (this.#branches?.begun === true || this.blockStores.length > 0 || this.drafting !== undefined) return false;
    return this.options.policy.rewinds || (this.#requests <= 1 && this.stats.cachedTokens === 0);
  }

  /** Takes its memory away, for the caller to close; it waits again. */
  preempt(): KeyValueStore | undefined {
    const { store } = this;
    this.#memory = undefined;
    if (this.options.policy.rewinds) {
      // What was to be evaluated again and is not yet is still to be.
      this.#replay = Int32Array.from([...this.#held, ...this.#replay.subarray(this.#replayed)]);
    } else {
      this.#done = 0;
      this.#kept = [];
    }
    this.#replayed = 0;
    this.#held.length = 0;
    this.stats.preemptions++;
    return store;
  }

  /** The tokens that a memory for it could begin with. */
  get sought(): Int32Array {
    // The last token of the prompt is always evaluated: its logits are needed.
    return this.begun ? this.#replay : this.options.prompt.subarray(0, -1);
  }

  /** Tokens in its memory. */
  get heldTokens(): Int32Array {
    return Int32Array.from(this.#held);
  }

  get heldCount(): number {
    return this.#branches?.begun === true ? this.#branches.entries : this.#held.length;
  }

  /** Those of its first tokens whose entries are what any sequence with the same tokens would have. */
  get shareable(): Int32Array {
    return Int32Array.from(this.#held.slice(0, Math.min(this.#causal, this.#branches?.intact ?? this.#causal)));
  }

  /** Rows that it wants now. */
  get wantedRows(): number {
    if (this.over) return 0;
    if (!this.begun) return this.options.prompt.length;
    const again = this.#replay.length - this.#replayed;
    const asked = this.#request === undefined ? 0 : this.#request.tokens.length - this.#done;
    const wanted = this.store !== undefined && again > 0 ? again : again + asked;
    return Math.min(wanted, this.#memory?.policy.mostRows ?? wanted);
  }

  get wantsWhole(): boolean {
    return this.#replayed === this.#replay.length && this.#request?.sees !== undefined;
  }

  /** Its prompt is in, and its reader waits for tokens. */
  get decoding(): boolean {
    // A draft that has yet to read the prompt reads it in slices too.
    const reads = this.drafting !== undefined && this.wantedRows > mostDraftRows;
    return this.#requests > 1 && this.#replayed === this.#replay.length && !reads;
  }

  /** The next `rows` rows, with slots reserved for them. */
  segment(rows: number): Segment {
    if (this.drafting !== undefined && this.#draft !== undefined)
      return this.#draft.segment(this.#mustHaveRequest(), this.#done, rows);
    const { sees } = this.#request ?? {};
    if (sees?.kind === "branches") return this.#branchSegment(this.#mustHaveRequest(), sees.of);
    const { store, policy } = this.#mustHaveMemory();
    if (sees?.kind === "views" && this.#blocks !== undefined) {
      const request = this.#mustHaveRequest();
      const views = this.#blocks.place(sees, rows);
      const slots = { positions: views.keyPositions, shared: [], byHead: new Map() };
      const wanted = wantedOf(request, 0, rows);
      return { store, tokens: request.tokens, positions: views.keyPositions, slots, wanted, sees, views };
    }
    const wants = policy.wants(rows);
    const again = this.#replayed < this.#replay.length;
    const request: RowsRequest = again ? { tokens: this.#replay, want: "none" } : this.#mustHaveRequest();
    const done = again ? this.#replayed : this.#done;
    const tokens = request.tokens.subarray(done, done + rows);
    const base = store.tokens;
    const positions = Int32Array.from(tokens, (_, row) => base + row);
    if (request.sees?.kind === "tree") {
      const { parents } = request.sees;
      for (let row = 0; row < rows; row++) {
        const parent = parents[row] ?? -1;
        positions[row] = parent < 0 ? base : (positions[parent] ?? base) + 1;
      }
    }
    const slots = store.reserve(rows, positions);
    this.#newest = slots;
    if (request.sees?.kind === "block") this.#causal = Math.min(this.#causal, this.#held.length);
    this.#held.push(...tokens);
    const wanted = wantedOf(request, done, rows);
    return { store, tokens, positions, slots, wanted, sees: request.sees, ...wants };
  }

  #branchSegment(request: RowsRequest, of: Int32Array): Segment {
    const { store, policy } = this.#mustHaveMemory();
    const memory = this.#branches as BranchMemory;
    const { tokens, sees } = request;
    const wants = policy.wants(tokens.length);
    const positions = memory.positions(of);
    const slots = store.reserve(tokens.length, positions);
    memory.append(of, slots.shared[0] as Int32Array);
    const wanted = wantedOf(request, 0, tokens.length);
    return { store, tokens, positions, slots, wanted, sees, branches: { memory, of }, ...wants };
  }

  /** How deep the rows of a pass went. */
  noteDepths(depths: Uint16Array | undefined): void {
    const { depths: counts } = this.stats;
    for (const depth of depths ?? []) {
      while (counts.length < depth) counts.push(0);
      if (depth > 0) counts[depth - 1] = (counts[depth - 1] ?? 0) + 1;
    }
  }

  /** Takes the results of a segment; resumes the decoder when its request is complete. */
  async resume(rows: number, logits: (index: number) => Float32Array, observed?: PassObservations): Promise<void> {
    const { policy } = this.#mustHaveMemory();
    const drafting = this.drafting !== undefined;
    this.stats.passes += drafting ? 0 : 1;
    this.stats.rows += drafting ? 0 : rows;
    if (this.#replayed < this.#replay.length) {
      this.#replayed += rows;
      return;
    }
    const request = this.#mustHaveRequest();
    const start = this.#done;
    this.#done += rows;
    const complete = this.#done === request.tokens.length;
    try {
      if (!drafting) await policy.afterPass(rows, this.wantedRows, observed);
      this.options.watchMemory?.(this.#mustHaveMemory().store);
    } catch (error) {
      this.end(error);
    }
    if (this.over) return;
    if (!complete) {
      if (request.want === "all") for (let row = 0; row < rows; row++) this.#kept.push(logits(row).slice());
      return;
    }
    const kept = this.#kept;
    this.#kept = [];
    this.#advance({
      logits: (row) => {
        if (request.want === "all") return row < start ? (kept[row] as Float32Array) : logits(row - start);
        const last = wantedOf(request, 0, request.tokens.length).indexOf(row);
        if (request.want === "last" && last >= 0) return logits(last);
        throw new QuireError("bad-input", `The decoder asked for logits of row ${row}, which it did not want.`);
      },
    });
    if (this.over) return;
    await this.#blocks?.settle().catch((error: unknown) => this.end(error));
  }

  /** Ends the sequence; `error` reaches whoever reads it. */
  end(error?: unknown): void {
    if (this.over) return;
    this.over = true;
    this.error = error;
    this.stats.seconds = this.#channels.seconds;
    const beside = this.#draftStore === undefined ? this.blockStores : [...this.blockStores, this.#draftStore];
    const stores = this.store === undefined ? [] : [this.store, ...beside];
    this.stats.cacheEntries = stores.reduce((sum, { entries }) => sum + entries, this.#blocks?.entriesBeside ?? 0);
    this.stats.cacheBytes = stores.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    this.stats.cachePeakBytes = stores.reduce((sum, { peakBytes }) => sum + peakBytes, 0);
    this.stats.cachePolicy = this.#memory?.policy.run.stats?.() ?? {};
    if (error === undefined) this.#channels.flush();
    // In the midst of a round the decoder holds samplers of its own.
    if (error !== undefined) this.#generator?.return();
    this.#channels.close();
    this.pieces.end(error);
  }

  /** The memory for a next turn: tokens whose keys and values are in it. */
  held(): HeldMemory {
    const { store, policy } = this.#mustHaveMemory();
    const { policy: given, adapter } = this.options;
    return { store, tokens: this.heldTokens, policyRun: policy.run, policyLabel: given.label, adapter };
  }

  #mustHaveMemory(): { readonly store: KeyValueStore; readonly policy: PolicyDriver } {
    if (this.#memory === undefined) throw new QuireError("bad-input", "The sequence has no memory now.");
    return this.#memory;
  }

  #mustHaveRequest(): RowsRequest {
    if (this.#request === undefined) throw new QuireError("bad-input", "The sequence wants no rows now.");
    return this.#request;
  }

  get finishReason(): FinishReason | undefined {
    return this.#channels.finishReason;
  }

  /** What came of each answer or worker. */
  get results(): readonly ChannelResult[] {
    return this.#channels.results;
  }

  #advance(result: RowsResult | undefined): void {
    const { name } = this.options.decoder;
    try {
      const next = this.#generator?.next(result as RowsResult) ?? { done: true };
      this.#done = 0;
      if (next.done === true) {
        this.#request = undefined;
        this.end();
        return;
      }
      if (next.value.tokens.length === 0) throw new QuireError("bad-input", `${name} asked for no rows.`);
      if (next.value.by !== "draft") this.#checkBranches(next.value);
      else if (this.#draft === undefined) throw new QuireError("bad-input", `${name} named no draft to ask.`);
      if (this.#blocks !== undefined) this.#blocks.check(next.value, this.#held.length);
      else if (next.value.sees?.kind === "views")
        throw new QuireError("bad-input", "A decoder read views that did not say it would.");
      this.#request = next.value;
      this.#requests++;
    } catch (error) {
      this.#request = undefined;
      this.end(
        isQuireError(error)
          ? error
          : new QuireError("bad-input", `The decoder ${name} failed: ${(error as Error).message}`, { cause: error }),
      );
    }
  }

  #checkBranches({ tokens, sees }: RowsRequest): void {
    const of = sees?.kind === "branches" ? sees.of : undefined;
    if (this.#branches !== undefined) this.#branches.check(tokens.length, of);
    else if (of !== undefined) throw new QuireError("bad-input", "A decoder used branches that did not say it would.");
  }

  #memoryForDecoder(): SequenceMemory {
    const held = this.#held;
    const store = () => this.#mustHaveMemory().store;
    const newest = () => this.#newest;
    return {
      branches: this.#branches,
      blocks: this.#blocks,
      get length() {
        return store().tokens;
      },
      rewind: (length) => {
        this.#branches?.check(0, undefined);
        store().rewind(length);
        held.length = Math.min(held.length, length);
      },
      keepRows: (rows, kept) => {
        this.#branches?.check(0, undefined);
        const slots = newest();
        if (slots?.positions.length !== rows)
          throw new QuireError("bad-input", "Only the rows of the newest request can be kept or taken back.");
        const tokens = held.splice(held.length - rows);
        held.push(...Array.from(kept, (row) => tokens[row] ?? 0));
        store().keepOf(slots, kept);
        // Policies that edit entries are not asked beside decoders that keep paths of trees.
        store().putInOrder();
      },
    };
  }
}

/** Rows of a draft's request above which it is read in slices, as prompts are. */
const mostDraftRows = 64;

/** Indices of the rows of a slice whose logits are wanted. */
function wantedOf({ want, tokens, sees }: RowsRequest, done: number, rows: number): Int32Array {
  if (want === "last" && sees?.kind === "views") return lastRows(sees);
  if (want === "all") return Int32Array.from({ length: rows }, (_, row) => row);
  return want === "last" && done + rows === tokens.length ? Int32Array.of(rows - 1) : new Int32Array(0);
}
